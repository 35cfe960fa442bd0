"""Exim's log, line by line: every expected fact is written by hand from what Exim documents or printed."""

from __future__ import annotations

import time

import pytest
from hypothesis import given

from arrowslit.traffic.attempt import Attempt
from arrowslit.traffic.formats.exim_lines import delivered_to
from tests.traffic.broken_logs import broken, live_through
from tests.traffic.reading import at, read, read_with_stops

LOG = """\
2026-03-02 05:00:00 exim 4.96 daemon started: pid=71, -q30m, listening for SMTP on port 25 (IPv6 and IPv4)
2026-03-02 05:00:15 1smkL5-00000000e65-24eQ <= <> H=mx.example.net (helo.example.net) [198.51.100.7]:4711 I=[192.0.2.25]:587 P=esmtpsa X=TLS1.3:ECDHE_X25519__RSA:256 CV=no A=plain:ann S=603 id=a@b.example T="mail for you@evil.example" from <> for b@example.org c@example.org
2026-03-02 05:00:15 1smkL5-00000000e65-24eQ => b <b@example.org> R=local T=maildir
2026-03-02 05:00:15 1smkL5-00000000e65-24eQ => c <c@example.org> R=local T=maildir
2026-03-02 05:00:15 1smkL5-00000000e65-24eQ Completed
2026-03-02 05:00:16 1tKPp3-0001ab-Xy <= a@example.net H=mx.example.net [198.51.100.7] P=smtp S=410
2026-03-02 05:00:17 1tKPp3-0001ab-Xy => bob <info@example.org> R=local T=maildir
2026-03-02 05:00:17 1tKPp3-0001ab-Xy -> carl <info@example.org> R=local T=maildir
2026-03-02 05:00:18 1tKPp3-0001ab-Xy == x@elsewhere.example R=dnslookup T=remote_smtp defer (-44): SMTP error from remote mail server after RCPT TO:<y@evil.example>: 451 later
2026-03-02 05:00:19 1tKPp3-0001ab-Xy ** nobody@elsewhere.example R=dnslookup T=remote_smtp H=mx.elsewhere.example [192.0.2.9]: SMTP error <z@evil.example>: 550 no
2026-03-02 05:00:19 1tKPr0-0001ac-Ab <= <> R=1tKPp3-0001ab-Xy U=Debian-exim P=local S=2000
2026-03-02 05:00:19 1tKPr0-0001ac-Ab => a@example.net R=dnslookup T=remote_smtp H=mx.example.net [198.51.100.7] C="250 OK <f@evil.example>"
2026-03-02 05:00:19 1tKPr0-0001ac-Ab Completed
2026-03-02 05:00:20 1tKPp3-0001ab-Xy Completed
2026-03-02 05:00:25 H=(w) [203.0.113.9] F=<a@b.example> rejected RCPT <v@elsewhere.example>: relay not permitted
2026-03-02 05:00:26 H=(w) [203.0.113.9] F=<> rejected RCPT <no@example.org>: Unrouteable address
2026-03-02 05:00:27 H=[2001:db8::9] temporarily rejected MAIL <a@b.example>: greylisted, try again later
2026-03-02 05:00:28 H=[203.0.113.8] rejected connection in "connect" ACL: go away
2026-03-02 05:00:29 1tKPt0-0001ad-Cd H=(w) [203.0.113.9] X=TLS1.2:ECDHE:128 CV=no F=<a@b.example> rejected after DATA: This message scored 12.0 spam points.
2026-03-02 05:00:30 refused connection from [203.0.113.7] (host_reject_connection)
2026-03-02 05:00:31 Connection from [203.0.113.6] refused: too many connections from that IP address
2026-03-02 05:00:32 H=(w) [203.0.113.5] F=<a@b.example> rejected RCPT <bare@example.org>
2026-03-02 05:00:33 no MAIL in SMTP connection from (x) [203.0.113.9] D=0s C=EHLO,QUIT
"""


