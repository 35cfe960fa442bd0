"""Exports of Exchange Online's message trace: fixtures after formats.md, each expected fact written by hand."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrowslit.traffic.attempt import Attempt
from arrowslit.traffic.formats.register import recognised
from tests.traffic.reading import at, read, read_with_stops

ROW: dict[str, Any] = {
    "MessageTraceId": "2bbad36a-a467-4c7b-a82f-4b307fff549f",
    "MessageId": "<id@example.net>",
    "Received": "2026-03-02T05:00:15.2040000Z",
    "SenderAddress": "a@example.net",
    "RecipientAddress": "b@example.org",
    "Subject": "Hi",
    "Status": "Delivered",
    "ToIP": "",
    "FromIP": "198.51.100.7",
    "Size": 729,
}
FIRST = Attempt(
    at("2026-03-02 05:00:15.204"),
    "198.51.100.7",
    "permitted",
    "2bbad36a-a467-4c7b-a82f-4b307fff549f",
    reverse_path="a@example.net",
    forward_path="b@example.org",
    message_bytes=729,
    reply="Delivered",
)


def csv_of(*rows: dict[str, Any], top: str = "") -> str:
    """As Export-Csv of PowerShell writes it: all in quotation marks."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(rows[0])
    for row in rows:
        writer.writerow(row.values())
    return top + out.getvalue()


ROWS = (
    ROW,
    ROW | {"RecipientAddress": "c@example.org", "Status": "Failed"},
    ROW | {"MessageTraceId": "2", "SenderAddress": "<>", "Status": "Quarantined", "Received": "2026-03-02 05:00:16"},
    ROW | {"MessageTraceId": "3", "FromIP": ""},  # sent by the organisation itself
    ROW
    | {"MessageTraceId": "4", "Status": "something new", "FromIP": "2001:db8::7", "Received": "3/2/2026 5:00:17 AM"},
    ROW,  # pages overlap
)
EXPECTED = [
    FIRST,
    FIRST._replace(told="refused-otherwise", first=False, forward_path="c@example.org", reply="Failed"),
    FIRST._replace(time=at("2026-03-02 05:00:16"), id="2", reverse_path="", reply="Quarantined"),
    FIRST._replace(
        time=at("2026-03-02 05:00:17"), id="4", client_address="2001:db8::7", told="not-told", reply="something new"
    ),
]


def test_traces_as_csv() -> None:
    log = csv_of(*ROWS, top="#TYPE Selected.System.Management.Automation.PSCustomObject\n")
    attempts, tally = read(log)
    assert attempts == EXPECTED
    assert (tally.used, tally.skipped, tally.not_understood) == (4, 4, 0)
    assert [(problem.line, "month comes first" in problem.says) for problem in tally.problems] == [(7, True)]
    assert read_with_stops(log.rstrip("\n"), "exchange-online") == EXPECTED


def test_a_subject_with_a_line_end() -> None:
    log = csv_of(ROW | {"Subject": 'a\n"b", c\nd'}, ROW | {"MessageTraceId": "2"})
    attempts, tally = read(log)
    assert [a.id for a in attempts] == ["2bbad36a-a467-4c7b-a82f-4b307fff549f", "2"]
    assert (tally.used, tally.skipped) == (4, 1)
    assert read_with_stops(log.rstrip("\n"), "exchange-online") == attempts


def test_columns_in_another_order_and_a_second_header() -> None:
    log = csv_of(ROW) + csv_of(dict(reversed((ROW | {"MessageTraceId": "2"}).items())))
    attempts, tally = read(log)
    assert attempts == [FIRST, FIRST._replace(id="2")]
    assert (tally.used, tally.skipped) == (2, 2)


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("wrap", [lambda rows: rows, lambda rows: {"@odata.context": "x", "value": rows}])
def test_traces_as_json(wrap: Any, indent: int | None) -> None:
    log = json.dumps(wrap(list(ROWS)), indent=indent)
    attempts, tally = read(log)
    assert attempts == EXPECTED
    assert tally.not_understood == 0
    assert read_with_stops(log, "exchange-online") == EXPECTED


def test_one_object_of_json_on_each_line() -> None:
    attempts, tally = read("\n".join(json.dumps(row) for row in ROWS))
    assert attempts == EXPECTED
    assert (tally.used, tally.skipped) == (4, 2)


