"""What a database has to offer for decisions: partitions, one a day. `sqlite_days` and `postgresql_days` do it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Final, Protocol

from sqlalchemy import Connection, Table

from arrowslit.store.decision_row import Row

PARTITIONED: Final = "partitioned"
"""The info of a table whose parts a database leaves out by the moments that a statement asks for."""


class DayGoneError(Exception):
    """The partition of this day was dropped a moment ago."""


class NumberTakenError(Exception):
    """A record with the same time and number is there already: draw other numbers."""


class Days(Protocol):
    """Every method raises StoreError."""

    def days(self) -> list[int]:
        """The days that have a partition, from old to new."""

    def spans(self) -> list[range]:
        """All days that have a partition, in groups that can be read by one statement; from old to new."""

    def reading(self, span: range) -> AbstractContextManager[tuple[Connection, Table]]:
        """A transaction that only reads, on a table that has the days of a span, and maybe others.

        DayGoneError where there is none (any more).
        """

    def writing(self, day: int) -> AbstractContextManager[tuple[Connection, Table]]:
        """A transaction that may write, on the table of a day, which is made where there is none."""

    def reached(self, connection: Connection, day: int, segments: Sequence[str]) -> dict[str, int]:
        """The position of the last line of each segment that this day has, -1 where it has none.

        Nobody else takes lines of these segments into this day until the end of the transaction.
        """

    def reach(self, connection: Connection, day: int, positions: Mapping[str, int]) -> None:
        """Remember these positions."""

    def numbers(self, connection: Connection, count: int) -> list[int]:
        """Numbers for so many records; each call gives others."""

    def put(self, connection: Connection, table: Table, rows: Sequence[Row]) -> None:
        """Add rows. NumberTakenError where one's moment is taken; then nothing of this transaction holds."""

    def drop(self, day: int) -> None:
        """Let go of a day with all that is in it."""

    def size(self, day: int) -> tuple[int, int]:
        """Rows (about) and octets of a day, with indexes."""
