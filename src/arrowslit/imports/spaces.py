"""Sets of client addresses as an import works with them, and the entries that they come to in a policy.

A *part* is a range of addresses that the source writes somewhere, with its origin: a set is taken apart into the parts
that lie in it, so that each entry names where it came from; what no part covers becomes plain ranges with the origin
of the whole. Never loses an address and never adds one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from ipaddress import IPv4Address, IPv6Address, ip_network
from itertools import pairwise
from typing import Final

from arrowslit.imports.imported import Entry, Origin
from arrowslit.mail.address import IPAddress
from arrowslit.mail.address_range import AddressRange
from arrowslit.mail.address_set import EMPTY, AddressSet

__all__ = ["EMPTY", "EVERYBODY", "Part", "common", "entries_of", "first_matches", "of_prefixes", "outsider"]


@dataclass(frozen=True, slots=True)
class Part:
    """A range as the source writes it."""

    first: IPAddress
    last: IPAddress
    origin: Origin
    note: str = ""

    @property
    def set(self) -> AddressSet:
        """As a set."""
        return AddressSet.from_ranges([(self.first, self.last)])


def of_prefixes(*prefixes: str) -> AddressSet:
    """The union of prefixes that are known to be right."""
    return AddressSet.from_ranges((one[0], one[-1]) for one in map(ip_network, prefixes))


EVERYBODY: Final = of_prefixes("0.0.0.0/0", "::/0")
_OUTSIDERS: Final = tuple(map(IPv4Address, ("203.0.113.9", "198.51.100.77", "192.0.2.99", "8.8.4.4", "9.9.9.9")))


def common(one: AddressSet, other: AddressSet) -> AddressSet:
    """What is in both."""
    return one.subtract(one.subtract(other))


def entries_of(whole: AddressSet, parts: Sequence[Part], origin: Origin, *, require_tls: bool = False) -> list[Entry]:
    """Entries that list exactly `whole`: its parts in their order, then what none of them covers."""
    within = _Within(whole)
    chosen = _outermost([part for part in parts if within.holds(part)])
    taken = AddressSet.from_ranges((part.first, part.last) for part in chosen)
    found = [_entry(part.first, part.last, part.origin, part.note, require_tls) for part in chosen]
    rest = whole.subtract(taken)
    return found + [_entry(first, last, origin, "", require_tls) for first, last in rest.ranges()]


class _Within:
    """Whether a part lies in a set, at the cost of a search."""

    def __init__(self, whole: AddressSet) -> None:
        self.pairs = whole.pairs()
        self.firsts = [[first for first, _ in pairs] for pairs in self.pairs]

    def holds(self, part: Part) -> bool:
        family = 0 if part.first.version == 4 else 1
        at = bisect_right(self.firsts[family], int(part.first)) - 1
        return at >= 0 and int(part.last) <= self.pairs[family][at][1]


def _outermost(parts: list[Part]) -> list[Part]:
    """Those that lie in no other, in the order they came in; of equal ones the first."""
    order = sorted(
        range(len(parts)), key=lambda at: (parts[at].first.version, int(parts[at].first), -int(parts[at].last))
    )
    kept: list[int] = []
    family, end = 0, -1
    for at in order:
        part = parts[at]
        if part.first.version != family or int(part.last) > end:
            family, end = part.first.version, int(part.last)
            kept.append(at)
    return [parts[at] for at in sorted(kept)]


def _entry(first: IPAddress, last: IPAddress, origin: Origin, note: str, require_tls: bool) -> Entry:
    found = AddressRange(first, last)
    kind = "computer" if found.single else "range" if found.prefix is None else "group"
    return Entry(kind, found.text, origin, note, require_tls)


def first_matches(rows: Sequence[tuple[str, AddressSet]]) -> dict[str, AddressSet]:
    """What each key of a list of rows is the answer for, where the first row that holds an address counts.

    Costs one sort, whatever lies within what.
    """
    found: dict[str, tuple[list[tuple[int, int]], list[tuple[int, int]]]] = {}
    for family in (0, 1):
        spans = [
            (low, high, number) for number, (_, addresses) in enumerate(rows) for low, high in addresses.pairs()[family]
        ]
        for low, high, number in _topmost(spans):
            found.setdefault(rows[number][0], ([], []))[family].append((low, high))
    return {key: AddressSet.from_pairs(ipv4, ipv6) for key, (ipv4, ipv6) in found.items()}


def _topmost(spans: list[tuple[int, int, int]]) -> Iterator[tuple[int, int, int]]:
    """The pieces of spans that no span of a lower number covers."""
    spans.sort()
    edges = sorted({edge for low, high, _ in spans for edge in (low, high + 1)})
    active: list[tuple[int, int]] = []
    at = 0
    for low, after in pairwise(edges):
        while at < len(spans) and spans[at][0] <= low:
            heappush(active, (spans[at][2], spans[at][1]))
            at += 1
        while active and active[0][1] < low:
            heappop(active)
        if active:
            yield low, after - 1, active[0][0]


def outsider(apart_from: AddressSet) -> IPAddress | None:
    """An address that stands for a stranger: a public one that no list names; None where every one is named."""
    for address in _OUTSIDERS:
        if not apart_from.contains(address):
            return address
    left = EVERYBODY.subtract(apart_from)
    return next(_first(left), None)


def _first(left: AddressSet) -> Iterator[IPAddress]:
    for first, last in left.ranges():
        if isinstance(last, IPv6Address) or int(last) >> 24 not in {0, 127}:
            yield first
