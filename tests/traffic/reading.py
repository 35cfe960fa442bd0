"""Reads a log that stands in a test."""

from __future__ import annotations

import datetime
import json

from arrowslit.traffic.attempt import Attempt
from arrowslit.traffic.formats.register import format_of, recognised
from arrowslit.traffic.reader import Piece, Reader
from arrowslit.traffic.tally import Tally

REFERENCE = datetime.datetime(2026, 3, 10, tzinfo=datetime.UTC).timestamp()


def read(text: str | bytes, format_: str = "", *, zone: datetime.tzinfo = datetime.UTC) -> tuple[list[Attempt], Tally]:
    """The attempts in `text`, one piece that was last written on 10 March 2026, and what became of its lines."""
    octets = text.encode() if isinstance(text, str) else text
    lines = octets.split(b"\n")
    if lines and not lines[-1]:
        del lines[-1]
    if format_:
        reader = format_of(format_).make()
    else:
        found = recognised([line.decode("utf-8", "replace") for line in lines[:200]])
        assert found is not None, "the format was not recognised"
        reader = found.make()
    reader.begin(Piece("log", REFERENCE, zone))
    attempts = [*reader.read(lines, 1), *reader.end()]
    assert reader.tally.read == len(lines), "a line was lost, or counted twice"
    return attempts, reader.tally


def read_with_stops(text: str | bytes, format_: str) -> list[Attempt]:
    """The same, where the reader is saved and taken up again after each line: it must come to the same."""
    octets = text.encode() if isinstance(text, str) else text
    piece = Piece("log", REFERENCE)
    reader: Reader = format_of(format_).make()
    attempts: list[Attempt] = []
    for number, line in enumerate(octets.split(b"\n"), 1):
        reader.begin(piece)
        attempts += reader.read([line], number)
        state = json.loads(json.dumps(reader.state()))
        reader = format_of(format_).make()
        reader.resume(state)
    return [*attempts, *reader.end()]


def at(text: str) -> float:
    """Unix seconds of `2026-03-02 05:00:15` in UTC."""
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC).timestamp()
