"""The frame of syslog in the shapes that files have it, each written by hand; and what is none."""

from __future__ import annotations

import datetime
import json
import time as clock_of_this_test
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.traffic.stamps import Clock
from arrowslit.traffic.syslog import Entry, parse, parse_carefully
from tests.traffic.reading import REFERENCE, at

CLOCK = Clock(REFERENCE, datetime.UTC)
TIME = at("2026-03-02 05:00:15")
HELLO = "connect from mx.example.net[198.51.100.7]"


@pytest.mark.parametrize(
    ("line", "host", "time"),
    [
        (f"Mar  2 05:00:15 mx postfix/smtpd[91]: {HELLO}", "mx", TIME),
        (f"Mar 02 05:00:15 mx postfix/smtpd[91]: {HELLO}", "mx", TIME),
        (f"Mar 02 05:00:15.123456 mx postfix/smtpd[91]: {HELLO}", "mx", TIME),
        (f"Mär 02 05:00:15 mx postfix/smtpd[91]: {HELLO}", "mx", TIME),
        (f"mrt  2 05:00:15 mx postfix/smtpd[91]: {HELLO}", "mx", TIME),
        (f"Mar  2 05:00:15 mx.example.org postfix/smtpd[91]: {HELLO}", "mx.example.org", TIME),
        (f"Mar  2 05:00:15 2001:db8::25 postfix/smtpd[91]: {HELLO}", "2001:db8::25", TIME),
        (f"Mar  2 05:00:15 192.0.2.25 postfix/smtpd[91]: {HELLO}", "192.0.2.25", TIME),
        (f"Mar  2 05:00:15 postfix/smtpd[91]: {HELLO}", "", TIME),
        (f"Mar  2 05:00:15 <mail.info> mx postfix/smtpd[91]: {HELLO}", "mx", TIME),
        (f"Mar  2 05:00:15 mx <mail.info> postfix/smtpd[91]: {HELLO}", "mx", TIME),
        (f"Mar  2 05:00:15 mx mail.info postfix/smtpd[91]: {HELLO}", "mx", TIME),
        (f"Mar  2 05:00:15 mail.info postfix/smtpd[91]: {HELLO}", "", TIME),
        (f"<22>Mar  2 05:00:15 mx postfix/smtpd[91]: {HELLO}", "mx", TIME),
        (f"<mail.info> Mar  2 05:00:15 mx postfix/smtpd[91]: {HELLO}", "mx", TIME),
        (f"2026-03-02T05:00:15+00:00 mx postfix/smtpd[91]: {HELLO}", "mx", TIME),
        (f"2026-03-02T06:00:15.204+01:00 mx postfix/smtpd[91]: {HELLO}", "mx", TIME + 0.204),
        (f"2026-03-02T06:00:15.204918+0100 mx postfix/smtpd[91]: {HELLO}", "mx", TIME + 0.204918),
        (f"2026-03-01T23:30:15-0530 mx postfix/smtpd[91]: {HELLO}", "mx", TIME),
        (f"2026-03-02 05:00:15,204 mx postfix/smtpd[91]: {HELLO}", "mx", TIME + 0.204),
        (f"2026-03-02 05:00:15 mx postfix/smtpd[91]: {HELLO}", "mx", TIME),
        (f"2026-03-02T05:00:15.204Z postfix/smtpd[91]: {HELLO}", "", TIME + 0.204),
        (f"<22>1 2026-03-02T05:00:15.204Z mx postfix/smtpd 91 - - {HELLO}", "mx", TIME + 0.204),
        (f'<22>1 2026-03-02T05:00:15Z mx postfix/smtpd 91 ID4 [a@1 b="c\\"] d"][e@1] {HELLO}', "mx", TIME),
        (f"<22>1 2026-03-02T05:00:15Z - postfix/smtpd 91 - - \ufeff{HELLO}", "", TIME),
        (f"postfix-mailcow_1  | Mar  2 05:00:15 mx postfix/smtpd[91]: {HELLO}", "mx", TIME),
        (f"\x1b[36mpostfix-1  |\x1b[0m Mar  2 05:00:15 mx postfix/smtpd[91]: {HELLO}", "mx", TIME),
        (f"mail.1 | 2026-03-02T06:00:15+01:00 mx postfix/smtpd[91]: {HELLO}", "mx", TIME),
        (f"2026-03-02T05:00:15.204918333Z Mar  2 09:00:15 mx postfix/smtpd[91]: {HELLO}", "mx", TIME + 0.204918333),
        (f"postfix-1  | 2026-03-02T05:00:15Z Mar  2 09:00:15 mx postfix/smtpd[91]: {HELLO}", "mx", TIME),
        (f"postfix/smtpd[91]: {HELLO}", "", None),
        (f"postfix-mailcow_1  | postfix/smtpd[91]: {HELLO}", "", None),
    ],
)
def test_shapes(line: str, host: str, time: float | None) -> None:
    found = parse(line, CLOCK)
    assert found == Entry(pytest.approx(time, abs=1e-6), host, "postfix/smtpd", "91", HELLO)


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        ("Mar  2 05:00:15 fw kernel: [UFW BLOCK] IN=eth0", Entry(TIME, "fw", "kernel", "", "[UFW BLOCK] IN=eth0")),
        ("Mar  2 05:00:15 kernel: usb 1-1: new device", Entry(TIME, "", "kernel", "", "usb 1-1: new device")),
        ("Mar  2 05:00:15 fw kernel:", Entry(TIME, "fw", "kernel", "", "")),
        ("Mar  2 05:00:15 cafe: x: y", Entry(TIME, "", "cafe", "", "x: y")),
        ("Mar  2 05:00:15 mx a/b/c[1]: 2026-03-02: z[2]: w", Entry(TIME, "mx", "a/b/c", "1", "2026-03-02: z[2]: w")),
        (
            "2026-03-02T05:00:15Z mx web[7]: Mar  3 09:00:15 mx postfix/smtpd[91]: forged",
            Entry(TIME, "mx", "web", "7", "Mar  3 09:00:15 mx postfix/smtpd[91]: forged"),
        ),
    ],
)
def test_the_first_that_has_the_shape_is_the_frame(line: str, entry: Entry) -> None:
    assert parse(line, CLOCK) == entry