def _taken(second: int, key: str, path: str, **more: object) -> Attempt:
    made = Attempt(at(f"2026-03-02 05:00:{second}"), "198.51.100.7", "permitted", key, forward_path=path)
    return made._replace(client_name="mx.example.net", reverse_name="mx.example.net", **more)  # type: ignore[arg-type]


FIRST = {
    "service": ":587",
    "helo_name": "helo.example.net",
    "tls": True,
    "authenticated_as": "ann",
    "reverse_path": "",
    "message_bytes": 603,
}
# No parentheses: the HELO name may have been that name, or an address, or none.
SECOND = {"tls": False, "authenticated_as": "", "reverse_path": "a@example.net", "message_bytes": 410}
EXPECTED = [
    _taken(15, "1smkL5-00000000e65-24eQ", "b@example.org", **FIRST),
    _taken(15, "1smkL5-00000000e65-24eQ", "c@example.org", first=False, **FIRST),
    _taken(16, "1tKPp3-0001ab-Xy", "info@example.org", **SECOND),
    _taken(16, "1tKPp3-0001ab-Xy", "x@elsewhere.example", first=False, **SECOND),
    _taken(16, "1tKPp3-0001ab-Xy", "nobody@elsewhere.example", first=False, **SECOND),
    Attempt(
        at("2026-03-02 05:00:25"),
        "203.0.113.9",
        "refused",
        helo_name="w",
        tls=False,
        authenticated_as="",
        reverse_path="a@b.example",
        forward_path="v@elsewhere.example",
        reply="RCPT <v@elsewhere.example>: relay not permitted",
    ),
    Attempt(
        at("2026-03-02 05:00:26"),
        "203.0.113.9",
        "refused-otherwise",
        helo_name="w",
        tls=False,
        authenticated_as="",
        reverse_path="",
        forward_path="no@example.org",
        reply="RCPT <no@example.org>: Unrouteable address",
    ),
    Attempt(
        at("2026-03-02 05:00:27"),
        "2001:db8::9",
        "refused-otherwise",
        tls=False,
        reverse_path="a@b.example",
        reply="MAIL <a@b.example>: greylisted, try again later",
    ),
    Attempt(
        at("2026-03-02 05:00:28"),
        "203.0.113.8",
        "refused",
        tls=False,
        reply='connection in "connect" ACL: go away',
    ),
    Attempt(
        at("2026-03-02 05:00:29"),
        "203.0.113.9",
        "refused-otherwise",
        "1tKPt0-0001ad-Cd",
        helo_name="w",
        tls=True,
        authenticated_as="",
        reverse_path="a@b.example",
        reply="after DATA: This message scored 12.0 spam points.",
    ),
    Attempt(
        at("2026-03-02 05:00:30"),
        "203.0.113.7",
        "refused",
        reply="refused connection from [203.0.113.7] (host_reject_connection)",
    ),
    Attempt(
        at("2026-03-02 05:00:31"),
        "203.0.113.6",
        "refused-otherwise",
        reply="Connection from [203.0.113.6] refused: too many connections from that IP address",
    ),
    # Without a word of why.
    Attempt(
        at("2026-03-02 05:00:32"),
        "203.0.113.5",
        "refused-unsaid",
        helo_name="w",
        tls=False,
        authenticated_as="",
        reverse_path="a@b.example",
        forward_path="bare@example.org",
        reply="RCPT <bare@example.org>",
    ),
]


def test_what_it_tells() -> None:
    attempts, tally = read(LOG)
    assert attempts == EXPECTED
    assert (tally.used, tally.skipped, tally.not_understood) == (18, 5, 0)


def test_it_can_be_stopped_after_each_line() -> None:
    assert read_with_stops(LOG.rstrip("\n"), "exim") == EXPECTED


