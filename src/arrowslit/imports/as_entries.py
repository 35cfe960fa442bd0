"""Sets of addresses as entries of a list, each with the place that it came from.

An entry keeps the form of the source where all of it counts (`192.0.2.0/24`), else it is cut to the ranges that do.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from arrowslit.imports.imported import Entry, Origin
from arrowslit.mail.address import IPAddress
from arrowslit.mail.address_range import AddressRange
from arrowslit.mail.address_set import AddressSet

EVERYBODY: Final = AddressSet.from_pairs([(0, 2**32 - 1)], [(0, 2**128 - 1)])


def both(one: AddressSet, other: AddressSet) -> AddressSet:
    """The addresses that are in both."""
    return one.subtract(EVERYBODY.subtract(other))


def entry(one: AddressRange, origin: Origin, note: str = "", *, require_tls: bool = False) -> Entry:
    """One range as a computer, a group or a range."""
    kind = "computer" if one.single else "range" if one.prefix is None else "group"
    return Entry(kind, one.text, origin, note, require_tls)


def entries_within(
    ranges: Iterable[AddressRange], counts: AddressSet, origin: Origin, note: str = "", *, require_tls: bool = False
) -> Iterator[Entry]:
    """The ranges as entries, as far as they are in `counts`, no address twice."""
    four, six = counts.pairs()
    reached = {4: -1, 6: -1}
    for one in sorted(set(ranges), key=lambda each: (each.first.version, int(each.first), -int(each.last))):
        if int(one.last) <= reached[one.first.version]:
            continue
        reached[one.first.version] = int(one.last)
        for piece in _pieces(one, four if one.first.version == 4 else six):
            yield entry(piece, origin, note, require_tls=require_tls)


def entries_of(addresses: AddressSet, origin: Origin, note: str = "") -> Iterator[Entry]:
    """A set as entries, in order."""
    for first, last in addresses.ranges():
        yield entry(AddressRange(first, last), origin, note)


def _pieces(one: AddressRange, pairs: list[tuple[int, int]]) -> Iterator[AddressRange]:
    first, last = int(one.first), int(one.last)
    at = max(bisect_right(pairs, (first, 1 << 129)) - 1, 0)
    while at < len(pairs) and pairs[at][0] <= last:
        low, high = max(first, pairs[at][0]), min(last, pairs[at][1])
        if low <= high:
            yield AddressRange(_address(low, one.first.version), _address(high, one.first.version))
        at += 1


def _address(value: int, version: int) -> IPAddress:
    return IPv4Address(value) if version == 4 else IPv6Address(value)
