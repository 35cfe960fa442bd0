"""Decisions go in exactly once, come out as they were, and are let go of by day."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from ipaddress import ip_network
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arrowslit.observe.record import Record
from arrowslit.store.database import Database, open_database
from arrowslit.store.errors import StoreError
from arrowslit.store.query import Query
from arrowslit.store.values import JournalLine
from tests.store.records import DAY, NOON, SEGMENT, lines


def _ids(database: Database) -> list[str]:
    return [str(record["id"]) for record in database.decisions.scan()]


def test_a_record_comes_back_as_it_went_in(database: Database) -> None:
    record = Record(
        id="25A", time=NOON, node="mx1", action="reject", code=550, client_address="2001:db8::25", repeats=7,
        forward_path="Änne@example.test", reply="no \x00 such \ud800 thing", rule="inbound/connect/x",
    )  # fmt: skip
    (line,) = lines([record])
    assert database.decisions.take([line]) == 1
    assert database.decisions.search(Query()).records == (json.loads(line.line),)
    assert list(database.decisions.scan()) == [json.loads(line.line)]


def test_what_is_offered_twice_is_kept_once(database: Database) -> None:
    batch = lines(Record(id=str(number), time=NOON + number) for number in range(10))
    other = lines([Record(id="other", time=NOON)], segment="01728043200000000001-26-000000.jsonl")
    assert database.decisions.take(batch[:4]) == 4
    assert database.decisions.take(batch[:4]) == 0
    assert database.decisions.take([*batch[2:], *other]) == 7
    assert database.decisions.take([*batch, *other]) == 0
    assert sorted(_ids(database)) == sorted([*map(str, range(10)), "other"])


def test_a_segment_over_midnight_is_in_both_days_once(database: Database) -> None:
    midnight = NOON + DAY / 2
    batch = lines(Record(id=str(number), time=midnight + number - 5) for number in range(10))
    assert database.decisions.take(batch[:7]) == 7
    assert database.decisions.take(batch) == 3
    assert [(each.day, each.rows) for each in database.decisions.partitions()] == [("2024-10-04", 5), ("2024-10-05", 5)]
    assert _ids(database) == list(map(str, range(10)))


def test_records_of_one_millisecond_are_all_kept(database: Database) -> None:
    for worker in range(3):
        segment = f"0172804320000000000{worker}-2{worker}-000000.jsonl"
        batch = lines([Record(id=f"{worker}-{number}", time=NOON) for number in range(200)], segment)
        assert database.decisions.take(batch[:100]) == 100
        assert database.decisions.take(batch[100:]) == 100
    expected = sorted(f"{worker}-{number}" for worker in range(3) for number in range(200))
    for limit in (70, 550):  # less and more than one window
        found = []
        cursor: str | None = None
        while True:
            page = database.decisions.search(Query(limit=limit, cursor=cursor))
            found += [record["id"] for record in page.records]
            if (cursor := page.cursor) is None:
                break
        assert sorted(found) == expected


def test_a_number_that_is_taken_is_drawn_anew(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    days = database.decisions._days
    database.decisions.take(lines([Record(id="1", time=NOON)]))
    drawn = days.numbers
    with days.reading(range(20_000, 20_001)) as (connection, table):
        taken = connection.execute(table.select()).one().at % (1 << 21)
    tries: list[int] = []

    def numbers(connection: object, count: int) -> list[int]:
        tries.append(count)
        return [taken] * count if len(tries) == 1 else drawn(connection, count)  # type: ignore[arg-type]

    monkeypatch.setattr(days, "numbers", numbers)
    assert database.decisions.take(lines([Record(id="2", time=NOON)], segment="2")) == 1
    assert len(tries) == 2
    assert sorted(_ids(database)) == ["1", "2"]


BAD = [
    b"",
    b"not json",
    b"[1]",
    b"null",
    b"{}",
    b'{"v":1,"time":"noon"}',
    b'{"v":1,"time":NaN}',
    b'{"v":1,"time":-1}',
    b'{"v":1,"time":1e300}',
    b'{"v":1,"time":true,"id":"x"',
    b"\x00\xff\xfe\r",
    b'{"v":1,"time":' + b"9" * 5000 + b"}",
    b"[" * 100_000,
]


def test_a_line_that_is_no_record_stays_one_row(database: Database) -> None:
    begun = 1728043200.0  # in the name of the segment
    batch = [JournalLine(SEGMENT, position, line) for position, line in enumerate(BAD)]
    good = lines([Record(id="good", time=begun + 60)], start=1_000_000)
    assert database.decisions.take([*batch, *good]) == len(BAD) + 1
    assert database.decisions.take([*batch, *good]) == 0
    page = database.decisions.search(Query())
    assert page.cursor is None
    assert page.records[0]["id"] == "good"
    assert len(page.records) == len(BAD) + 1
    unreadable = database.decisions.search(Query(kind="unreadable")).records
    assert len(unreadable) == len(BAD)
    assert {record["time"] for record in unreadable if "line" in record} == {begun}
    assert "\\x00\\xff\\xfe" in {record.get("line") for record in unreadable}
    assert len(list(database.decisions.scan())) == len(BAD) + 1


_VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text(), max_size=2)
_NAMES = st.sampled_from(
    ["id", "action", "kind", "stage", "code", "reason", "rule", "would_be", "outcome", "virtual_server", "revision",
     "generation", "client_address", "forward_path", "count"]
)  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(_NAMES, _VALUES), st.booleans())
def test_whatever_stands_in_the_fields_is_taken_and_given_back(
    database: Database, fields: dict[str, object], ascii_only: bool
) -> None:
    line = json.dumps({"v": 1, "time": NOON, **fields}, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    segment = str(len(list(database.decisions.scan())))
    assert database.decisions.take([JournalLine(segment, 0, line)]) == 1
    (given,) = database.decisions.search(Query(limit=1)).records
    assert given["time"] == NOON
    if ascii_only:
        assert repr(given) == repr(json.loads(line))


def test_whole_days_are_let_go_of(database: Database) -> None:
    for day in range(4):
        segment = f"{day}"
        database.decisions.take(lines([Record(id=f"{day}", time=NOON + day * DAY)], segment))
    assert database.decisions.prune(NOON + DAY) == 1
    assert _ids(database) == ["1", "2", "3"]
    assert database.decisions.prune(NOON + DAY) == 0
    assert database.decisions.prune(NOON + 2.4 * DAY) == 1
    assert [each.day for each in database.decisions.partitions()] == ["2024-10-06", "2024-10-07"]
    assert database.decisions.search(Query(cursor=str(1 << 62))).records[-1]["id"] == "2"
    # A line that comes late for a day that is gone makes it anew.
    assert database.decisions.take(lines([Record(id="late", time=NOON)], "late")) == 1
    assert _ids(database) == ["late", "2", "3"]


def test_the_oldest_days_are_let_go_of_until_the_rest_is_small_enough(database: Database) -> None:
    for day in range(4):
        database.decisions.take(lines([Record(id=f"{day}", time=NOON + day * DAY)] * 50, f"{day}"))
    sizes = [each.octets for each in database.decisions.partitions()]
    assert min(sizes) > 50 * 50
    assert database.decisions.prune_to_size(sum(sizes)) == 0
    assert database.decisions.prune_to_size(sum(sizes[1:])) == 1
    assert database.decisions.prune_to_size(sum(sizes[2:]) + 1) == 1
    assert database.decisions.prune_to_size(0) == 1
    assert [each.day for each in database.decisions.partitions()] == ["2024-10-07"]


def test_of_a_store_without_decisions_nothing_is_let_go_of(database: Database) -> None:
    assert database.decisions.prune_to_size(0) == 0
    assert database.decisions.prune(NOON) == 0


def test_a_day_that_another_process_removed_is_gone_for_all(database: Database, location: str) -> None:
    database.decisions.take(lines([Record(id="old", time=NOON)]))
    other = open_database(location)
    assert other.decisions.prune(NOON + DAY) == 1
    other.close()
    assert database.decisions.search(Query()).records == ()
    assert database.decisions.take(lines([Record(id="new", time=NOON)], "new")) == 1
    assert _ids(database) == ["new"]


def test_a_scan_reads_all_in_order_while_more_comes_in(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arrowslit.store.decisions._SCANNED_AT_ONCE", 7)
    batch = lines(Record(id=str(number), time=NOON + number * 3600) for number in range(50))
    database.decisions.take(batch[:40])
    scan = database.decisions.scan(NOON + 3600, NOON + 45 * 3600)
    assert next(scan)["id"] == "1"
    database.decisions.take(batch)
    assert [record["id"] for record in scan] == [str(number) for number in range(2, 45)]


def test_clients_are_counted_with_what_one_record_stands_for(database: Database) -> None:
    records = [Record(time=NOON + number, client_address="192.0.2.1", action="reject") for number in range(3)]
    records += [Record(time=NOON + 10 + DAY, client_address="2001:db8::1", action="reject", repeats=40)]
    records += [Record(time=NOON + 11, client_address="192.0.2.1", action="permit"), Record(time=NOON, action="drop")]
    database.decisions.take(lines(records))
    found = database.decisions.count_by_client(Query(actions=frozenset({"reject"})))
    assert [(each.client, each.count, each.first, each.last) for each in found.clients] == [
        ("2001:db8::1", 40, NOON + 10 + DAY, NOON + 10 + DAY),
        ("192.0.2.1", 3, NOON, NOON + 2),
    ]
    assert found.looked_to is None
    found = database.decisions.count_by_client(Query(client=ip_network("192.0.2.0/24")), limit=1)
    assert [(each.client, each.count) for each in found.clients] == [("192.0.2.1", 4)]


def test_a_transaction_is_shown_whole_oldest_first_over_midnight(database: Database) -> None:
    midnight = NOON + DAY / 2
    times = {"a": midnight - 2, "b": midnight - 1, "c": midnight + 1}
    records = [Record(id="25A", time=time, reason=reason) for reason, time in times.items()]
    database.decisions.take(lines([*records, Record(id="25B", time=midnight)]))
    database.decisions.take(lines([Record(id="x", time=midnight + 3 * DAY)], "x"))
    assert [record["reason"] for record in database.decisions.show("25A")] == ["a", "b", "c"]
    assert database.decisions.show("nope") == []


def test_a_wrong_cursor_is_told(database: Database) -> None:
    with pytest.raises(StoreError, match="no cursor"):
        database.decisions.search(Query(cursor="1; DROP TABLE"))


# --- several processes ----------------------------------------------------------------------------------------------


def _take(location: str, rounds: int, segment: str) -> int:
    database = open_database(location)
    batch = lines([Record(id=f"{segment}-{number}", time=NOON + number / 1000) for number in range(rounds)], segment)
    taken = sum(database.decisions.take(batch[start : start + 20]) for start in range(0, rounds, 20))
    database.close()
    return taken


@pytest.mark.parametrize("segments", [["a", "b", "c"], ["a", "a", "a"]], ids=["three segments", "the same segment"])
def test_processes_that_take_at_once_keep_every_line_once(location: str, segments: list[str]) -> None:
    open_database(location, create=True).close()
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as processes:
        taken = list(processes.map(_take, [location] * 3, [300] * 3, segments))
    expected = sorted(f"{segment}-{number}" for segment in set(segments) for number in range(300))
    assert sum(taken) == len(expected)
    database = open_database(location)
    assert sorted(_ids(database)) == expected
    database.close()


def test_a_file_for_each_day_that_only_the_owner_can_read(tmp_path: Path) -> None:
    database = open_database(tmp_path / "store.sqlite", create=True)
    database.decisions.take(lines([Record(time=NOON)]))
    found = sorted((tmp_path / "decisions").iterdir())
    assert found[0].name == "2024-10-04.sqlite"
    assert {path.stat().st_mode & 0o777 for path in found} == {0o600}
    assert (tmp_path / "decisions").stat().st_mode & 0o777 == 0o700
    database.close()
