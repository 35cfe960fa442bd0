"""Whose an address is where sets overlap: the first set that has it. O(n log n) in the number of ranges."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush

from arrowslit.mail.address_set import EMPTY, AddressSet

_Pairs = list[tuple[int, int]]


def attributed(sets: Sequence[AddressSet]) -> list[AddressSet]:
    """The same sets, each without what an earlier one has: disjoint, and together the same addresses."""
    if sum(map(len, sets)) == len(EMPTY.union(*sets)):
        return list(sets)  # nothing overlaps, which is the rule
    ipv4: list[_Pairs] = [[] for _ in sets]
    ipv6: list[_Pairs] = [[] for _ in sets]
    for family, own in enumerate((ipv4, ipv6)):
        _sweep([(first, last, n) for n, one in enumerate(sets) for first, last in one.pairs()[family]], own)
    return [AddressSet.from_pairs(four, six) for four, six in zip(ipv4, ipv6, strict=True)]


def _sweep(items: list[tuple[int, int, int]], own: list[_Pairs]) -> None:
    """Goes up through the addresses with a heap of the sets that have the present one."""
    items.sort()
    active: list[tuple[int, int]] = []
    at = taken = 0
    while taken < len(items) or active:
        if not active:
            at = max(at, items[taken][0])
        while taken < len(items) and items[taken][0] <= at:
            heappush(active, (items[taken][2], items[taken][1]))
            taken += 1
        while active and active[0][1] < at:
            heappop(active)
        if active:
            number, last = active[0]
            until = last if taken == len(items) else min(last, items[taken][0] - 1)
            own[number].append((at, until))
            at = until + 1
