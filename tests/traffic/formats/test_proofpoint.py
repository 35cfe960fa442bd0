"""Proofpoint's records of messages, by hand in the shape of public samples."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.traffic.attempt import Attempt
from tests.traffic.reading import at, read, read_with_stops

RECORD: dict[str, Any] = {
    "connection": {
        "country": "us",
        "helo": "mx.example.net",
        "host": "mx.example.net",
        "ip": "198.51.100.7",
        "protocol": "smtp:smtp",
        "resolveStatus": "ok",
        "sid": "3y8a",
        "tls": {"inbound": {"cipher": "ECDHE-RSA-AES256-GCM-SHA384", "cipherBits": 256, "version": "TLSv1.2"}},
    },
    "envelope": {"from": "a@example.net", "rcpts": ["b@example.org", "c@example.org"]},
    "filter": {
        "actions": [
            {"action": "continue", "module": "spf", "rule": "pass"},
            {"action": "accept", "isFinal": True, "module": "access", "rule": "system"},
        ],
        "disposition": "accept",
        "qid": "44A",
        "routeDirection": "inbound",
    },
    "guid": "vRq4",
    "msg": {"header": {"subject": ['"ip":"192.0.2.1"']}, "sizeBytes": 1151},
    "ts": "2026-03-01T21:00:15.058340-0800",
}
EXPECTED = Attempt(
    at("2026-03-02 05:00:15") + 0.05834,
    "198.51.100.7",
    "permitted",
    "vRq4",
    service="inbound",
    reverse_name="mx.example.net",
    helo_name="mx.example.net",
    tls=True,
    reverse_path="a@example.net",
    forward_path="b@example.org",
    message_bytes=1151,
    reply="accept by access/system",
)


def _line(**parts: Any) -> str:
    """The record, with some of its parts merged with others."""
    return json.dumps(
        {
            name: {**value, **parts.get(name, {})} if isinstance(value, dict) else parts.get(name, value)
            for name, value in RECORD.items()
        }
    )


def test_what_it_tells() -> None:
    attempts, tally = read(_line() + "\n")
    assert [one._replace(time=0.0) for one in attempts] == [
        EXPECTED._replace(time=0.0),
        EXPECTED._replace(time=0.0, first=False, forward_path="c@example.org"),
    ]
    assert attempts[0].time == pytest.approx(EXPECTED.time, abs=1e-5)
    assert (tally.used, tally.skipped, tally.not_understood) == (1, 0, 0)
    assert read_with_stops(_line(), "proofpoint") == attempts


@pytest.mark.parametrize(
    ("disposition", "told"),
    [
        ("continue", "permitted"),
        ("discard", "permitted"),
        ("quarantine", "not-told"),
        ("reject", "refused-otherwise"),
        ("retry", "refused-otherwise"),
        ("what-else", "not-told"),
        (None, "not-told"),
        (1, "not-told"),
    ],
)
def test_dispositions(disposition: object, told: str) -> None:
    attempts, _ = read(_line(filter={"disposition": disposition}), "proofpoint")
    assert {one.told for one in attempts} == {told}


@pytest.mark.parametrize(
    ("part", "differs", "field", "expected"),
    [
        ("connection", {"tls": None}, "tls", None),
        ("connection", {"tls": {}}, "tls", None),
        ("connection", {"host": "[198.51.100.7]"}, "reverse_name", ""),
        ("connection", {"resolveStatus": "temperror"}, "reverse_name", None),
        ("connection", {"helo": None}, "helo_name", None),
        ("connection", {"ip": "2001:db8:0::9"}, "client_address", "2001:db8::9"),
        ("envelope", {"from": ""}, "reverse_path", ""),
        ("envelope", {"from": "<>"}, "reverse_path", ""),
        ("envelope", {"from": None}, "reverse_path", None),
        ("envelope", {"rcpts": []}, "forward_path", None),
        ("envelope", {"rcpts": None}, "forward_path", None),
        ("msg", {"sizeBytes": "1"}, "message_bytes", None),
        ("msg", {"sizeBytes": True}, "message_bytes", None),
        ("filter", {"actions": [1, {"isFinal": True}]}, "reply", "accept"),
    ],
)
def test_what_is_missing(part: str, differs: dict[str, Any], field: str, expected: object) -> None:
    attempts, _ = read(_line(**{part: differs}), "proofpoint")
    assert getattr(attempts[0], field) == expected


@pytest.mark.parametrize(
    "line",
    [
        "x",
        "{}",
        "[]",
        "1",
        "null",
        '{"ts":1}',
        '{"connection":{"ip":1},"ts":"2026-03-02T05:00:15Z"}',
        '{"a":' * 50_000,
        _line(ts="2026-02-30T05:00:15Z"),
        _line(connection={"ip": "198.51.100"}),
    ],
    ids=range(10),
)
def test_what_is_not_understood_is_named(line: str) -> None:
    attempts, tally = read(line + "\n", "proofpoint")
    assert attempts == []
    assert (tally.not_understood, tally.problems[0].line) == (1, 1)


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["ip", "tls", "inbound", "actions", "rcpts"]), inner, max_size=3)
    ),
    max_leaves=8,
)


def test_a_line_without_anything() -> None:
    assert read("\n", "proofpoint")[1].skipped == 1


@given(st.dictionaries(st.sampled_from([*RECORD, "x"]), _ANY), st.binary(max_size=30), st.integers(0, 900))
def test_nothing_in_a_file_stops_it(differs: dict[str, Any], garbage: bytes, cut: int) -> None:
    lines = [json.dumps(RECORD | differs).encode(), garbage.replace(b"\n", b""), _line().encode()[:cut]]
    read(b"\n".join(lines) + b"\n", "proofpoint")