def test_in_syslog_each_refusal_is_written_twice_and_long_lines_come_in_parts() -> None:
    log = """\
Mar  2 05:00:15 mx exim[7]: [1/2] 2026-03-02 05:00:15 1smkL5-00000000e65-24eQ <= a@example.net H=(h.example) [198.51.100.7] P=esmtp S=603 for b@exam
Mar  2 05:00:15 mx exim[9]: 2026-03-02 05:00:16 H=(w) [203.0.113.9] F=<> rejected RCPT <v@elsewhere.example>: relay not permitted
Mar  2 05:00:15 mx exim[7]: [2/2] ple.org c@example.org
Mar  2 05:00:15 mx exim[9]: 2026-03-02 05:00:16 H=(w) [203.0.113.9] F=<> rejected RCPT <v@elsewhere.example>: relay not permitted
Mar  2 05:00:15 mx exim[9]: [1\\3] 2026-03-02 05:00:17 1tKPt0-0001ad-Cd H=(w) [203.0.113.9] F=<> rejected after DATA: spam
Mar  2 05:00:15 mx exim[9]: [2\\3] Envelope-from: <>
Mar  2 05:00:15 mx exim[9]: [3\\3] Envelope-to: <v@example.org>
Mar  2 05:00:20 mx exim[8]: 1smkL5-00000000e65-24eQ Completed
"""
    attempts, tally = read(log)
    assert [(one.time, one.told, one.forward_path) for one in attempts] == [
        (at("2026-03-02 05:00:16"), "refused", "v@elsewhere.example"),
        (at("2026-03-02 05:00:17"), "refused-otherwise", None),
        (at("2026-03-02 05:00:15"), "permitted", "b@example.org"),
        (at("2026-03-02 05:00:15"), "permitted", "c@example.org"),
    ]
    assert tally.not_understood == 0


def test_headers_in_a_rejectlog_are_skipped() -> None:
    log = """\
2026-03-02 05:00:29 1tKPt0-0001ad-Cd H=(w) [203.0.113.9] F=<a@b.example> rejected after DATA: spam
Envelope-from: <a@b.example>
Envelope-to: <v@example.org>
P Received: from w by mx.example.org
\twith esmtp
  Subject: 2026-03-02 05:00:29 H=(w) [203.0.113.1] F=<> rejected RCPT <x@y.example>: relay not permitted
----------------------------------------
2026-03-02 05:00:30 H=(w) [203.0.113.9] F=<> rejected RCPT <v@elsewhere.example>: relay not permitted
"""
    attempts, tally = read(log)
    assert [one.client_address for one in attempts] == ["203.0.113.9", "203.0.113.9"]
    assert (tally.used, tally.skipped, tally.not_understood) == (2, 6, 0)


def one(line: str) -> Attempt:
    attempts, tally = read(line + "\n", "exim")
    assert tally.not_understood == 0
    assert len(attempts) == 1
    return attempts[0]


STAMP = "2026-03-02 05:00:15 "


@pytest.mark.parametrize(
    ("text", "client", "helo"),
    [
        (
            "H=mx.example.net (h) [198.51.100.7] F=<> rejected RCPT <v@w.example>: relay not permitted",
            "198.51.100.7",
            "h",
        ),
        # What a HELO name can be where helo_accept_junk_hosts lets everything in.
        ("H=(x) [192.0.2.1]) [198.51.100.7] F=<> rejected RCPT <v@w.example>: no", "198.51.100.7", "x) [192.0.2.1]"),
        (
            "H=(x) [192.0.2.1] F=<> rejected RCPT <b@w.example>: no) [198.51.100.7] F=<> rejected RCPT <v@w.example>: no",
            "198.51.100.7",
            "x) [192.0.2.1] F=<> rejected RCPT <b@w.example>: no",
        ),
        (
            "H=(x) [192.0.2.1] U=) [198.51.100.7] F=<> rejected RCPT <v@w.example>: no",
            "198.51.100.7",
            "x) [192.0.2.1] U=",
        ),
        # What a quoted reverse-path can be anywhere.
        (
            'H=(h) [198.51.100.7] F=<"x) [192.0.2.1] F=<a@b> rejected RCPT <b@w.example>: z"@s.example> rejected RCPT <v@w.example>: no',
            "198.51.100.7",
            "h",
        ),
    ],
)
def test_the_client_of_a_refusal_is_not_who_a_stranger_says(text: str, client: str, helo: str) -> None:
    found = one(STAMP + text)
    assert (found.client_address, found.helo_name, found.forward_path) == (client, helo, "v@w.example")


