"""Logs as they should not be: lines cut, mixed, repeated, with garbage between and in them.

A reader must live through them, lose no line, and come to the same when it is stopped in between.
"""

from __future__ import annotations

import json

from hypothesis import strategies as st

from arrowslit.traffic.attempt import TOLD
from arrowslit.traffic.formats.register import format_of
from arrowslit.traffic.reader import Piece
from tests.traffic.reading import REFERENCE

HOSTILE = (
    "<",
    ">",
    '"',
    "\\",
    " ",
    ", relay=[192.0.2.9]",
    ") [192.0.2.9] ",
    " for x@y.example",
    "\x00",
    "\u20ac",
    "=",
    ": ",
)


def broken(log: str) -> st.SearchStrategy[list[bytes]]:
    """Up to 30 lines made of those of `log`."""
    lines = st.sampled_from([line.encode() for line in log.splitlines()])
    cut = st.builds(lambda line, at: line[: at % (len(line) + 1)], lines, st.integers(0, 400))
    behind = st.builds(lambda line, at: line[at % (len(line) + 1) :], lines, st.integers(0, 400))
    mixed = st.builds(lambda one, other, at: one[: at % (len(one) + 1)] + other, lines, lines, st.integers(0, 400))
    spoilt = st.builds(
        lambda line, at, what: line[: at % (len(line) + 1)] + what.encode() + line[at % (len(line) + 1) :],
        lines,
        st.integers(0, 400),
        st.sampled_from(HOSTILE),
    )
    garbage = st.binary(max_size=60).map(lambda text: text.replace(b"\n", b" "))
    return st.lists(st.one_of(lines, lines, cut, behind, mixed, spoilt, garbage), max_size=30)


def live_through(format_: str, lines: list[bytes]) -> None:
    """Read them at once and with stops; fails where something is lost, differs or is no attempt."""
    piece = Piece("log", REFERENCE)
    reader = format_of(format_).make()
    reader.begin(piece)
    attempts = [*reader.read(lines, 1), *reader.end()]
    assert reader.tally.read == len(lines)
    assert all(one.told in TOLD and isinstance(one.time, float) for one in attempts)

    reader = format_of(format_).make()
    again = []
    for number, line in enumerate(lines, 1):
        reader.begin(piece)
        again += reader.read([line], number)
        state = json.loads(json.dumps(reader.state()))
        reader = format_of(format_).make()
        reader.resume(state)
    assert [*again, *reader.end()] == attempts
