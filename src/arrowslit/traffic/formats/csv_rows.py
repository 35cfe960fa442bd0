"""Rows of CSV that may span lines, as the readers of Exchange's logs get them.

Terms: a *row* is what a comma-separated file calls a record; a quoted field of it can hold a line end, so that a row
is several lines of the file. Lines are joined while a quotation mark is open, JOINED of them at most: what does not
close, or closes to something that does not have the columns of the header, was no row. Then its first line is not
understood and the others are read again by themselves. So a line that was cut off costs no more than itself, and no
stranger can make a line of the log out of what he says: what stands in quotation marks stays in its field.
"""

from __future__ import annotations

import csv
import datetime
from collections.abc import Iterator
from typing import Any, Final

from arrowslit.traffic.attempt import Attempt
from arrowslit.traffic.reader import LineReader, Piece
from arrowslit.traffic.stamps import Clock

JOINED: Final = 20
_LONGEST: Final = 200_000


def fields_of(row: str) -> list[str] | None:
    """The fields of one row; None where it is none."""
    try:
        return next(csv.reader([row]), [])
    except csv.Error:
        return None


class RowReader(LineReader):
    """Reads rows. `columns` is the header of the piece, `span` how many lines the row at hand has.

    Subclasses write `row`, which counts the row by `used`, `skip` or `puzzled`, each for all its lines.
    """

    def __init__(self) -> None:
        super().__init__()
        self.utc = Clock(0.0, datetime.UTC)
        self.columns: list[str] = []
        self.span = 1
        self._of = ""
        self._waiting: list[str] = []
        self._first = 0
        self._ready: list[Attempt] = []

    def row(self, fields: list[str], text: str) -> Iterator[Attempt]:
        """One row, and its first line."""
        raise NotImplementedError

    def new_piece(self) -> None:
        """Forget what the last piece said of its columns."""
        self.columns = []

    def begin(self, piece: Piece) -> None:
        """See `Reader`."""
        if piece.name != self._of:
            self._ready += self._flushed()
            self.new_piece()
            self._of = piece.name
        super().begin(piece)
        self.utc = Clock(piece.reference, datetime.UTC)

    def line(self, text: str) -> Iterator[Attempt]:
        """See `LineReader`."""
        if self._ready:
            ready, self._ready = self._ready, []
            yield from ready
        text = text.rstrip("\r")
        if self._waiting or '"' in text:
            yield from self._joined(text)
        else:
            self.span = 1
            yield from self.row(text.split(","), text)

    def end(self) -> Iterator[Attempt]:
        """See `Reader`."""
        yield from self._ready
        self._ready = []
        yield from self._flushed()
        yield from super().end()

    def used(self) -> None:
        """The row at hand went into an attempt or a session."""
        self.tally.used += self.span

    def skip(self) -> None:
        """The row at hand tells nothing about who delivers to us."""
        self.tally.skipped += self.span

    def puzzled(self, says: str, text: str) -> None:
        """See `LineReader`."""
        super().puzzled(says, text)
        self.tally.not_understood += self.span - 1

    def state(self) -> dict[str, Any]:
        """See `Reader`."""
        return super().state() | {
            "of": self._of,
            "columns": self.columns,
            "waiting": self._waiting,
            "first": self._first,
            "ready": [list(one) for one in self._ready],
        }

    def resume(self, state: dict[str, Any]) -> None:
        """See `Reader`."""
        super().resume(state)
        self._of, self.columns = state["of"], list(state["columns"])
        self._waiting, self._first = list(state["waiting"]), state["first"]
        self._ready = [Attempt(*one) for one in state["ready"]]
        self.piece = Piece(self._of, 0.0)

    def _joined(self, text: str) -> Iterator[Attempt]:
        if not self._waiting:
            self._first = self.number
        self._waiting.append(text)
        if sum(line.count('"') for line in self._waiting) % 2:
            if len(self._waiting) >= JOINED or sum(map(len, self._waiting)) > _LONGEST:
                yield from self._given_up()
            return
        fields = fields_of("\n".join(self._waiting))
        several = len(self._waiting) > 1
        if fields is None or (several and len(fields) != len(self.columns)):
            yield from self._given_up()
            return
        first, self.span, self._waiting = self._waiting[0], len(self._waiting), []
        self.number = self._first
        yield from self.row(fields, first)

    def _given_up(self) -> Iterator[Attempt]:
        """The first line that waits is none; the others are read by themselves."""
        lines, self._waiting = self._waiting, []
        now, self.number, self.span = self.number, self._first, 1
        self.puzzled("the quotation marks of this line do not fit", lines[0])
        for number, text in enumerate(lines[1:], self._first + 1):
            self.number = number
            yield from self.line(text)
        self.number = now

    def _flushed(self) -> Iterator[Attempt]:
        while self._waiting:
            yield from self._given_up()