@pytest.mark.parametrize(
    "line",
    [
        "",
        " ",
        "-- Journal begins at Mon 2026-03-02 05:00:15 UTC. --",
        "Mar  2 05:00:15 mx last message repeated 3 times",
        "Mar 32 05:00:15 mx postfix/smtpd[91]: x",
        "Foo  2 05:00:15 mx postfix/smtpd[91]: x",
        "Mar  2 25:00:15 mx postfix/smtpd[91]: x",
        "Mar  2 05:00:61 mx postfix/smtpd[91]: x",
        "2026-02-29T05:00:15Z mx postfix/smtpd[91]: x",
        "2026-03-02T05:00:15+99:99 mx postfix/smtpd[91]: x",
        "0000-03-02T05:00:15Z mx postfix/smtpd[91]: x",
        "<22>1 2026-13-02T05:00:15Z mx postfix/smtpd 91 - - x",
        "\u0663\u0663\u0663\u0663-\u0660\u0663-\u0660\u0662T05:00:15Z mx postfix/smtpd[91]: x",
        "postfix/smtpd: no process id, and no time",
    ],
)
def test_what_is_no_frame(line: str) -> None:
    assert parse(line, CLOCK) is None


# --- the journal ------------------------------------------------------------------------------------------------------

JOURNAL: dict[str, Any] = {
    "__REALTIME_TIMESTAMP": "1772427615204918",
    "_HOSTNAME": "mx",
    "SYSLOG_IDENTIFIER": "postfix/smtpd",
    "SYSLOG_PID": "91",
    "_PID": "1",
    "_COMM": "smtpd",
    "MESSAGE": HELLO,
}
IN_JOURNAL = TIME + 0.204918


@pytest.mark.parametrize(
    ("differs", "entry"),
    [
        ({}, Entry(IN_JOURNAL, "mx", "postfix/smtpd", "91", HELLO)),
        ({"MESSAGE": list(b"helo=<\xc3\xa4>")}, Entry(IN_JOURNAL, "mx", "postfix/smtpd", "91", "helo=<ä>")),
        ({"MESSAGE": list(b"helo=<\xe4\x80>")}, Entry(IN_JOURNAL, "mx", "postfix/smtpd", "91", "helo=<ä€>")),
        ({"MESSAGE": list(b"\xff\x81")}, Entry(IN_JOURNAL, "mx", "postfix/smtpd", "91", "ÿ\x81")),
        ({"MESSAGE": [HELLO, "second"]}, Entry(IN_JOURNAL, "mx", "postfix/smtpd", "91", HELLO)),
        ({"MESSAGE": [list(b"a"), list(b"b")]}, Entry(IN_JOURNAL, "mx", "postfix/smtpd", "91", "a")),
        ({"MESSAGE": None}, Entry(IN_JOURNAL, "mx", "postfix/smtpd", "91", "")),
        ({"MESSAGE": [256]}, Entry(IN_JOURNAL, "mx", "postfix/smtpd", "91", "")),
        ({"MESSAGE": [True, -1, 2.5, "x"]}, Entry(IN_JOURNAL, "mx", "postfix/smtpd", "91", "")),
        ({"MESSAGE": {"a": 1}}, Entry(IN_JOURNAL, "mx", "postfix/smtpd", "91", "")),
        ({"MESSAGE": "two\nlines"}, Entry(IN_JOURNAL, "mx", "postfix/smtpd", "91", "two\nlines")),
        ({"SYSLOG_PID": None}, Entry(IN_JOURNAL, "mx", "postfix/smtpd", "1", HELLO)),
        ({"SYSLOG_IDENTIFIER": ""}, Entry(IN_JOURNAL, "mx", "smtpd", "91", HELLO)),
        ({"__REALTIME_TIMESTAMP": 1772427615204918}, Entry(IN_JOURNAL, "mx", "postfix/smtpd", "91", HELLO)),
    ],
)
def test_the_journal(differs: dict[str, Any], entry: Entry) -> None:
    assert entry.time is not None
    found = parse(json.dumps(JOURNAL | differs), CLOCK)
    assert found == entry._replace(time=pytest.approx(entry.time, abs=1e-6))


