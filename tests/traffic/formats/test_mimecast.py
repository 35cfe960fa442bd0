"""Mimecast's rows, by hand in the shape of public samples of both versions of its API."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.traffic.attempt import Attempt
from tests.traffic.reading import at, read, read_with_stops

SECOND: dict[str, Any] = {
    "accountId": "C0A0",
    "action": "Rej",
    "aggregateId": "lf7B_1",
    "direction": "Inbound",
    "messageId": None,
    "processingId": "Ycqr",
    "recipients": "b@example.org",
    "rejectionCode": "550",
    "rejectionInfo": "Envelope blocked - User Entry",
    "rejectionType": "Manual Envelope Rejection",
    "senderEnvelope": "a@example.net",
    "senderIp": "198.51.100.7",
    "subject": "x",
    "subtype": "Rej",
    "timestamp": 1772427615500,
    "tlsVersion": "TLSv1.3",
    "type": "receipt",
}
FIRST: dict[str, Any] = {
    "Act": "Acc",
    "Dir": "Inbound",
    "IP": "203.0.113.9",
    "MsgId": "<m@example.net>",
    "Rcpt": "c@example.org",
    "Sender": "<>",
    "SpamScore": 1,
    "Subject": "x",
    "aCode": "7O7I",
    "acc": "C0A0",
    "datetime": "2026-03-02T06:00:16+0100",
}
DELIVERY = {
    "acc": "C0A0",
    "aCode": "7O7I",
    "Delivered": True,
    "IP": "192.0.2.25",
    "Dir": "Inbound",
    "Rcpt": "c@example.org",
    "Sender": "<>",
    "datetime": "2026-03-02T06:00:17+0100",
    "Act": "Acc",
}
PROCESS = {"acc": "C0A0", "aCode": "7O7I", "Act": "Acc", "MsgSize": 2116, "datetime": "2026-03-02T06:00:16+0100"}
BARS = "datetime=2026-03-02T06:00:16+0100|aCode=7O7I|acc=C0A0|SpamLimit=0|IP=203.0.113.9|Dir=Inbound|MsgId=<m@example.net>|Subject={}|headerFrom=a@example.net|Sender=<>|Rcpt=c@example.org|SpamInfo=[]|Act=Acc|SpamScore=1"

REJECTED = Attempt(
    at("2026-03-02 05:00:15") + 0.5,
    "198.51.100.7",
    "refused-otherwise",
    "lf7B_1",
    service="Inbound",
    tls=True,
    reverse_path="a@example.net",
    forward_path="b@example.org",
    reply="550 Envelope blocked - User Entry",
)
TAKEN = Attempt(
    at("2026-03-02 05:00:16"),
    "203.0.113.9",
    "permitted",
    "7O7I",
    service="Inbound",
    reverse_path="",
    forward_path="c@example.org",
)


def _log(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)


def test_what_it_tells() -> None:
    log = _log(SECOND, FIRST, DELIVERY, PROCESS, SECOND | {"type": "delivery"}) + BARS.format("x") + "\n"
    attempts, tally = read(log)
    assert attempts == [REJECTED, TAKEN, TAKEN]
    assert (tally.used, tally.skipped, tally.not_understood) == (3, 3, 0)
    assert read_with_stops(log.rstrip("\n"), "mimecast") == attempts


def test_a_reply_of_the_api_has_many_rows() -> None:
    attempts, tally = read(json.dumps({"data": [FIRST, DELIVERY, SECOND], "type": "MTA"}), "mimecast")
    assert attempts == [TAKEN, REJECTED]
    assert tally.used == 1


@pytest.mark.parametrize(
    ("action", "kind", "told"),
    [
        ("Acc", None, "permitted"),
        ("Hld", None, "permitted"),
        ("Ign", None, "not-told"),
        (None, None, "not-told"),
        ("Rej", "IP Found in RBL", "refused-otherwise"),
        ("Rej", "Anti-Spoofing policy - Inbound not allowed", "refused"),
        ("Rej", "Relay not permitted", "refused"),
    ],
)
def test_actions(action: str | None, kind: str | None, told: str) -> None:
    row = SECOND | {"action": action, "rejectionType": kind, "rejectionInfo": None}
    assert [one.told for one in read(_log(row), "mimecast")[0]] == [told]


@pytest.mark.parametrize(
    ("differs", "field", "expected"),
    [
        ({"senderIp": None}, "client_address", None),
        ({"tlsVersion": None}, "tls", None),
        ({"senderEnvelope": None}, "reverse_path", None),
        ({"recipients": None}, "forward_path", None),
        ({"recipients": ["x"]}, "forward_path", None),
        ({"senderIp": "2001:db8:0::9"}, "client_address", "2001:db8::9"),
    ],
)
def test_what_is_missing(differs: dict[str, Any], field: str, expected: object) -> None:
    assert getattr(read(_log(SECOND | differs), "mimecast")[0][0], field) == expected


def test_bars_in_a_subject() -> None:
    """A stranger writes fields into his subject: what stands there twice is not told."""
    subject = "x|IP=192.0.2.1|Rcpt=v@elsewhere.example|Act=Rej|Sender=z@example.org"
    attempts, _ = read(BARS.format(subject), "mimecast")
    assert attempts == [TAKEN._replace(client_address=None, told="not-told", reverse_path=None, forward_path=None)]


@pytest.mark.parametrize(
    "line",
    [
        "x",
        "{}",
        "[1]",
        "null",
        '{"a":' * 50_000,
        _log(SECOND | {"timestamp": "x"}),
        _log(SECOND | {"timestamp": 10**30}),
        _log(FIRST | {"datetime": 1}),
        _log(FIRST | {"datetime": "2026-02-30T06:00:16+0100"}),
        _log(FIRST | {"IP": "x"}),
    ],
    ids=range(10),
)
def test_what_is_not_understood_is_named(line: str) -> None:
    attempts, tally = read(line.rstrip("\n") + "\n", "mimecast")
    assert attempts == []
    assert (tally.not_understood, tally.problems[0].line) == (1, 1)


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def test_a_line_without_anything() -> None:
    assert read("\n", "mimecast")[1].skipped == 1


@given(st.dictionaries(st.sampled_from([*SECOND, *FIRST, "data"]), _ANY), st.binary(max_size=30), st.integers(0, 400))
def test_nothing_in_a_file_stops_it(differs: dict[str, Any], garbage: bytes, cut: int) -> None:
    lines = [_log(SECOND | differs), _log(FIRST | differs), BARS.format("a|b")[:cut]]
    octets = [line.strip("\n").encode() for line in lines]
    read(b"\n".join([*octets, b"acc=|" + garbage.replace(b"\n", b"")]) + b"\n", "mimecast")
