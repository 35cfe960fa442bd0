"""pf (OpenBSD, FreeBSD, macOS) on the mail server or the router before it: an anchor that only refuses.

Grants: connecting. Terms: both families and `observe` (logging). Whom the anchor does not refuse goes on to the rules
that are there. A table holds both families, and an empty one has nobody in it. It never passes anything itself.

Sources: pf.conf(5), "Tables", "Anchors", grammar; pfctl(8).
"""

from __future__ import annotations

from typing import Final

from arrowslit.policy.parts import OBSERVE
from arrowslit.targets.cloud import FAMILIES, indented, listed
from arrowslit.targets.gaps import Term
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import CONNECT, Body, Place, PlaceError, Target
from arrowslit.targets.text import HASH


def _write(rules: Rules, place: Place) -> Body:
    if not place.interface:
        raise PlaceError("pf needs the interface that strangers come in by: give it with --interface")
    own = [line for version in FAMILIES for line in listed(rules.connect, version)]
    # Blanks and ends of line part the addresses: a comma behind the last one is an error.
    elements = f" {{\n{indented(own, chr(9))}}}" if own else ""
    ports = " ".join(map(str, place.ports))
    watched = rules.server.mode == OBSERVE
    refuse = f"match in log on {place.interface}" if watched else f"block drop in quick on {place.interface}"
    whom = "! <listed>" if rules.connect.only_listed else "<listed>"
    families = "".join(
        f"{refuse} {name} proto tcp from {whom} to any port {{ {ports} }}\n" for name in ("inet", "inet6")
    )
    return Body(
        f"table <listed> persist{elements}\n\n{families}",
        apply=(
            'the first time: put  anchor "arrowslit"  before every other filter rule of /etc/pf.conf; pfctl -f '
            "/etc/pf.conf",
            "keep the FILE of the last time, if there is one, as FILE.before",
            "pfctl -n -a arrowslit -f FILE && pfctl -a arrowslit -f FILE",
            'to have it after a restart: load anchor "arrowslit" from "FILE" in /etc/pf.conf, with the whole path',
        ),
        check=(
            "pfctl -a arrowslit -v -s rules   (counts who is refused)",
            "pfctl -a arrowslit -t listed -T show",
            *(("tcpdump -n -e -i pflog0",) if watched else ()),
        ),
        undo=("pfctl -a arrowslit -f FILE.before, or, where there was none, pfctl -a arrowslit -F all",),
        notes=(
            "FreeBSD and macOS redirect (rdr) before they filter: ports here are those behind a redirect",
            "a quick rule before the anchor goes round it; connections that are open stay open (pfctl -k ends them)",
            *(("match is known to OpenBSD and to newer FreeBSD",) if watched else ()),
        ),
    )


PF: Final = Target(
    "pf",
    "pf on a BSD system",
    CONNECT,
    frozenset({Term.IPV6, Term.OBSERVE}),
    HASH,
    "conf",
    _write,
)
