"""Searches over all days: a page of records, a transaction, counts by client.

Each looks at a bounded number of rows (`look`) and says how far back that went.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any, Final

from sqlalchemy import Connection, Table, func, select

from arrowslit.store.days import Days
from arrowslit.store.decision_row import address_text, record_of
from arrowslit.store.errors import StoreError
from arrowslit.store.look import Budget, Stretch, look_back, newest
from arrowslit.store.moment import DAY_SECONDS, moment_of, start_of, time_of
from arrowslit.store.query import ClientCount, ClientCounts, Page, Query

_LARGEST_PAGE: Final = 10_000
_NO_BUDGET: Final = 1 << 62


def search(days: Days, query: Query, budget: Budget) -> Page:
    """One page of what fits. Raises StoreError."""
    limit = min(max(query.limit, 1), _LARGEST_PAGE)
    below = min(newest(query), _cursor(query))
    found: list[tuple[int, dict[str, Any]]] = []

    def look(stretch: Stretch) -> None:
        at = stretch.found.c.at
        wanted = select(at).order_by(at.desc()).limit(limit + 1 - len(found))
        found.extend(_records(stretch.connection, stretch.table, list(stretch.connection.scalars(wanted))))

    down_to = below
    with closing(look_back(days, query, below, budget, look)) as moments:
        for moment in moments:
            down_to = moment
            if len(found) > limit:
                break
    records = tuple(record for _, record in found[:limit])
    if len(found) > limit:
        return Page(records, str(found[limit - 1][0]), None)
    if budget.stopped and _more(days, query, down_to):
        return Page(records, str(down_to), time_of(down_to))
    return Page(records, None, None)


def show(days: Days, transaction: str) -> list[dict[str, Any]]:
    """All records of a transaction or session, oldest first; it may have gone on over midnights. Raises StoreError."""
    found: list[dict[str, Any]] = []
    for day in reversed(days.days()):
        start, end = float(day * DAY_SECONDS), float((day + 1) * DAY_SECONDS)
        query = Query(id=transaction, since=start, until=end, limit=_LARGEST_PAGE)
        records = search(days, query, Budget(_NO_BUDGET, float("inf"))).records
        if found and not records:
            break
        found = [*reversed(records), *found]
    return found


def count_by_client(days: Days, query: Query, limit: int, budget: Budget) -> ClientCounts:
    """Who was met how often. Raises StoreError."""
    below = down_to = newest(query)
    counts: dict[bytes, ClientCount] = {}

    def look(stretch: Stretch) -> None:
        at, client, count = stretch.found.c.at, stretch.found.c.client, func.sum(stretch.found.c.repeats)
        wanted = select(client, count, func.min(at), func.max(at)).where(client.is_not(None)).group_by(client)
        for octets, number, first, last in stretch.connection.execute(wanted):
            counts[octets] = _added(counts.get(octets), octets, int(number), time_of(first), time_of(last))

    for moment in look_back(days, query, below, budget, look):
        down_to = moment
    largest = sorted(counts.values(), key=lambda found: (-found.count, found.client))[:limit]
    cut = budget.stopped and _more(days, query, down_to)
    return ClientCounts(tuple(largest), time_of(down_to) if cut else None)


def _more(days: Days, query: Query, down_to: int) -> bool:
    """Whether there is anything older that a query may want."""
    since = 0 if query.since is None else moment_of(query.since)
    return down_to > since and any(start_of(day) < down_to for day in days.days())


def _cursor(query: Query) -> int:
    if query.cursor is None:
        return newest(query)
    if not (query.cursor.isascii() and query.cursor.isdigit() and len(query.cursor) < 20):
        raise StoreError("that is no cursor of a page of decisions")
    return int(query.cursor)


def _records(connection: Connection, table: Table, moments: Sequence[int]) -> list[tuple[int, dict[str, Any]]]:
    if not moments:
        return []
    wanted = select(table.c.at, table.c.record).where(table.c.at.in_(moments)).order_by(table.c.at.desc())
    return [(moment, record_of(time_of(moment), record)) for moment, record in connection.execute(wanted)]


def _added(found: ClientCount | None, octets: bytes, count: int, first: float, last: float) -> ClientCount:
    if found is None:
        return ClientCount(address_text(octets), count, first, last)
    return ClientCount(found.client, found.count + count, min(found.first, first), max(found.last, last))
