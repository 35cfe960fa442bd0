"""Spans of numbers against plain sets of Python."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from arrowslit.imports.firewall.spans import ALL, Spans, both, firsts, holds, size, spans_of, union, without

SPAN = st.tuples(st.integers(0, 60), st.integers(0, 8)).map(lambda one: (one[0], one[0] + one[1]))
MADE = st.lists(SPAN, max_size=30).map(spans_of)
FEW = st.lists(SPAN, max_size=2).map(spans_of)


def numbers(spans: Spans) -> set[int]:
    return {number for first, last in spans for number in range(first, last + 1)}


def is_sound(spans: Spans) -> bool:
    return all(a[1] + 1 < b[0] for a, b in pairwise(spans))


@given(MADE, MADE | FEW)
def test_two_sets(one: Spans, other: Spans) -> None:
    for made, wanted in (
        (both(one, other), numbers(one) & numbers(other)),
        (both(other, one), numbers(one) & numbers(other)),
        (without(one, other), numbers(one) - numbers(other)),
        (without(other, one), numbers(other) - numbers(one)),
        (union(one, other), numbers(one) | numbers(other)),
    ):
        assert numbers(made) == wanted
        assert is_sound(made)
        assert size(made) == len(wanted)
    assert all(holds(one, number) == (number in numbers(one)) for number in range(75))


@given(st.lists(FEW | MADE, max_size=6))
def test_the_first_layer_that_holds_a_number_gets_it(layers: list[Spans]) -> None:
    taken: set[int] = set()
    for layer, left in zip(layers, firsts(layers), strict=True):
        assert numbers(left) == numbers(layer) - taken
        taken |= numbers(layer)


def test_everything_of_one_family_is_little_of_the_other() -> None:
    some = ((5, 10), (2**100, 2**101))
    assert both(some, ALL[4]) == ((5, 10),)
    assert without(some, ALL[4]) == ((2**100, 2**101),)
    assert both(some, ALL[6]) == some
