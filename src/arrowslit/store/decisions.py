"""Decisions: taken in from journals, each exactly once; searched, counted, read again for rehearsals; let go of by day.

Terms: a *day* is a UTC day with a partition of its own (`days`); a *moment* is a record's key (`moment`). A record is
found by its columns (`decision_table`) and given back as the JSON that came in. Every search looks at a bounded
number of rows and says how far back that went.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Table, select

from arrowslit.store.days import DayGoneError, Days, NumberTakenError
from arrowslit.store.decision_row import Row, record_of, row_of
from arrowslit.store.errors import StoreAwayError
from arrowslit.store.look import Budget, newest
from arrowslit.store.moment import DAY_SECONDS, date_of, day_of, moment_of, start_of, time_of
from arrowslit.store.query import ClientCounts, Page, Partition, Query
from arrowslit.store.search import count_by_client, search, show
from arrowslit.store.values import JournalLine

_LARGEST_PAGE: Final = 10_000
_TRIES: Final = 10
_SCANNED_AT_ONCE: Final = 2_000


class Decisions:
    """`rows` and `seconds` bound what one search looks at. Every method raises StoreError."""

    def __init__(self, days: Days, rows: int = 1_000_000, seconds: float = 0.7) -> None:
        self._days, self._rows, self._seconds = days, rows, seconds

    # --- taking in ----------------------------------------------------------------------------------------------

    def take(self, batch: Sequence[JournalLine]) -> int:
        """Keep the lines that are not there yet; how many those were. After an error, offer the batch again.

        Each day's lines go in together, with the place that was reached in each segment: whatever is offered twice
        is kept once. Lines of a segment must come in the order of `position`.
        """
        by_day: dict[int, list[tuple[JournalLine, Row]]] = defaultdict(list)
        for line in batch:
            row = row_of(line)
            by_day[day_of(row.at)].append((line, row))
        return sum(self._take(day, lines) for day, lines in sorted(by_day.items()))

    def _take(self, day: int, lines: Sequence[tuple[JournalLine, Row]]) -> int:
        for _ in range(_TRIES):
            try:
                with self._days.writing(day) as (connection, table):
                    return self._put(connection, table, day, lines)
            except (NumberTakenError, DayGoneError):
                continue  # other numbers are drawn; the partition is made anew
        raise StoreAwayError(f"the decisions of {date_of(day)} could not be written; try again")

    def _put(self, connection: Connection, table: Table, day: int, lines: Sequence[tuple[JournalLine, Row]]) -> int:
        reached = self._days.reached(connection, day, sorted({line.segment for line, _ in lines}))
        new = []
        for line, row in lines:
            if line.position > reached[line.segment]:
                reached[line.segment] = line.position
                new.append(row)
        if new:
            numbers = self._days.numbers(connection, len(new))
            rows = [Row(row.at + number, *row[1:]) for row, number in zip(new, numbers, strict=True)]
            self._days.put(connection, table, rows)
            self._days.reach(connection, day, reached)
        return len(new)

    # --- searching ----------------------------------------------------------------------------------------------

    def search(self, query: Query) -> Page:
        """One page."""
        return search(self._days, query, Budget(self._rows, self._seconds))

    def show(self, transaction: str) -> list[dict[str, Any]]:
        """All records of a transaction or session, oldest first."""
        return show(self._days, transaction)

    def count_by_client(self, query: Query, limit: int = 100) -> ClientCounts:
        """Who was met how often. `query.limit` and `query.cursor` are passed over."""
        return count_by_client(self._days, query, limit, Budget(4 * self._rows, 4 * self._seconds))

    # --- reading all --------------------------------------------------------------------------------------------

    def scan(self, since: float | None = None, until: float | None = None) -> Iterator[dict[str, Any]]:
        """All records from `since` up to `until`, oldest first. No transaction is open while one is handed out."""
        start, end = moment_of(since or 0.0), newest(Query(until=until))
        for day in self._days.days():
            at, stop = max(start, start_of(day)), min(end, start_of(day + 1))
            while at < stop:
                batch = self._batch(day, at, stop)
                yield from (record for _, record in batch)
                if len(batch) < _SCANNED_AT_ONCE:
                    break
                at = batch[-1][0] + 1

    def _batch(self, day: int, at: int, stop: int) -> list[tuple[int, dict[str, Any]]]:
        try:
            with self._days.reading(range(day, day + 1)) as (connection, table):
                wanted = select(table.c.at, table.c.record).where(table.c.at >= at, table.c.at < stop)
                rows = connection.execute(wanted.order_by(table.c.at).limit(_SCANNED_AT_ONCE)).all()
        except DayGoneError:
            return []
        return [(moment, record_of(time_of(moment), record)) for moment, record in rows]

    # --- days ---------------------------------------------------------------------------------------------------

    def partitions(self) -> list[Partition]:
        """Oldest first."""
        found = []
        for day in self._days.days():
            try:
                rows, octets = self._days.size(day)
            except DayGoneError:
                continue
            found.append(Partition(date_of(day), rows, octets))
        return found

    def prune(self, before: float) -> int:
        """Let go of the days that ended before this time (Unix seconds); how many those were."""
        return self._drop(day for day in self._days.days() if _start(day + 1) <= before)

    def prune_to_size(self, octets: int) -> int:
        """Let go of the oldest days until all take no more than this; the newest stays. How many those were."""
        total, oldest = 0, []
        for age, day in enumerate(reversed(self._days.days())):
            try:
                total += self._days.size(day)[1]
            except DayGoneError:
                continue
            if total > octets and age:
                oldest.append(day)
        return self._drop(reversed(oldest))

    def _drop(self, days: Iterable[int]) -> int:
        dropped = 0
        for day in days:
            self._days.drop(day)
            dropped += 1
        return dropped


def _start(day: int) -> float:
    return float(day * DAY_SECONDS)
