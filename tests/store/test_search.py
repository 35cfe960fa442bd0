"""A search finds what going through all records by hand finds, in pages, by whatever way through the indexes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

import pytest
from sqlalchemy import Engine, event

from arrowslit.observe.record import Record
from arrowslit.store import look
from arrowslit.store.database import Database
from arrowslit.store.decisions import Decisions
from arrowslit.store.query import Query
from tests.store.records import DAY, NOON, lines

CLIENTS = [f"192.0.2.{number}" for number in range(12)] + ["198.51.100.7", "2001:db8::1", "2001:db8:1::1"]
RECIPIENTS = ["anna@example.test", "ben@example.test", "ben@example.testa", "ben@b.example.test", "postmaster", "@x"]
CHOICES: dict[str, list[Any]] = {
    "action": ["permit", "permit", "permit", "reject", "defer", "drop", "quarantine"],
    "kind": ["decision", "delivery", "fault"],
    "reason": ["listed", "listed", "not-listed", "rare"],
    "rule": [None, "inbound/connect/x", "inbound/connect/y"],
    "outcome": [None, "delivered", "delivered", "refused"],
    "virtual_server": ["inbound", "outbound"],
    "would_be": [None, None, None, "not-listed"],
    "client_address": [*CLIENTS, CLIENTS[0], CLIENTS[0], None],
    "forward_path": [*RECIPIENTS, "Anna@Example.Test", None],
}


def _records(chance: random.Random, count: int) -> list[Record]:
    """Some milliseconds have several; three days."""
    return [
        Record(
            id=f"{number // 3}",
            time=round(NOON + chance.randrange(3) * DAY + chance.randrange(count), 3),
            **{name: chance.choice(values) for name, values in CHOICES.items()},
        )
        for number in range(count)
    ]


def _query(chance: random.Random) -> Query:
    wanted: dict[str, Any] = {}
    for name in ("kind", "reason", "rule", "outcome", "virtual_server"):
        if chance.random() < 0.2:
            wanted[name] = chance.choice(CHOICES[name])
    if chance.random() < 0.4:
        networks = ["192.0.2.0", "192.0.2.5", "192.0.2.0/30", "192.0.2.0/24", "0.0.0.0/0", "2001:db8::/32", "::/0"]
        wanted["client"] = ip_network(chance.choice(networks))
    if chance.random() < 0.4:
        wanted["recipient"] = chance.choice([*RECIPIENTS, "BEN@example.test", "@EXAMPLE.test", "@none.test"])
    if chance.random() < 0.4:
        wanted["actions"] = frozenset(chance.sample(["permit", "reject", "defer", "drop"], chance.randint(1, 3)))
    if chance.random() < 0.2:
        wanted["would_be"] = chance.choice([True, False])
    if chance.random() < 0.1:
        wanted["id"] = str(chance.randrange(200))
    for name in ("since", "until"):
        if chance.random() < 0.3:
            wanted[name] = NOON + chance.uniform(-0.1, 3.1) * DAY
    return Query(limit=chance.choice([8, 60, 1000]), **wanted)


def _fits(record: Record, query: Query) -> bool:
    equal = all(
        getattr(query, name) in (None, getattr(record, name))
        for name in ("id", "kind", "reason", "rule", "outcome", "virtual_server")
    )
    time = record.time
    return (
        equal
        and (not query.actions or record.action in query.actions)
        and (query.would_be is None or query.would_be == (record.would_be is not None))
        and (query.since is None or time >= round(query.since, 3))
        and (query.until is None or time < round(query.until, 3))
        and (query.client is None or _inside(record.client_address, query.client))
        and (query.recipient is None or _is_for(record.forward_path, query.recipient))
    )


def _inside(address: str | None, network: IPv4Network | IPv6Network) -> bool:
    if address is None:
        return False
    found = ip_address(address)
    # IPv4 lies in ::ffff:0:0/96.
    return found in network or (found.version == 4 and network == ip_network("::/0"))


def _is_for(forward_path: str | None, wanted: str) -> bool:
    if forward_path is None:
        return False
    found, wanted = forward_path.lower(), wanted.lower()
    return found.endswith(wanted) if wanted.startswith("@") else found == wanted


@pytest.mark.parametrize("few", [2000, 20, 1])
def test_a_search_finds_what_fits_newest_first_in_pages(
    database: Database, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    """With small windows and little that counts as few, every way is gone."""
    chance = random.Random(few)
    records = _records(chance, 240)
    database.decisions.take(lines(records))
    monkeypatch.setattr(look, "_FEW", few)
    monkeypatch.setattr(look, "_SMALLEST_WINDOW", few)
    patient = Decisions(database.decisions._days, seconds=600.0)
    for _ in range(60):
        query = _query(chance)
        expected = sorted((record.time, record.id) for record in records if _fits(record, query))
        assert _all(patient, query) == expected, query


def test_a_search_that_stops_early_says_where_and_goes_on_there(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(25)
    records = _records(chance, 240)
    database.decisions.take(lines(records))
    monkeypatch.setattr(look, "_FEW", 8)
    monkeypatch.setattr(look, "_SMALLEST_WINDOW", 4)
    impatient = Decisions(database.decisions._days, rows=1)
    stops = 0
    for _ in range(25):
        query = _query(chance)
        expected = sorted((record.time, record.id) for record in records if _fits(record, query))
        found: list[tuple[float, str]] = []
        cursor: str | None = None
        while True:
            page = impatient.search(replace(query, cursor=cursor))
            found += [(record["time"], record["id"]) for record in page.records]
            if page.looked_to is not None:
                stops += 1
                assert page.cursor is not None
                newer = sum(time > page.looked_to for time, _ in expected)
                assert newer <= len(found) <= sum(time >= page.looked_to for time, _ in expected), query
            if (cursor := page.cursor) is None:
                break
        assert sorted(found) == expected, query
    assert stops > 40


def test_counting_that_stops_early_says_so(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    records = [Record(time=NOON + number, client_address="192.0.2.1", rule="x") for number in range(100)]
    database.decisions.take(lines(records))
    monkeypatch.setattr(look, "_SMALLEST_WINDOW", 10)
    found = Decisions(database.decisions._days, rows=1).count_by_client(Query(rule="x"))
    assert [(each.client, each.count, each.first) for each in found.clients] == [("192.0.2.1", 10, NOON + 90)]
    assert found.looked_to == NOON + 90
    assert database.decisions.count_by_client(Query(rule="x")).clients[0].count == 100


def _all(decisions: Decisions, query: Query) -> list[tuple[float, str]]:
    found: list[tuple[float, str]] = []
    cursor: str | None = None
    while True:
        page = decisions.search(replace(query, cursor=cursor))
        assert page.looked_to is None
        assert len(page.records) <= query.limit
        found += [(record["time"], record["id"]) for record in page.records]
        assert [time for time, _ in found] == sorted((time for time, _ in found), reverse=True)
        if (cursor := page.cursor) is None:
            return sorted(found)


QUERIES = [
    Query(),
    Query(id="7"),
    Query(client=ip_network("192.0.2.5")),
    Query(client=ip_network("192.0.2.5"), actions=frozenset({"reject"}), outcome="refused"),
    Query(recipient="anna@example.test"),
    Query(recipient="anna@example.test", rule="inbound/connect/x"),
    Query(client=ip_network("192.0.2.0/30")),
    Query(recipient="@example.test"),
    Query(client=ip_network("192.0.2.5"), recipient="anna@example.test"),
    Query(actions=frozenset({"reject", "drop"})),
    Query(outcome="refused"),
    Query(outcome="delivered"),
    Query(reason="rare"),
    Query(would_be=True),
    Query(rule="inbound/connect/x"),
    Query(virtual_server="inbound", kind="fault"),
    Query(kind="delivery"),
]


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_every_step_is_a_scan_of_an_index(database: Database, query: Query) -> None:
    database.decisions.take(lines(_records(random.Random(1), 3000)))
    with _plans(database) as plans:
        database.decisions.search(query)
    steps = [step for plan in plans for step in plan if "decisions" in step]
    assert steps
    for step in steps:
        if database.dialect == "sqlite":
            assert step.startswith("SEARCH decisions USING"), plans
        else:
            assert "Index" in step and "Scan" in step and "Bitmap" not in step, plans


@contextmanager
def _plans(database: Database) -> Iterator[list[list[str]]]:
    """How the database answers each statement on decisions that is run inside."""
    found: list[list[str]] = []

    def explain(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if "FROM decisions" in statement:
            own = connection.connection.cursor()
            word = "EXPLAIN QUERY PLAN" if database.dialect == "sqlite" else "EXPLAIN"
            own.execute(f"{word} {statement}", parameters)
            found.append([str(row[-1]).strip() for row in own.fetchall()])

    event.listen(Engine, "before_cursor_execute", explain)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", explain)