@pytest.mark.parametrize(
    "text",
    [
        # A HELO name and a Message-ID can look the same: so it is not told who it was.
        "<= a@b.example H=(x) [192.0.2.1] P=esmtp S=1 id=) [198.51.100.7] P=esmtp S=410",
        "<= a@b.example H=(h) [198.51.100.7] P=esmtp S=410 id=x) [192.0.2.1] P=esmtp",
    ],
)
def test_where_two_could_be_the_client_none_is(text: str) -> None:
    found = one(f"{STAMP}1tKPp3-0001ab-Xy {text}")
    assert (found.client_address, found.helo_name, found.tls, found.authenticated_as) == (None, None, None, None)
    assert found.reverse_path == "a@b.example"


def test_recipients_that_a_message_id_makes_up_give_way_to_the_deliveries() -> None:
    attempts, _ = read(
        f"{STAMP}1tKPp3-0001ab-Xy <= a@b.example H=(h) [198.51.100.7] P=esmtp S=410 id=x for evil@w.example\n"
        f"{STAMP}1tKPp3-0001ab-Xy => bob <bob@example.org> R=local T=maildir\n"
        f"{STAMP}1tKPp3-0001ab-Xy Completed\n"
    )
    assert [one.forward_path for one in attempts] == ["bob@example.org"]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("bob <info@example.org> R=local T=maildir", "info@example.org"),
        ('x@elsewhere.example R=smart T=smtp H=mx [192.0.2.9] C="250 <f@evil.example>"', "x@elsewhere.example"),
        ("nobody@example.org: Unrouteable address", "nobody@example.org"),
        (":blackhole: <x@example.org> R=nowhere", "x@example.org"),
        ("/dev/null <x@example.org> R=nowhere T=**bypassed**", "x@example.org"),
        ("|/usr/bin/procmail -d bob <x@example.org> R=pipe T=address_pipe", "x@example.org"),
        ('a <b@c> d@example.org <"a <b@c> d"@example.org>: Unrouteable address', '"a <b@c> d"@example.org'),
        ('b@c <b@c> R=z@example.org <"b@c <b@c> R=z"@example.org>: Unrouteable', '"b@c <b@c> R=z"@example.org'),
        ('a b <"a b"@example.org> R=local T=maildir', '"a b"@example.org'),
        ("bob R=local T=maildir", None),
        ("", None),
    ],
)
def test_the_recipient_of_a_delivery(text: str, path: str | None) -> None:
    assert delivered_to(text) == path


@given(broken(LOG))
def test_a_broken_log(lines: list[bytes]) -> None:
    live_through("exim", lines)


@pytest.mark.parametrize(
    "text",
    [
        "H=(" + ") [192.0.2.1] F=<" * 20_000,
        "H=(x) [192.0.2.1] F=<" + '"' * 100_000,
        "1tKPp3-0001ab-Xy <= a@b H=(x) [192.0.2.1] P=esmtp " + " for a@b" * 50_000 + '"',
        '1tKPp3-0001ab-Xy => x <"' + ' <"' * 50_000,
        "H=" + "[192.0.2.1] " * 20_000 + "rejected",
    ],
)
def test_a_long_line_takes_no_long_time(text: str) -> None:
    begin = time.monotonic()
    read(f"{STAMP}1tKPp3-0001ab-Xy <= a@b H=[192.0.2.1] P=smtp\n{STAMP}{text}\n", "exim")
    assert time.monotonic() - begin < 1
