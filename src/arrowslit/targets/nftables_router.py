"""nftables on a router with a mail server behind it: the port forward itself, and a gate before and behind all NAT.

Grants: connecting. For IPv4 the router's address is translated to the server's, for listed clients only; IPv6 reaches
the server by its own address. Both pass two gates: one before any DNAT, so that the router's own wide forward does not
matter, and one where packets are forwarded to the server, whatever they were translated by. Both look at packets from
the outer interface only: the inner side, and what the server sends out, are not touched. In mode "observe" nothing is
translated: what the router does already is left as it is, and counted. It never accepts in place of the router's own
chains, as no table of nft can (a drop anywhere is final), and it never takes a rule of others away.
Sources: nft(8), sections Chains, Address families and NAT statements; wiki.nftables.org on NAT and on base chains.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from arrowslit.mail.address import IPAddress
from arrowslit.policy.parts import OBSERVE
from arrowslit.targets.gaps import Term
from arrowslit.targets.nft_sets import gate, sets
from arrowslit.targets.outer import known_interface
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import CONNECT, Body, Place, PlaceError, Target
from arrowslit.targets.text import HASH

TABLE: Final = "arrowslit_router"
_FAMILY: Final = {4: "ip", 6: "ip6"}


def _write(rules: Rules, place: Place) -> Body:
    outer = known_interface(place)
    if not place.server:
        raise PlaceError("the mail server's address is not said: --server, once for IPv4 and once for IPv6")
    return Body(
        f"""table inet {TABLE}
delete table inet {TABLE}
table inet {TABLE} {{
{"".join(sets(rules))}
	counter refused {{ }}

	chain outer {{
		type filter hook prerouting priority mangle; policy accept;
		iifname "{outer}" fib daddr type local {_ports(place)} jump gate
	}}

	chain translate {{
		type nat hook prerouting priority dstnat - 1; policy accept;
{"".join(_translation(rules, place))}	}}

	chain inner {{
		type filter hook forward priority filter - 1; policy accept;
{"".join(_inner(place))}	}}

	chain gate {{
{"".join(gate(rules))}	}}
}}
""",
        apply=("nft -c -f FILE && nft -f FILE",),
        check=(f"nft list table inet {TABLE}", "nft list ruleset | grep -n 'dport.*25'"),
        undo=(f"nft delete table inet {TABLE}",),
        notes=tuple(_notes(place)),
    )


def _ports(place: Place) -> str:
    return f"tcp dport {{ {', '.join(map(str, place.ports))} }}"


def _of(place: Place, version: int) -> IPAddress | None:
    return next((one for one in place.server if one.version == version), None)


def _translation(rules: Rules, place: Place) -> Iterator[str]:
    server = _of(place, 4)
    if server is None or rules.server.mode == OBSERVE:
        return  # to make a forward would let somebody in who was not let in before
    listed = "ip saddr @listed4" if rules.connect.only_listed else "ip saddr != @listed4"
    yield f'\t\tiifname "{place.interface}" fib daddr type local {_ports(place)} {listed} dnat ip to {server}\n'


def _inner(place: Place) -> Iterator[str]:
    for server in place.server:
        yield f'\t\tiifname "{place.interface}" {_FAMILY[server.version]} daddr {server} {_ports(place)} jump gate\n'


def _notes(place: Place) -> Iterator[str]:
    yield "it is gone after a restart unless the file is included in /etc/nftables.conf, behind the router's own rules"
    yield (
        "the router's own forward chain must still let these packets through, such as by: ct status dnat accept"
        + ("" if _of(place, 6) is None else f", and ip6 daddr {_of(place, 6)} tcp dport {place.ports[0]} accept")
    )
    yield "a wider port forward of the router's own may stay: strangers are dropped before it, and undo returns to it"
    for version, other in ((4, 6), (6, 4)):
        if _of(place, version) is None:
            yield f"no IPv{version} address of the server is said (--server): only IPv{other} is guarded all the way"


NFTABLES_ROUTER: Final = Target(
    "nftables-router",
    "nftables on a router with the mail server behind it",
    CONNECT,
    frozenset({Term.IPV6, Term.OBSERVE}),
    HASH,
    "nft",
    _write,
)