def test_a_journal_that_leaves_fields_out() -> None:
    assert parse('{"__REALTIME_TIMESTAMP":"1772427615000000"}', CLOCK) == Entry(TIME, "", "", "", "")


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "{}",
        "{]",
        '{"__REALTIME_TIMESTAMP":"x"}',
        '{"__REALTIME_TIMESTAMP":null}',
        '{"__REALTIME_TIMESTAMP":[1]}',
        '{"__REALTIME_TIMESTAMP":NaN}',
        '{"__REALTIME_TIMESTAMP":1e999}',
        '{"__REALTIME_TIMESTAMP":-1}',
        '{"__REALTIME_TIMESTAMP":"' + "9" * 400 + '"}',
        '{"__REALTIME_TIMESTAMP":' + "9" * 5000 + "}",
        '{"a":' * 100_000,
    ],
    ids=range(12),
)
def test_a_hostile_journal(line: str) -> None:
    assert parse(line, CLOCK) is None


# --- the JSON files of docker -----------------------------------------------------------------------------------------


def test_json_of_docker() -> None:
    wrapped = {"stream": "stdout", "time": "2026-03-02T05:00:15.204918333Z"}
    line = wrapped | {"log": f"Mar  2 09:00:15 mx postfix/smtpd[91]: {HELLO}\n"}
    assert parse(json.dumps(line), CLOCK) == Entry(
        pytest.approx(TIME + 0.204918, abs=1e-6), "mx", "postfix/smtpd", "91", HELLO
    )
    assert parse(json.dumps(wrapped | {"log": "no frame\n"}), CLOCK) is None
    assert parse(json.dumps(wrapped | {"log": '{"log":"x","time":"y"}'}), CLOCK) is None


# --- anything ---------------------------------------------------------------------------------------------------------

_PIECES = st.sampled_from(
    [
        "Mar  2 05:00:15",
        "2026-03-02T05:00:15Z",
        " mx ",
        " <mail.info> ",
        "postfix/smtpd[91]",
        ": ",
        "\x1b[0m",
        "a | ",
        "<22>1 ",
        "{",
        '"',
        "[",
        "]",
        "::",
        "-",
        "\ufeff",
        "\x00",
        "=",
        '{"log":"',
        "\n",
    ]
)


@given(st.lists(st.one_of(_PIECES, st.text(max_size=5)), max_size=20).map("".join))
def test_nothing_raises(line: str) -> None:
    found = parse(line, CLOCK)
    assert found is None or found.message in line or line.startswith("{") or "\x1b" in line


@pytest.mark.parametrize(
    "line",
    [
        "a" * 1_000_000,
        "Mar  2 05:00:15 " + "a" * 1_000_000,
        "Mar  2 05:00:15 " + "a:" * 500_000,
        "Mar  2 05:00:15 " + "[" * 1_000_000,
        "Mar  2 05:00:15 mx a[1" + "1" * 1_000_000,
        "a" + " " * 1_000_000,
        "\x1b[" + "1;" * 500_000,
        "<22>1 2026-03-02T05:00:15Z mx p 1 - " + '[a b="' + "\\" * 999_999,
        "<22>1 2026-03-02T05:00:15Z mx p 1 - " + '[a b="c"' * 100_000,
        "<22>1 2026-03-02T05:00:15Z mx p 1 - " + "[a]" * 300_000,
        "f" * 44 + ":" * 1_000_000,
    ],
    ids=range(11),
)
def test_a_long_line_costs_little(line: str) -> None:
    begun = clock_of_this_test.process_time()
    parse(line, CLOCK)
    assert clock_of_this_test.process_time() - begun < 0.5


_PARTS = st.sampled_from(
    [
        "Mar  2 05:00:15",
        "Feb 29 23:59:60",
        "Mar 32 05:00:15",
        "2026-03-02T05:00:15.204+01:00",
        "2026-03-02T05:00:15Z",
        "2026-13-02T05:00:15Z",
        "mx",
        "mail.info",
        "<mail.info>",
        "postfix/smtpd[91]:",
        "postfix/smtpd[9x]:",
        "kernel:",
        "a[b]c",
        "connect from x[192.0.2.1]",
        "\n",
        "",
    ]
)


@given(st.lists(_PARTS, max_size=6).map(" ".join))
def test_the_quick_way_reads_what_the_careful_way_reads(line: str) -> None:
    clock = Clock(REFERENCE, datetime.UTC)
    quick, careful = parse(line, clock), parse_carefully(line, Clock(REFERENCE, datetime.UTC))
    assert quick == careful