def test_what_powershell_5_makes_of_a_time() -> None:
    # 2 March 2026, 05:00:15.204 UTC.
    rows = [
        ROW | {"Received": "/Date(1772427615204)/"},
        ROW
        | {"MessageTraceId": "2", "Received": {"value": "/Date(1772427615204)/", "DateTime": "Montag, 2. März 2026"}},
    ]
    attempts, tally = read(json.dumps(rows, indent=4).replace("/", "\\/"))
    assert attempts == [FIRST, FIRST._replace(id="2")]
    # Twelve lines a row, three more for the time that is an object, and the two brackets around all.
    assert (tally.used, tally.skipped, tally.not_understood) == (12 + 15, 2, 0)


def test_rows_of_graph() -> None:
    row = {
        "id": "9",
        "senderAddress": "a@example.net",
        "recipientAddress": "b@example.org",
        "receivedDateTime": "2026-03-02T05:00:15.204Z",
        "status": "filteredAsSpam",
        "fromIP": "198.51.100.7",
        "toIP": None,
        "size": 729,
    }
    assert read(json.dumps([row]))[0] == [FIRST._replace(id="9", reply="filteredAsSpam")]


SUMMARY = {
    "origin_timestamp_utc": "2026-03-02T05:00:15.2040000Z",
    "sender_address": "a@example.net",
    "recipient_status": "b@example.org##Receive, Deliver;c@example.org##Receive, Fail",
    "message_subject": "Hi",
    "total_bytes": "729",
    "message_id": "<id@example.net>",
    "network_message_id": "1341ac7b13fb42ab4d4408cf7f55890f",
    "original_client_ip": "198.51.100.7",
    "directionality": "Incoming",
    "connector_id": "From the filter",
    "delivery_priority": "Normal",
}


def test_the_summary_of_a_historical_search() -> None:
    log = csv_of(
        SUMMARY,
        SUMMARY | {"directionality": "Originating", "network_message_id": "2"},
        SUMMARY
        | {
            "directionality": "1",
            "network_message_id": "3",
            "recipient_status": "d@example.org##Receive, Defer, Deliver",
        },
    )
    attempts, tally = read(log)
    first = FIRST._replace(id="1341ac7b13fb42ab4d4408cf7f55890f", service="From the filter", reply="Receive, Deliver")
    assert attempts == [
        first,
        first._replace(told="refused-otherwise", first=False, forward_path="c@example.org", reply="Receive, Fail"),
        first._replace(id="3", forward_path="d@example.org", reply="Receive, Defer, Deliver"),
    ]
    assert (tally.used, tally.skipped, tally.not_understood) == (2, 2, 0)


EXTENDED = {
    "date_time_utc": "2026-03-02T05:00:15.204Z",
    "client_ip": "10.0.0.5",
    "client_hostname": "x.prod.example",
    "server_ip": "10.0.0.6",
    "server_hostname": "y.prod.example",
    "source_context": "08D8B20000000001;2026-03-02T05:00:15.204Z;0",
    "connector_id": "y\\Default y",
    "source": "SMTP",
    "event_id": "RECEIVE",
    "internal_message_id": "42",
    "message_id": "<id@example.net>",
    "network_message_id": "1341ac7b-13fb-42ab-4d44-08cf7f55890f",
    "recipient_address": "b@example.org;c@example.org",
    "recipient_status": "",
    "total_bytes": "729",
    "sender_address": "someone.else@example.com",
    "return_path": "a@example.net",
    "directionality": "Incoming",
    "original_client_ip": "198.51.100.7",
    "custom_data": "",
}


def test_the_extended_form_of_a_historical_search() -> None:
    log = csv_of(
        EXTENDED,
        EXTENDED | {"source": "AGENT", "event_id": "AGENTINFO"},
        EXTENDED | {"source": "STOREDRIVER", "event_id": "DELIVER"},
        EXTENDED | {"directionality": "Originating", "network_message_id": "2"},
        EXTENDED,
    )
    attempts, tally = read(log)
    first = FIRST._replace(id="08D8B20000000001;2026-03-02T05:00:15.204Z;0", service="y\\Default y", reply="")
    assert attempts == [first, first._replace(first=False, forward_path="c@example.org")]
    assert (tally.used, tally.skipped, tally.not_understood) == (1, 5, 0)


