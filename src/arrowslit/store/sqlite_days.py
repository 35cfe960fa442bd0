"""Days on SQLite: `decisions/YYYY-MM-DD.sqlite` beside the store's own file.

To let go of a day is to remove a file, and a day that is damaged costs that day. Each file also holds how far
it has taken each segment of a journal, in the same transaction as the rows.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, exc, func, insert, select, update
from sqlalchemy.dialects import sqlite

from arrowslit.store import decision_table
from arrowslit.store.backup import copy_file
from arrowslit.store.days import DayGoneError, NumberTakenError
from arrowslit.store.decision_row import Row
from arrowslit.store.errors import StoreMissingError, StoreTooNewError, StoreUnusableError
from arrowslit.store.link import Link
from arrowslit.store.moment import NUMBERS, date_of, day_named
from arrowslit.store.sqlite import make_file, open_file

_OPEN_FILES: Final = 64
_STRIDE: Final = 1_000_003
"""Added to the next number after a clash, so that the next try does not meet the same ones."""

_METADATA: Final = MetaData()
_DECISIONS: Final = decision_table.decision_table("decisions", _METADATA)
decision_table.add_indexes(_DECISIONS)
_JOURNAL: Final = Table(
    "journal",
    _METADATA,
    Column("segment", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    sqlite_with_rowid=False,
)
_COUNTER: Final = Table("counter", _METADATA, Column("next", Integer, nullable=False))
_INSERT: Final = str(_DECISIONS.insert().compile(dialect=sqlite.dialect()))
"""With a mark for each column, in the order of `Row`."""


@dataclass(slots=True)
class _File:
    link: Link
    inode: int


class SqliteDays:
    """The days in `folder`. `check` raises where the store can't be used."""

    def __init__(self, folder: Path, timeout: float, check: Callable[[], None]) -> None:
        self.folder, self._timeout, self._check = folder, timeout, check
        self._files: OrderedDict[int, _File] = OrderedDict()
        self._lock = threading.Lock()
        self._offset = 0

    def close(self) -> None:
        """Close all files."""
        with self._lock:
            while self._files:
                self._files.popitem()[1].link.close()

    def days(self) -> list[int]:
        """See `Days`."""
        self._check()
        try:
            found = [day_named(path.stem) for path in self.folder.iterdir() if path.suffix == ".sqlite"]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreUnusableError(f"the store's folder {self.folder} can't be read: {error.strerror}") from error
        return sorted(day for day in found if day is not None)

    def spans(self) -> list[range]:
        """See `Days`. Each day is a file of its own."""
        return [range(day, day + 1) for day in self.days()]

    @contextmanager
    def reading(self, span: range) -> Iterator[tuple[Connection, Table]]:
        """See `Days`."""
        link = self._link(span.start)
        with link.reading() as connection:
            if not _checked(connection, link.shown):
                raise DayGoneError  # it is just being made
            yield connection, _DECISIONS

    @contextmanager
    def writing(self, day: int) -> Iterator[tuple[Connection, Table]]:
        """See `Days`."""
        self._check()
        path = self.path(day)
        if not path.exists():
            make_file(path)
        link = self._link(day)
        with link.writing() as connection:
            if not _checked(connection, link.shown):
                _METADATA.create_all(connection)
                connection.execute(insert(_COUNTER).values(next=0))
                connection.exec_driver_sql(f"PRAGMA user_version = {decision_table.VERSION}")
            yield connection, _DECISIONS

    def reached(self, connection: Connection, day: int, segments: Sequence[str]) -> dict[str, int]:  # noqa: ARG002
        """See `Days`."""
        found = connection.execute(select(_JOURNAL).where(_JOURNAL.c.segment.in_(segments)))
        return dict.fromkeys(segments, -1) | {row.segment: row.position for row in found}

    def reach(self, connection: Connection, day: int, positions: Mapping[str, int]) -> None:  # noqa: ARG002
        """See `Days`."""
        put = sqlite.insert(_JOURNAL)
        put = put.on_conflict_do_update(index_elements=["segment"], set_={"position": put.excluded.position})
        rows = [{"segment": segment, "position": position} for segment, position in positions.items()]
        connection.execute(put, rows)

    def numbers(self, connection: Connection, count: int) -> list[int]:
        """See `Days`."""
        first = int(connection.execute(select(_COUNTER.c.next)).scalar_one()) + self._offset
        connection.execute(update(_COUNTER).values(next=(first + count) % NUMBERS))
        return [number % NUMBERS for number in range(first, first + count)]

    def put(self, connection: Connection, table: Table, rows: Sequence[Row]) -> None:  # noqa: ARG002
        """See `Days`."""
        try:
            connection.exec_driver_sql(_INSERT, list(rows))
        except exc.IntegrityError as error:
            self._offset += _STRIDE
            raise NumberTakenError from error

    def drop(self, day: int) -> None:
        """See `Days`."""
        self._forget(day)
        path = self.path(day)
        try:
            for name in (path, *beside(path)):
                name.unlink(missing_ok=True)
        except OSError as error:
            raise StoreUnusableError(f"the store's file {path} can't be removed: {error.strerror}") from error

    def size(self, day: int) -> tuple[int, int]:
        """See `Days`."""
        with self.reading(range(day, day + 1)) as (connection, table):
            rows = connection.scalar(select(func.count()).select_from(table)) or 0
        path = self.path(day)
        return rows, sum(name.stat().st_size for name in (path, *beside(path)) if name.exists())

    def copy(self, folder: Path) -> list[Path]:
        """Copy each day to a file in `folder`; the files."""
        files = []
        for day in self.days():
            try:
                with self.reading(range(day, day + 1)) as (connection, _):
                    copy_file(connection, folder / self.path(day).name)
            except DayGoneError:
                continue
            files.append(folder / self.path(day).name)
        return files

    def path(self, day: int) -> Path:
        """The file of a day."""
        return self.folder / f"{date_of(day)}.sqlite"

    # --- open files ---------------------------------------------------------------------------------------------

    def _link(self, day: int) -> Link:
        """The open file of a day. One that was removed and made anew meanwhile is another file."""
        path = self.path(day)
        try:
            inode = path.stat().st_ino
        except FileNotFoundError:
            self._forget(day)
            raise DayGoneError from None
        except OSError as error:
            raise StoreMissingError(f"the store's file {path} can't be read: {error.strerror}") from error
        with self._lock:
            file = self._files.get(day)
            if file is None or file.inode != inode:
                if file is not None:
                    file.link.close()
                file = self._files[day] = _File(open_file(path, self._timeout), inode)
            self._files.move_to_end(day)
            while len(self._files) > _OPEN_FILES:
                self._files.popitem(last=False)[1].link.close()
            return file.link

    def _forget(self, day: int) -> None:
        with self._lock:
            file = self._files.pop(day, None)
        if file is not None:
            file.link.close()


def beside(path: Path) -> tuple[Path, Path]:
    """The two files that SQLite keeps beside one in WAL mode."""
    return path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")


def _checked(connection: Connection, shown: str) -> bool:
    """Whether the tables are there."""
    version = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
    if version > decision_table.VERSION:
        raise StoreTooNewError(f"the store's file {shown} is of a newer Arrowslit: update this program too")
    return version == decision_table.VERSION
