"""Days on PostgreSQL: the partitions `decisions_YYYYMMDD` of the table `decisions`.

A partition is made as a table of its own and then attached, which waits for nobody who reads `decisions`, such as
pg_dump; to let go of one waits for them. Rows come in by COPY.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    MetaData,
    Table,
    Text,
    bindparam,
    exc,
    func,
    select,
    text,
)
from sqlalchemy.dialects import postgresql

from arrowslit.store import decision_table
from arrowslit.store.days import PARTITIONED, DayGoneError, NumberTakenError
from arrowslit.store.decision_row import Row
from arrowslit.store.link import Link
from arrowslit.store.migrate_lock import lock_tables
from arrowslit.store.moment import date_of, day_named, start_of

_PARTITION: Final = re.compile(r"decisions_(\d{4})(\d\d)(\d\d)")
_UNDEFINED_TABLE: Final = "42P01"
_SPAN: Final = 32
_DECISIONS: Final = decision_table.decision_table("decisions", MetaData())
_DECISIONS.info[PARTITIONED] = True
_JOURNAL: Final = Table(
    "decision_journal",
    MetaData(),
    Column("day", Integer, primary_key=True),
    Column("segment", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
)
_PARTITIONS: Final = text(
    "SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid"
    " WHERE inhparent = to_regclass('decisions')"
)
_SIZE: Final = text(
    "SELECT reltuples, pg_total_relation_size(oid) AS octets FROM pg_class WHERE oid = to_regclass(:name)"
)
_NUMBERS: Final = text("SELECT nextval('decision_numbers') FROM generate_series(1, :count)")
_IN_ORDER: Final = "; ".join(
    f"SET LOCAL {name} = off" for name in ("enable_sort", "enable_bitmapscan", "enable_seqscan", "jit")
)
"""Each step of a search is a scan of an index that gives its rows in order and ends early (`look`). Of a day whose
statistics are old or not there, the planner expects few rows, and would rather fetch and sort them all."""


class PostgresqlDays:
    """The days in the database that `link` goes to. `check` raises where the store can't be used."""

    def __init__(self, link: Link, check: Callable[[], None]) -> None:
        self._link, self._check = link, check
        self._tables: dict[int, Table] = {}
        self._there: set[int] = set()

    def close(self) -> None:
        """The link is the store's own."""

    def days(self) -> list[int]:
        """See `Days`."""
        self._check()
        with self._link.reading() as connection:
            matches = [_PARTITION.fullmatch(name) for name in connection.execute(_PARTITIONS).scalars()]
        found = [day_named("-".join(match.groups())) for match in matches if match]
        return sorted(day for day in found if day is not None)

    def spans(self) -> list[range]:
        """See `Days`. A statement goes from day to day only as far as it must, yet all of them are planned."""
        days = self.days()
        groups = [days[max(end - _SPAN, 0) : end] for end in range(len(days), 0, -_SPAN)]
        return [range(group[0], group[-1] + 1) for group in reversed(groups)]

    @contextmanager
    def reading(self, span: range) -> Iterator[tuple[Connection, Table]]:  # noqa: ARG002
        """See `Days`. By the moments that a statement asks for the server knows which days it needs."""
        with self._link.reading() as connection:
            connection.exec_driver_sql(_IN_ORDER)
            yield connection, _DECISIONS

    @contextmanager
    def writing(self, day: int) -> Iterator[tuple[Connection, Table]]:
        """See `Days`."""
        self._check()
        if day not in self._there:
            self._make(day)
        try:
            with self._link.writing() as connection, _gone():
                yield connection, self._table(day)
        except DayGoneError:
            self._there.discard(day)
            raise

    def reached(self, connection: Connection, day: int, segments: Sequence[str]) -> dict[str, int]:
        """See `Days`. Who inserts a row first has it; all go in the same order, so nobody waits in a circle."""
        rows = [{"day": day, "segment": segment, "position": -1} for segment in sorted(segments)]
        connection.execute(postgresql.insert(_JOURNAL).on_conflict_do_nothing(), rows)
        wanted = select(_JOURNAL.c.segment, _JOURNAL.c.position).where(
            _JOURNAL.c.day == day, _JOURNAL.c.segment.in_(segments)
        )
        found = connection.execute(wanted.order_by(_JOURNAL.c.segment).with_for_update())
        return {row.segment: row.position for row in found}

    def reach(self, connection: Connection, day: int, positions: Mapping[str, int]) -> None:
        """See `Days`."""
        change = _JOURNAL.update().where(_JOURNAL.c.day == day, _JOURNAL.c.segment == bindparam("of"))
        rows = [{"of": segment, "reached": position} for segment, position in positions.items()]
        connection.execute(change.values(position=bindparam("reached")), rows)

    def numbers(self, connection: Connection, count: int) -> list[int]:
        """See `Days`."""
        return list(connection.execute(_NUMBERS, {"count": count}).scalars())

    def put(self, connection: Connection, table: Table, rows: Sequence[Row]) -> None:
        """See `Days`."""
        from psycopg import Error, errors  # noqa: PLC0415  an extra

        driver: Any = connection.connection.driver_connection
        statement = f"COPY {table.name} ({', '.join(table.c.keys())}) FROM STDIN"
        try:
            with driver.cursor() as cursor, cursor.copy(statement) as copy:
                for row in rows:
                    copy.write_row(row)
        except errors.UniqueViolation as error:
            raise NumberTakenError from error
        except Error as error:
            raise exc.DBAPIError(statement, None, error) from error

    def drop(self, day: int) -> None:
        """See `Days`."""
        self._there.discard(day)
        with self._link.writing() as connection:
            lock_tables(connection)
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {_name(day)}")
            connection.execute(_JOURNAL.delete().where(_JOURNAL.c.day == day))

    def size(self, day: int) -> tuple[int, int]:
        """See `Days`. Rows are what the last ANALYZE has counted; before the first one, they are counted."""
        with self._link.reading() as connection, _gone():
            row = connection.execute(_SIZE, {"name": _name(day)}).first()
            if row is None:
                raise DayGoneError
            rows = int(row.reltuples)
            if rows < 0:
                rows = connection.scalar(select(func.count()).select_from(self._table(day))) or 0
            return rows, int(row.octets)

    # --- tables -------------------------------------------------------------------------------------------------

    def _table(self, day: int) -> Table:
        table = self._tables.get(day)
        if table is None:
            table = self._tables[day] = decision_table.decision_table(_name(day), MetaData())
        return table

    def _make(self, day: int) -> None:
        name = _name(day)
        with self._link.writing() as connection:
            lock_tables(connection)
            if connection.scalar(text("SELECT to_regclass(:name)"), {"name": name}) is None:
                connection.exec_driver_sql(f"CREATE TABLE {name} (LIKE decisions INCLUDING ALL)")
                connection.exec_driver_sql(
                    f"ALTER TABLE decisions ATTACH PARTITION {name}"
                    f" FOR VALUES FROM ({start_of(day)}) TO ({start_of(day + 1)})"
                )
        self._there.add(day)


def _name(day: int) -> str:
    return f"decisions_{date_of(day).replace('-', '')}"


@contextmanager
def _gone() -> Iterator[None]:
    try:
        yield
    except exc.DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == _UNDEFINED_TABLE:
            raise DayGoneError from error
        raise
