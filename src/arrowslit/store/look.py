"""Looks through the days for what a query wants, newest first, in steps of bounded length.

Terms: a *span* is one or more days that one statement can read. A *window* is a stretch of time in a span that holds
at most so many rows of each arm (`paths`). The rows of one window after another are tested for what no index answers.
Who looks decides after each step whether to go on; a `Budget` says when enough was looked at.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import ColumnElement, Connection, Select, Subquery, Table, func, select, union_all

from arrowslit.store.days import PARTITIONED, DayGoneError, Days
from arrowslit.store.moment import LATEST, day_of, moment_of, start_of
from arrowslit.store.paths import Path, paths
from arrowslit.store.query import Query

_FEW: Final = 2_000
"""So many rows of a span are simply all looked at."""
_SMALLEST_WINDOW: Final = 400
_LARGEST_WINDOW: Final = 16_000
_QUICK: Final = 0.05
"""Seconds. A window that took no longer is followed by a larger one."""


@dataclass(slots=True)
class Budget:
    """How much may be looked at, in rows and seconds. One step is made even so."""

    rows: int
    seconds: float
    clock: Callable[[], float] = time.monotonic
    begun: float = field(init=False)
    stopped: bool = False
    """Whether a search ended since it was spent."""

    def __post_init__(self) -> None:
        self.begun = self.clock()

    @property
    def spent(self) -> bool:
        """Whether to stop."""
        return self.rows <= 0 or self.clock() - self.begun > self.seconds


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some time of a span. `found`: its rows that fit, without their records, in no order."""

    connection: Connection
    table: Table
    found: Subquery


Look = Callable[[Stretch], None]
"""Takes what it wants from a stretch, while its transaction is open."""


def look_back(days: Days, query: Query, below: int, budget: Budget, look: Look) -> Generator[int, None, None]:
    """Show all that fits and is older than the moment `below`, newest first; ends when the budget is spent.

    After each stretch that `look` got, gives the moment from which on everything has been looked at.
    """
    floor = 0 if query.since is None else moment_of(query.since)
    for span in reversed(days.spans()):
        start, end = max(start_of(span.start), floor), min(start_of(span.stop), below)
        if start >= end:
            continue
        try:
            with days.reading(span) as (connection, table):
                for stretch, down_to in _of_span(connection, table, query, start, end, budget):
                    look(stretch)
                    yield down_to
                    if budget.spent:
                        budget.stopped = True
                        return
        except DayGoneError:
            continue


def newest(query: Query) -> int:
    """The moment below which a query looks, its cursor left aside."""
    return start_of(day_of(moment_of(LATEST)) + 1) if query.until is None else moment_of(query.until)


def _of_span(
    connection: Connection, table: Table, query: Query, floor: int, below: int, budget: Budget
) -> Iterator[tuple[Stretch, int]]:
    path, few = _chosen(connection, table, query, floor, below)
    if few:
        budget.rows -= _FEW // 4
        yield Stretch(connection, table, _all_of(path, table, floor, below)), floor
        return
    size = _SMALLEST_WINDOW
    while below > floor:
        begun = budget.clock()
        end = _end(connection, path, table, floor, below, size)
        budget.rows -= size if end > floor else _SMALLEST_WINDOW // 4
        yield Stretch(connection, table, _window(path, table, end, below, size)), end
        below = end
        if budget.clock() - begun < _QUICK:
            size = min(4 * size, _LARGEST_WINDOW)


def _chosen(connection: Connection, table: Table, query: Query, floor: int, below: int) -> tuple[Path, bool]:
    """The path, and whether it finds few rows between these moments."""
    by_index, always = paths(query)
    if not by_index:
        return always, False
    if len(by_index) == 1 and by_index[0].ordered:
        return by_index[0], False
    for path in by_index:
        if _count(connection, path, table, floor, below) < _FEW:
            return path, True
    return next((path for path in by_index if path.ordered), always), False


def _count(connection: Connection, path: Path, table: Table, floor: int, below: int) -> int:
    inside = _inside(path, table, floor, below)
    arms = [select(select(table.c.at).where(arm(table.c), *inside).limit(_FEW).subquery()) for arm in path.arms]
    found = connection.scalar(select(func.count()).select_from(union_all(*arms).limit(_FEW).subquery()))
    return found or 0


def _inside(path: Path, table: Table, floor: int, below: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Between two moments. On the way through a range SQLite must not take these for what an index is to find."""
    at: ColumnElement[int] = table.c.at
    if not path.ordered and not table.info.get(PARTITIONED):
        at = at + 0
    return at < below, at >= floor


def _end(connection: Connection, path: Path, table: Table, floor: int, below: int, size: int) -> int:
    """Where a window that begins at `below` ends: at the row number `size` of the densest arm."""
    at = table.c.at
    inside = [select(at).where(arm(table.c), at < below, at >= floor) for arm in path.arms]
    ends = [arm.order_by(at.desc()).offset(size - 1).limit(1).subquery() for arm in inside]
    found = union_all(*map(select, ends)).subquery()
    end: int | None = connection.scalar(select(func.max(found.c.at)))
    return floor if end is None else end


def _window(path: Path, table: Table, end: int, below: int, size: int) -> Subquery:
    """The rows of a window that fit. The limit keeps a planner from mixing what is left into the index scan."""
    at = table.c.at
    arms = [
        _found(table).where(arm(table.c), at < below, at >= end).order_by(at.desc()).limit(2 * size)
        for arm in path.arms
    ]
    return _tested(path, arms)


def _all_of(path: Path, table: Table, floor: int, below: int) -> Subquery:
    """The rows of a whole span that fit, where the arms find few."""
    inside = _inside(path, table, floor, below)
    return _tested(path, [_found(table).where(arm(table.c), *inside).limit(2 * _FEW) for arm in path.arms])


def _tested(path: Path, arms: list[Select[tuple[object, ...]]]) -> Subquery:
    found = union_all(*(select(arm.subquery()) for arm in arms)).subquery()
    return select(found).where(*(condition(found.c) for condition in path.left)).subquery()


def _found(table: Table) -> Select[tuple[object, ...]]:
    """All columns but the record, which is fetched for the rows of a page alone."""
    return select(*(column for column in table.c if column.name != "record"))
