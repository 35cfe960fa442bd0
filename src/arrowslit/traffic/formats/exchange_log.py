"""What the logs of Exchange 2007 and later have in common: CSV under a header that says what they are.

Lines that begin with # are the header. It stands at the top of a file and again in its middle, and the columns may be
others there; many kinds of logs look alike but for their `#Log-type`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from arrowslit.traffic.attempt import Attempt
from arrowslit.traffic.formats.csv_rows import RowReader


class LogReader(RowReader):
    """`log_type` is the kind of log that is read, `needed` the columns that it can't go without."""

    log_type: ClassVar[str]
    needed: ClassVar[tuple[str, ...]]
    usual: ClassVar[tuple[str, ...]] = ()
    """The columns where a piece has no header, if there is only one set of them."""

    def __init__(self) -> None:
        super().__init__()
        self.type = self.log_type
        self.at: dict[str, int] = {}
        self._place(list(self.usual))

    def record(self, fields: list[str], text: str) -> Iterator[Attempt]:
        """A row that has all columns; they stand where `at` says."""
        raise NotImplementedError

    def value(self, fields: list[str], column: str) -> str:
        """The field of that column; "" where the log has no such column."""
        place = self.at.get(column)
        return "" if place is None else fields[place]

    def new_piece(self) -> None:
        """See `RowReader`."""
        self.type = self.log_type
        self._place(list(self.usual))

    def row(self, fields: list[str], text: str) -> Iterator[Attempt]:
        """See `RowReader`."""
        if text.startswith("#"):
            self.skip()
            self._header(text)
        elif not text.strip() or self.type != self.log_type:
            self.skip()
        elif any(name not in self.at for name in self.needed):
            self.puzzled("no header above this line names the columns that are needed", text)
        elif len(fields) != len(self.columns):
            self.puzzled(f"this line has {len(fields)} columns; the header has {len(self.columns)}", text)
        else:
            yield from self.record(fields, text)

    def state(self) -> dict[str, Any]:
        """See `Reader`."""
        return super().state() | {"type": self.type}

    def resume(self, state: dict[str, Any]) -> None:
        """See `Reader`."""
        super().resume(state)
        self.type = state["type"]
        self._place(self.columns)

    def _header(self, text: str) -> None:
        name, _, value = text[1:].partition(":")
        if name.casefold() == "fields":
            self._place([column.strip().casefold() for column in value.split(",")])
        elif name.casefold() == "log-type":
            self.type = value.strip()
            if self.type != self.log_type:
                says = f"this is a {self.type}; only a {self.log_type} tells who delivers to us: its lines are left out"
                self.tally.problem(self.piece.name, self.number, says, text)

    def _place(self, columns: list[str]) -> None:
        self.columns = columns
        self.at = {column: place for place, column in enumerate(columns)}