def test_two_kinds_of_export_of_the_same_message_count_once() -> None:
    identifier = "1341AC7B-13fb-42ab-4d44-08cf7f55890f"
    log = csv_of(ROW | {"MessageTraceId": identifier}) + csv_of(SUMMARY) + csv_of(EXTENDED)
    attempts, tally = read(log)
    assert [(a.forward_path, a.told) for a in attempts] == [
        ("b@example.org", "permitted"),
        ("c@example.org", "refused-otherwise"),
    ]
    assert (tally.used, tally.skipped, tally.not_understood) == (2, 4, 0)


@pytest.mark.parametrize(
    ("text", "when", "doubtful"),
    [
        ("2026-03-02T05:00:15", "2026-03-02 05:00:15", False),
        ("02.03.2026 05:00:15", "2026-03-02 05:00:15", False),
        ("02/03/2026 05:00:15", "2026-03-02 05:00:15", True),
        ("25/02/2026 05:00:15", "2026-02-25 05:00:15", False),
        ("2/25/2026 05:00", "2026-02-25 05:00:00", False),
        ("25/02/2026 5:00:15 PM", "2026-02-25 17:00:15", False),
        ("3/2/2026 12:00:15 AM", "2026-03-02 00:00:15", True),
        ("3/3/2026 12:00:15 p.m.", "2026-03-03 12:00:15", False),
    ],
)
def test_times_as_they_are_written_elsewhere(text: str, when: str, doubtful: bool) -> None:
    attempts, tally = read(csv_of(ROW | {"Received": text}))
    assert [a.time for a in attempts] == [at(when)]
    assert len(tally.problems) == doubtful


def test_what_is_not_understood_is_named() -> None:
    _, tally = read(csv_of(ROW | {"Received": "yesterday"}) + '"a","b"\n')
    assert [(problem.line, problem.says) for problem in tally.problems] == [
        (2, "there is no time in this line, or not in a way that is known"),
        (3, "this line has 2 columns; the header has 10"),
    ]
    _, tally = read('[\n{\n"a": 1\n}\n]', "exchange-online")
    assert (tally.not_understood, tally.skipped) == (3, 2)
    assert tally.problems[0].says == "this is no row of a message trace"
    _, tally = read('[\n{\n"RecipientAddress": "b@example.org",\n', "exchange-online")
    assert (tally.not_understood, tally.skipped) == (2, 1)
    assert "the end of it is missing" in tally.problems[0].says


def test_an_object_without_end_does_not_fill_the_memory() -> None:
    _, tally = read("[\n{\n" + '"x": 1,\n' * 1000, "exchange-online")
    assert tally.not_understood == 1001
    assert len(tally.problems) == 20


def test_other_json_is_none() -> None:
    assert recognised(['{"connection": {"ip": "198.51.100.7"}, "envelope": {"from": "a@example.net"}}']) is None


LINES = [
    *csv_of(*ROWS).splitlines(),
    *csv_of(SUMMARY).splitlines(),
    *csv_of(EXTENDED).splitlines(),
    *json.dumps({"value": list(ROWS)}, indent=1).splitlines(),
    json.dumps(ROW),
    json.dumps([ROWS]),
    "[",
    "{",
    "}",
    "]",
    "[[[[[[[[",
    '{"a":{"b":{"c":{"d":{"e":{"f":1}}}}}}',
    '"',
]
ANY_LINE = st.one_of(
    st.sampled_from(LINES),
    st.builds(
        lambda line, at_, text: line[:at_] + text, st.sampled_from(LINES), st.integers(0, 200), st.text(max_size=5)
    ),
    st.builds(
        lambda line, at_, text: line[:at_] + text + line[at_:],
        st.sampled_from(LINES),
        st.integers(0, 200),
        st.text(max_size=5),
    ),
    st.text(max_size=60),
).map(lambda line: line.replace("\n", " "))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["", "[", LINES[0]]), st.lists(ANY_LINE, max_size=40))
def test_garbage_never_raises_and_no_line_is_lost(top: str, lines: list[str]) -> None:
    log = "\n".join([top, *lines]).encode("utf-8", "surrogatepass")
    attempts, _ = read(log, "exchange-online")
    if lines and lines[-1]:
        assert read_with_stops(log, "exchange-online") == attempts
