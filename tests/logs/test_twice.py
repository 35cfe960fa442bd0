"""Nothing is counted twice, and nothing that came once is dropped."""

from __future__ import annotations

import json
import marshal
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.logs import twice
from arrowslit.logs.twice import Twice
from arrowslit.traffic.attempt import PERMITTED, Attempt


def attempt(at: float, to: str = "bob@example.org", **more: object) -> Attempt:
    return Attempt(1000.0 + at, "192.0.2.1", PERMITTED, f"Q{at:.0f}", forward_path=to)._replace(**more)  # type: ignore[arg-type]


def passed(pieces: Sequence[Sequence[Attempt]], firsts: Sequence[float | None] = ()) -> tuple[list[Attempt], int]:
    """What passes of `pieces`, each of which begins with its first attempt, and how many were dropped."""
    firsts = firsts or [piece[0].time if piece else None for piece in pieces]
    made, found = Twice(), []
    for at, piece in enumerate(pieces):
        made.piece(firsts[at + 1 :])
        found += made.only_new(piece)
        made.resume(json.loads(json.dumps(made.state())))
    return found, made.dropped


def test_an_attempt_is_the_same_with_and_without_the_fraction_of_its_second() -> None:
    plain = [attempt(at) for at in range(10)]
    fine = [attempt(at, time=1000.0 + at + 0.25) for at in range(10)]
    assert passed([plain, fine]) == (plain, 10)
    assert passed([fine, plain]) == (fine, 10)


def test_the_copy_of_a_piece_of_which_no_time_is_known_counts_once() -> None:
    piece = [attempt(at) for at in range(10)]
    assert passed([piece, piece], [None, None]) == (piece, 10)


def test_equal_values_are_the_same_whatever_objects_they_are() -> None:
    """`marshal` writes an object that comes again in another way than an equal one."""
    name = "192.0.2.1"
    shared = [attempt(1, id=name, client_address=name, to=name)]
    copied = ("".join(list(one)) if isinstance(one, str) else one for one in shared[0])
    apart = [Attempt._make(marshal.loads(marshal.dumps(tuple(copied))))]
    assert passed([shared, apart]) == (shared, 1)


def test_a_repetition_far_away_in_one_piece_is_no_copy() -> None:
    """More equal ones than are told apart in one second must not be dropped in their own piece."""
    first = [attempt(0), *(attempt(0, to=f"bob{at}@example.org") for at in range(10_000)), attempt(0)]
    found, dropped = passed([first, [attempt(0)]])
    assert (found, dropped) == (first, 1)


def test_beyond_the_limit_nothing_is_dropped_and_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twice, "REMEMBERED", 5)
    made = Twice()
    piece = [attempt(at) for at in range(10)]
    made.piece([1000.0])
    assert list(made.only_new(piece)) == piece
    made.piece([])
    assert list(made.only_new(piece)) == piece[5:]
    assert (made.dropped, made.full) == (5, True)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40), st.integers(0, 40), st.integers(0, 40))
def test_pieces_that_overlap_come_to_the_whole(times: list[int], cut: int, overlap: int) -> None:
    """A log in two pieces, of which the second begins before the first ends, anywhere but within one second."""
    whole = [attempt(at, to=f"bob{number % 3}@example.org") for number, at in enumerate(sorted(times))]
    start = min(max(cut - overlap, 0), len(whole) - 1)
    while start and whole[start].time == whole[start - 1].time:
        start -= 1
    pieces = [whole[: max(cut, start)], whole[start:]]
    found, dropped = passed([piece for piece in pieces if piece])
    assert Counter(found) == Counter(whole)
    assert dropped == len(pieces[0]) + len(pieces[1]) - len(whole)
