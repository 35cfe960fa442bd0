"""Sets of whole numbers as sorted, disjoint spans: addresses of one family, or ports.

Terms: a *span* is a first and a last number, both included. All functions give sorted, disjoint spans that do not
touch, and take such.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from typing import Final, TypeAlias

Span: TypeAlias = tuple[int, int]
Spans: TypeAlias = tuple[Span, ...]

NONE: Final[Spans] = ()
ALL: Final[dict[int, Spans]] = {4: ((0, 2**32 - 1),), 6: ((0, 2**128 - 1),)}
_MANY_TIMES: Final = 8


def spans_of(given: Iterable[Span]) -> Spans:
    """The union of spans in any order."""
    made: list[Span] = []
    for first, last in sorted(given):
        if made and first <= made[-1][1] + 1:
            if last > made[-1][1]:
                made[-1] = (made[-1][0], last)
        else:
            made.append((first, last))
    return tuple(made)


def union(*all_: Spans) -> Spans:
    """All numbers of all."""
    some = [one for one in all_ if one]
    return some[0] if len(some) == 1 else spans_of(span for one in some for span in one)


def both(one: Spans, other: Spans) -> Spans:
    """The numbers that are in both."""
    if one and other and _within(other, one):
        return other
    if len(one) > len(other):
        one, other = other, one
    if not one or _within(one, other):
        return one
    if len(one) * _MANY_TIMES < len(other):
        return tuple(_looked_up(one, other))
    return tuple(_merged(one, other))


def _within(one: Spans, other: Spans) -> bool:
    """True where a single span of `other` holds all of `one`, which is quickly seen."""
    return len(other) == 1 and other[0][0] <= one[0][0] and one[-1][1] <= other[0][1]


def _looked_up(few: Spans, many: Spans) -> Iterator[Span]:
    for first, last in few:
        at = max(bisect_right(many, (first,)) - 1, 0)
        while at < len(many) and many[at][0] <= last:
            if many[at][1] >= first:
                yield max(first, many[at][0]), min(last, many[at][1])
            at += 1


def _merged(one: Spans, other: Spans) -> Iterator[Span]:
    i = j = 0
    while i < len(one) and j < len(other):
        first, last = max(one[i][0], other[j][0]), min(one[i][1], other[j][1])
        if first <= last:
            yield first, last
        if one[i][1] < other[j][1]:
            i += 1
        else:
            j += 1


def without(one: Spans, holes: Spans) -> Spans:
    """The numbers of `one` that are not in `holes`."""
    if not one or not holes:
        return one
    if _within(one, holes):
        return NONE
    if len(holes) * _MANY_TIMES < len(one):
        return _cut_out(one, holes)
    left: list[Span] = []
    for first, last in one:
        start = first
        at = max(bisect_right(holes, (first,)) - 1, 0)
        while at < len(holes) and holes[at][0] <= last:
            low, high = holes[at]
            if low > start:
                left.append((start, low - 1))
            start = max(start, high + 1)
            at += 1
        if start <= last:
            left.append((start, last))
    return tuple(left)


def _cut_out(many: Spans, few: Spans) -> Spans:
    """`without` for few holes, from the last on: what lies between them stays as it stands."""
    left = list(many)
    for low, high in reversed(few):
        start = max(bisect_right(left, (low,)) - 1, 0)
        if start < len(left) and left[start][1] < low:
            start += 1
        end = bisect_left(left, (high + 1,), start)
        if start < end:
            before = [(left[start][0], low - 1)] if left[start][0] < low else []
            behind = [(high + 1, left[end - 1][1])] if left[end - 1][1] > high else []
            left[start:end] = before + behind
    return tuple(left)


def holds(spans: Spans, number: int) -> bool:
    """Whether the number is in it."""
    at = bisect_left(spans, (number + 1,)) - 1
    return at >= 0 and spans[at][1] >= number


def size(spans: Spans) -> int:
    """How many numbers."""
    return sum(last - first + 1 for first, last in spans)


def firsts(layers: list[Spans]) -> list[Spans]:
    """Each number of the union goes to the first layer that holds it: what is left of each layer."""
    edges = sorted((first, number, last) for number, layer in enumerate(layers) for first, last in layer)
    made: list[list[Span]] = [[] for _ in layers]
    open_: list[tuple[int, int]] = []  # number of the layer, last
    at, position = 0, 0
    while at < len(edges) or open_:
        if not open_:
            position = max(position, edges[at][0])
        while at < len(edges) and edges[at][0] <= position:
            heappush(open_, (edges[at][1], edges[at][2]))
            at += 1
        while open_ and open_[0][1] < position:
            heappop(open_)
        if not open_:
            continue
        number, last = open_[0]
        if at < len(edges):
            last = min(last, edges[at][0] - 1)
        made[number].append((position, last))
        position = last + 1
    return [spans_of(one) for one in made]
