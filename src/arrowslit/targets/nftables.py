"""nftables on the host itself: a gate before any DNAT, so that it also guards published containers and forwards.

Grants: connecting. The gate only looks at connections from outside to the ports of this machine's addresses; what runs
on the machine itself (loopback) and what the machine sends out is not touched. Applying is one transaction that
replaces the whole table, so it can be repeated. Sources: nft(8), wiki.nftables.org on sets and on atomic replacement.

Terms: a *slot* is one set of rules within the table, all of whose names end in its letter. A text for a file has slot
"a". On a live enforcement point there are two while a change is not confirmed: the new one holds as long as the set
`pending` has an element, which the kernel itself drops when the time is over; then the old one holds again, whatever
has become of every process and of the clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from arrowslit.targets.gaps import Term
from arrowslit.targets.nft_sets import gate, sets
from arrowslit.targets.outer import outer_interface
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import CONNECT, Body, Place, Target
from arrowslit.targets.text import HASH

TABLE: Final = "arrowslit"
SLOTS: Final = ("a", "b")


def _write(rules: Rules, place: Place) -> Body:
    return Body(
        f"table inet {TABLE}\ndelete table inet {TABLE}\n{_table(rules, place, SLOTS[0])}",
        apply=("nft -c -f FILE && nft -f FILE",),
        check=(f"nft list table inet {TABLE}",),
        undo=(f"nft delete table inet {TABLE}",),
        notes=("it is gone after a restart unless the file is included in /etc/nftables.conf",),
    )


def _table(rules: Rules, place: Place, slot: str, dispatch: str = "") -> str:
    return f"""table inet {TABLE} {{
{"".join(sets(rules, f"_{slot}"))}
	counter refused_{slot} {{ }}

	chain prerouting {{
		type filter hook prerouting priority mangle; policy accept;
		{dispatch or f"jump entry_{slot}"}
	}}

	chain entry_{slot} {{
		{_interface(place)}fib daddr type local tcp dport {{ {", ".join(map(str, place.ports))} }} jump gate_{slot}
	}}

	chain gate_{slot} {{
		iifname "lo" return
{"".join(gate(rules, f"_{slot}"))}	}}
}}
"""


def pending(rules: Rules, place: Place, new: str, old: str | None, seconds: int) -> str:
    """Put the rules into slot `new` of the live table for so many seconds; then those of `old` hold again, or none."""
    fallback = f"; jump entry_{old}" if old else ""
    return f"""{_prepared()}table inet {TABLE} {{
	set pending {{
		type inet_proto
		flags timeout
		elements = {{ tcp timeout {seconds}s }}
	}}
}}
{_table(rules, place, new, f"meta l4proto @pending goto entry_{new}{fallback}")}"""


def extended(seconds: int) -> str:
    """Give what is pending so many seconds from now on. It is an error where the time is over already."""
    element = f"inet {TABLE} pending {{ tcp"
    return f"delete element {element} }}\nadd element {element} timeout {seconds}s }}\n"


def settled(keep: str, drop: str | None, *, had_pending: bool) -> str:
    """Let the rules of slot `keep` hold for good and remove those of slot `drop`."""
    lines = [
        f"add table inet {TABLE}",
        f"flush chain inet {TABLE} prerouting",
        f"add rule inet {TABLE} prerouting jump entry_{keep}",
    ]
    return "".join(f"{line}\n" for line in [*lines, *_removal(drop, had_pending)])


def removed() -> str:
    """Remove all that is ours."""
    return f"table inet {TABLE}\ndelete table inet {TABLE}\n"


def _prepared() -> str:
    """The table and an empty chain that sees every packet, whether they were there or not."""
    return f"""table inet {TABLE} {{
	chain prerouting {{
		type filter hook prerouting priority mangle; policy accept;
	}}
}}
flush chain inet {TABLE} prerouting
"""


def _removal(slot: str | None, had_pending: bool) -> Iterator[str]:
    at = f"inet {TABLE}"
    if slot:
        yield f"delete chain {at} entry_{slot}"
        yield f"delete chain {at} gate_{slot}"
        yield f"delete counter {at} refused_{slot}"
        yield from (f"delete set {at} listed{version}_{slot}" for version in (4, 6))
    if had_pending:
        yield f"delete set {at} pending"


def _interface(place: Place) -> str:
    outer = outer_interface(place)
    return f'iifname "{outer}" ' if outer else ""


NFTABLES: Final = Target(
    "nftables",
    "nftables on the mail server or gateway",
    CONNECT,
    frozenset({Term.IPV6, Term.OBSERVE}),
    HASH,
    "nft",
    _write,
)
