"""OPNsense: a script that puts the alias there through its interface for programs, and the rules that name it by hand.

Grants: connecting. The alias is imported by its name: it is made or replaced as a whole, and refused as a whole where
an entry is none; then the tables are filled anew, each in one step. What rules say is not touched: their source becomes
the alias once, by hand. It needs curl, on any machine that reaches the firewall. The key stands in a file, never in the
list of processes. Tried against a stand-in that only speaks the recorded protocol, not against OPNsense. Sources:
docs.opnsense.org (Aliases, Firewall API), opnsense/core AliasController (import, reconfigure).
"""

from __future__ import annotations

from typing import Final

from arrowslit.targets.alias import NAME, back_by_hand, entries, notes_by_hand, rules_by_hand
from arrowslit.targets.edge import interface_of
from arrowslit.targets.gaps import Term
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import CONNECT, Body, Place, Target
from arrowslit.targets.text import SHELL

_FORWARDS: Final = "Firewall > NAT > Destination NAT (before 26.1: Port Forward)"

_BEGINNING: Final = """\
set -eu
: "${OPNSENSE:?where its web interface is, such as https://192.168.0.1}"
: "${OPNSENSE_NETRC:?a file: machine HOST login KEY password SECRET}"

content=
add() { content="${content:+$content\\\\n}$1"; }

"""

_END: Final = f"""
post() {{
	curl -fsS --netrc-file "$OPNSENSE_NETRC" -H 'Content-Type: application/json' \\
		--data-binary @- "$OPNSENSE/api/firewall/alias/$1"
}}
alias='{{"enabled":"1","name":"{NAME}","type":"network","content":"%s"}}'
answer=$(printf "{{\\"data\\":{{\\"aliases\\":{{\\"alias\\":{{\\"{NAME}\\":$alias}}}}}}}}" "$content" | post import)
case $answer in
*'"status":"ok"'* | *'"status": "ok"'*) ;;
*) printf 'refused: %s\\n' "$answer" >&2 && exit 1 ;;
esac
printf '{{}}' | post reconfigure
"""


def _write(rules: Rules, place: Place) -> Body:
    return Body(
        _BEGINNING + "".join(entries(rules, SHELL, "add ")) + _END,
        apply=(
            "System > Configuration > Backups: download; note the sources of the rules below",
            "System > Access > Users: an API key of a user with the right Firewall: Alias: Edit; put it into a "
            "netrc file",
            "OPNSENSE=https://192.168.0.1 OPNSENSE_NETRC=FILE-WITH-KEY CURL_CA_BUNDLE=ITS-CERTIFICATE sh FILE",
            *rules_by_hand(rules, place, _FORWARDS),
        ),
        check=(f"Firewall > Diagnostics > Aliases: {NAME}", f"on its console: pfctl -t {NAME} -T show"),
        undo=(*back_by_hand(_FORWARDS), "or System > Configuration > History: restore"),
        notes=tuple(notes_by_hand(interface_of(place, "WAN"))),
    )


OPNSENSE: Final = Target(
    "opnsense",
    "OPNsense",
    CONNECT,
    frozenset({Term.IPV6}),
    SHELL,
    "sh",
    _write,
)
