"""Which of several owners of address ranges an address belongs to: the one with the most specific range.

That is how Exchange picks the receive connector, and it lets ranges of one port overlap only where one lies within the
other. So the ranges form a tree, and what an owner has is its ranges without those within them. Where two ranges cross
or are the same (no working server has that), nobody has them: they are *contested*.

Terms: an owner is a number. Never decides what an owner may do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from arrowslit.mail.address_range import AddressRange
from arrowslit.mail.address_set import EMPTY, AddressSet, Pairs


@dataclass(frozen=True, slots=True)
class Claims:
    """What each owner has, the addresses that are contested, and pairs of owners that contest (the first hundred)."""

    of: dict[int, AddressSet]
    contested: AddressSet
    between: tuple[tuple[int, int], ...]

    def owned(self, owner: int) -> AddressSet:
        """The addresses of an owner."""
        return self.of.get(owner, EMPTY)


@dataclass(slots=True)
class _Range:
    first: int
    last: int
    owner: int
    free_from: int
    """The first address of it that no range within it has, as far as they were looked at."""


@dataclass(slots=True)
class _Family:
    owned: dict[int, Pairs] = field(default_factory=dict)
    contested: Pairs = field(default_factory=list)
    between: dict[tuple[int, int], None] = field(default_factory=dict)


def claims(ranges: Iterable[tuple[AddressRange, int]]) -> Claims:
    """What each owner has; a range and its owner each."""
    by_family: dict[int, list[_Range]] = {4: [], 6: []}
    for one, owner in ranges:
        first = int(one.first)
        by_family[one.first.version].append(_Range(first, int(one.last), owner, first))
    four, six = (_swept(by_family[version]) for version in (4, 6))
    owners = {*four.owned, *six.owned}
    contested = AddressSet.from_pairs(four.contested, six.contested)
    of = {
        one: AddressSet.from_pairs(four.owned.get(one, []), six.owned.get(one, [])).subtract(contested)
        for one in owners
    }
    return Claims(of, contested, tuple({**four.between, **six.between})[:100])


def _swept(ranges: list[_Range]) -> _Family:
    """Goes through the ranges from the lowest address up, the wider of two that begin together first."""
    found = _Family()
    open_: list[_Range] = []
    for one in _once(sorted(ranges, key=lambda each: (each.first, -each.last))):
        while open_ and open_[-1].last < one.first:
            _close(open_.pop(), found)
        outer = open_[-1] if open_ else None
        if outer is not None and (outer.last < one.last or (outer.first, outer.last) == (one.first, one.last)):
            found.contested += [(outer.first, outer.last), (one.first, one.last)]
            found.between[min(outer.owner, one.owner), max(outer.owner, one.owner)] = None
            continue
        if outer is not None:
            _give(outer, one.first - 1, found)
            outer.free_from = one.last + 1
        open_.append(one)
    while open_:
        _close(open_.pop(), found)
    return found


def _once(ranges: Iterable[_Range]) -> Iterator[_Range]:
    """Without what one owner names twice."""
    seen: set[tuple[int, int, int]] = set()
    for one in ranges:
        key = (one.first, one.last, one.owner)
        if key not in seen:
            seen.add(key)
            yield one


def _give(one: _Range, last: int, found: _Family) -> None:
    if one.free_from <= last:
        found.owned.setdefault(one.owner, []).append((one.free_from, last))


def _close(one: _Range, found: _Family) -> None:
    _give(one, one.last, found)
