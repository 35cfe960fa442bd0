"""Sets of network addresses: sorted, disjoint ranges in flat arrays, for a million ranges and a microsecond a look-up.

Terms: a *range* is a first and a last address of one family, both included. IPv4-mapped IPv6 ranges are IPv4 ranges
(gateway-behaviour 7); a wider IPv6 range that happens to span ::ffff:0:0/96 stays IPv6 and holds no IPv4 address.
The *packed form* is a header and the columns themselves, so that a file made by one process can be mapped by another
(decisions 26). A set never changes, never resolves a name and never reads a file.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, summarize_address_range
from itertools import islice
from struct import Struct
from typing import Final, TypeAlias

from arrowslit.mail.address import IPAddress

Column: TypeAlias = "array[int] | memoryview[int]"
Pairs: TypeAlias = list[tuple[int, int]]
"""First and last of ranges of one family, as integers."""

_HEADER: Final = Struct("<8sQQ")
_MAGIC: Final = b"ARROWSET"
_LOW: Final = (1 << 64) - 1
_MAPPED: Final = 0xFFFF << 32
_MAPPED_LAST: Final = _MAPPED | 0xFFFFFFFF


class AddressSet:
    """An immutable set of addresses of both families; equal when it holds the same addresses."""

    __slots__ = ("_first4", "_first6_high", "_first6_low", "_last4", "_last6_high", "_last6_low")

    def __init__(self) -> None:
        """The empty set; other sets come from `from_ranges`, `from_pairs` and `from_buffer`."""
        self._first4: Column = array("I")
        self._last4: Column = array("I")
        self._first6_high: Column = array("Q")
        self._first6_low: Column = array("Q")
        self._last6_high: Column = array("Q")
        self._last6_low: Column = array("Q")

    @classmethod
    def from_ranges(cls, ranges: Iterable[tuple[IPAddress, IPAddress]]) -> AddressSet:
        """The union of `ranges`, each (first, last), in any order, overlapping or not.

        Raises ValueError where the two are of different families or the first lies behind the last.
        """
        ipv4: Pairs = []
        ipv6: Pairs = []
        for first, last in ranges:
            if first.version != last.version or int(first) > int(last):
                raise ValueError(f"not a range: {first}-{last}")
            (ipv4 if first.version == 4 else ipv6).append((int(first), int(last)))
        return cls.from_pairs(ipv4, ipv6)

    @classmethod
    def from_pairs(cls, ipv4: Pairs, ipv6: Pairs) -> AddressSet:
        """The union of ranges given as integers; the lists are used up (sorted in place)."""
        ipv6 = _fold(ipv4, ipv6)
        made = cls()
        first4, last4 = _merge(ipv4)
        first6, last6 = _merge(ipv6)
        made._first4, made._last4 = array("I", first4), array("I", last4)
        made._first6_high, made._first6_low = _split(first6)
        made._last6_high, made._last6_low = _split(last6)
        return made

    def contains(self, address: IPAddress) -> bool:
        """True where `address` lies in one of the ranges."""
        value = int(address)
        if isinstance(address, IPv4Address):
            return self._contains4(value)
        if value >> 32 == 0xFFFF:
            return self._contains4(value & 0xFFFFFFFF)
        return self._contains6(value >> 64, value & _LOW)

    __contains__ = contains

    def _contains4(self, value: int) -> bool:
        at = bisect_right(self._first4, value) - 1
        return at >= 0 and value <= self._last4[at]

    def _contains6(self, high: int, low: int) -> bool:
        column = self._first6_high
        end = bisect_right(column, high)
        start = bisect_left(column, high, 0, end)
        at = bisect_right(self._first6_low, low, start, end) - 1
        if at < 0:
            return False
        last_high = self._last6_high[at]
        return high < last_high or (high == last_high and low <= self._last6_low[at])

    def covers(self, other: AddressSet) -> bool:
        """True where every address of `other` is in this set too."""
        return not other.subtract(self)

    def overlaps(self, other: AddressSet) -> bool:
        """True where the two have an address in common."""
        return other.subtract(self) != other

    def union(self, *others: AddressSet) -> AddressSet:
        """The addresses of this set and of all the others."""
        ipv4 = self._pairs4()
        ipv6 = self._pairs6()
        for other in others:
            ipv4 += other._pairs4()
            ipv6 += other._pairs6()
        return AddressSet.from_pairs(ipv4, ipv6)

    def subtract(self, other: AddressSet) -> AddressSet:
        """The addresses of this set that are not in `other`."""
        return AddressSet.from_pairs(
            _subtract(self._pairs4(), other._pairs4()), _subtract(self._pairs6(), other._pairs6())
        )

    def pairs(self) -> tuple[Pairs, Pairs]:
        """The ranges as integers: those of IPv4, those of IPv6; sorted and disjoint."""
        return self._pairs4(), self._pairs6()

    def ranges(self) -> Iterator[tuple[IPAddress, IPAddress]]:
        """The ranges in order, IPv4 first."""
        for first, last in self._pairs4():
            yield IPv4Address(first), IPv4Address(last)
        for first, last in self._pairs6():
            yield IPv6Address(first), IPv6Address(last)

    def cidrs(self) -> Iterator[IPv4Network | IPv6Network]:
        """The same addresses as the fewest prefixes, in order, IPv4 first."""
        for first, last in self.ranges():
            yield from summarize_address_range(first, last)

    def __len__(self) -> int:
        """The number of ranges, not of addresses."""
        return len(self._first4) + len(self._first6_high)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AddressSet):
            return NotImplemented
        return self.to_bytes() == other.to_bytes()

    def __hash__(self) -> int:
        return hash((len(self), *(pair for pairs in self._edges() for pair in pairs)))

    def __repr__(self) -> str:
        shown = [f"{first}-{last}" for first, last in islice(self.ranges(), 5)]
        return f"AddressSet({', '.join(shown)}{', ...' if len(self) > len(shown) else ''})"

    def _edges(self) -> tuple[Pairs, ...]:
        return self._pairs4()[:1], self._pairs4()[-1:], self._pairs6()[:1], self._pairs6()[-1:]

    def _pairs4(self) -> Pairs:
        return list(zip(self._first4, self._last4, strict=True))

    def _pairs6(self) -> Pairs:
        return list(
            zip(_join(self._first6_high, self._first6_low), _join(self._last6_high, self._last6_low), strict=True)
        )

    def to_bytes(self) -> bytes:
        """The packed form, little-endian on every machine."""
        header = _HEADER.pack(_MAGIC, len(self._first4), len(self._first6_high))
        return header + b"".join(_little(column) for column in self._columns())

    def _columns(self) -> tuple[Column, ...]:
        return (
            self._first4,
            self._last4,
            self._first6_high,
            self._first6_low,
            self._last6_high,
            self._last6_low,
        )

    @classmethod
    def from_buffer(cls, buffer: memoryview[int]) -> AddressSet:
        """The set whose packed form `buffer` is, without copying: the buffer must outlive the set.

        The order of the ranges is taken on trust, as checking it would touch every page; a file of another make must
        go through `from_ranges`. Raises ValueError where the header or the length is not right.
        """
        whole = buffer.cast("B")
        if len(whole) < _HEADER.size or bytes(whole[:8]) != _MAGIC:
            raise ValueError("not a packed address set")
        _, ipv4, ipv6 = _HEADER.unpack_from(whole)
        if len(whole) != _HEADER.size + ipv4 * 8 + ipv6 * 32:
            raise ValueError("a packed address set of the wrong length")
        made = cls()
        at = _HEADER.size
        made._first4, made._last4 = (_column(whole, at + n * ipv4 * 4, ipv4, "I") for n in range(2))
        at += ipv4 * 8
        columns = [_column(whole, at + n * ipv6 * 8, ipv6, "Q") for n in range(4)]
        made._first6_high, made._first6_low, made._last6_high, made._last6_low = columns
        return made


EMPTY: Final = AddressSet()


def _fold(ipv4: Pairs, ipv6: Pairs) -> Pairs:
    """Moves what lies wholly inside ::ffff:0:0/96 over to IPv4; what is left is IPv6."""
    left: Pairs = []
    for first, last in ipv6:
        if first >= _MAPPED and last <= _MAPPED_LAST:
            ipv4.append((first - _MAPPED, last - _MAPPED))
        else:
            left.append((first, last))
    return left


def _merge(pairs: Pairs) -> tuple[list[int], list[int]]:
    """Sorts `pairs` and joins those that overlap or touch."""
    pairs.sort()
    firsts: list[int] = []
    lasts: list[int] = []
    end = -2
    for first, last in pairs:
        if first > end + 1:
            firsts.append(first)
            lasts.append(last)
            end = last
        elif last > end:
            lasts[-1] = end = last
    return firsts, lasts


def _subtract(pairs: Pairs, holes: Pairs) -> Pairs:
    """`pairs` without `holes`; both sorted and disjoint."""
    left: Pairs = []
    at = 0
    for first, last in pairs:
        start = first
        while at < len(holes) and holes[at][1] < start:
            at += 1
        hole = at
        while hole < len(holes) and holes[hole][0] <= last:
            if holes[hole][0] > start:
                left.append((start, holes[hole][0] - 1))
            start = holes[hole][1] + 1
            hole += 1
        if start <= last:
            left.append((start, last))
    return left


def _split(values: list[int]) -> tuple[array[int], array[int]]:
    return array("Q", [value >> 64 for value in values]), array("Q", [value & _LOW for value in values])


def _join(high: Column, low: Column) -> Iterator[int]:
    return (h << 64 | l for h, l in zip(high, low, strict=True))  # noqa: E741


def _little(column: Column) -> bytes:
    if sys.byteorder == "little":
        return column.tobytes()
    swapped = array(_code(column), column)
    swapped.byteswap()
    return swapped.tobytes()


def _code(column: Column) -> str:
    return "I" if column.itemsize == 4 else "Q"


def _column(whole: memoryview[int], at: int, count: int, code: str) -> Column:
    part = whole[at : at + count * (4 if code == "I" else 8)]
    if sys.byteorder == "little":
        return part.cast(code)  # type: ignore[call-overload,no-any-return]
    swapped = array(code, part.tobytes())
    swapped.byteswap()
    return swapped
