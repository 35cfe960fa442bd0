"""pfSense: a table of addresses as a file that it fetches, or that is pasted, and the rules that name it by hand.

Grants: connecting. pfSense has no interface for programs of its own; an alias of the type URL Table follows a file on a
web server, and an alias can be imported from pasted lines. A fetch that fails leaves the old table. Sources:
docs.netgate.com (Aliases, URL Table, Bulk Import, Port Forwards), pfsense/pfsense `parse_aliases_file`.
"""

from __future__ import annotations

from typing import Final

from arrowslit.targets.alias import NAME, back_by_hand, entries, notes_by_hand, rules_by_hand
from arrowslit.targets.edge import interface_of
from arrowslit.targets.gaps import Term
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import CONNECT, Body, Place, Target
from arrowslit.targets.text import HASH

_FORWARDS: Final = "Firewall > NAT > Port Forward"


def _write(rules: Rules, place: Place) -> Body:
    return Body(
        "".join(entries(rules, HASH)),
        apply=(
            "Diagnostics > Backup & Restore: download; note the sources of the rules below",
            "put FILE on a web server that the firewall reaches (https), where only you can change it",
            f"Firewall > Aliases > URLs: {NAME}, type URL Table (IPs), the address of FILE, update frequency 1",
            f"or: Firewall > Aliases > IP > Import: {NAME}, and paste the lines that are no comments",
            *rules_by_hand(rules, place, _FORWARDS),
        ),
        check=(f"Diagnostics > Tables: {NAME}", f"on its console: pfctl -t {NAME} -T show"),
        undo=(*back_by_hand(_FORWARDS), "or Diagnostics > Backup & Restore > Config History: restore"),
        notes=(
            f"a new FILE is fetched within a day, or at once: /etc/rc.update_urltables now forceupdate {NAME}",
            *notes_by_hand(interface_of(place, "WAN")),
        ),
    )


PFSENSE: Final = Target(
    "pfsense",
    "pfSense",
    CONNECT,
    frozenset({Term.IPV6}),
    HASH,
    "txt",
    _write,
)
