"""OpenSMTPD's log, line by line: every expected fact is written by hand from what OpenSMTPD documents or printed."""

from __future__ import annotations

import time

import pytest
from hypothesis import given

from arrowslit.traffic.attempt import Attempt
from tests.traffic.broken_logs import broken, live_through
from tests.traffic.reading import REFERENCE, at, read, read_with_stops

RAW = """\
info: OpenSMTPD 6.8.0p2 starting
a1b2c3d4e5f60718 smtp connected address=198.51.100.7 host=mx.example.net
a1b2c3d4e5f60718 smtp tls ciphers=TLSv1.3:TLS_AES_256_GCM_SHA384:256
a1b2c3d4e5f60718 smtp authentication user=eve result=ok result=permfail
a1b2c3d4e5f60718 smtp authentication user=ann result=ok
a1b2c3d4e5f60718 smtp message msgid=bb3cf2d4 size=363 nrcpt=2 proto=ESMTP
a1b2c3d4e5f60718 smtp envelope evpid=bb3cf2d4953bf5d3 from=<> to=<bob@example.org>
a1b2c3d4e5f60718 smtp envelope evpid=bb3cf2d4953bf5d4 from=<> to=<carl@example.org>
a1b2c3d4e5f60719 smtp connected address=[2001:db8::9] host=<unknown>
a1b2c3d4e5f60719 smtp failed-command command="EHLO w) [192.0.2.1]" result="501 5.5.4 Invalid command arguments: Invalid domain name"
a1b2c3d4e5f60719 smtp failed-command command="AUTH PLAIN AGFubgB3b3Jk" result="503 5.5.1 Invalid command: Command not supported"
a1b2c3d4e5f60719 smtp failed-command command="RCPT TO:<v@elsewhere.example>" result="550 Invalid recipient: <v@elsewhere.example>"
a1b2c3d4e5f60719 smtp failed-command command="rcpt to: <no@example.org> NOTIFY=NEVER" result="524 5.2.4 Mailing list expansion problem: <no@example.org>"
a1b2c3d4e5f60719 smtp failed-command command="MAIL FROM:<a@b.example>" result="530 5.5.1 Invalid command: Must issue an AUTH command first"
a1b2c3d4e5f60719 smtp failed-command command="RCPT TO:<"x" result="250 ok"@y.example>" result="550 Invalid recipient"
a1b2c3d4e5f60718 smtp disconnected reason=quit
a1b2c3d4e5f60719 smtp disconnected reason=quit
a1b2c3d4e5f60720 smtp connected address=local host=mx
a1b2c3d4e5f60720 smtp envelope evpid=bb3cf2d5953bf5d3 from=<root@mx> to=<bob@example.org>
a1b2c3d4e5f60720 smtp disconnected reason=quit
a1b2c3d4e5f60721 mda delivery evpid=bb3cf2d4953bf5d3 from=<> to=<bob@example.org> rcpt=<-> user=bob delay=0s result=Ok stat=Delivered
smtp-out: Disabling route [] <-> 192.0.2.9 (mx) for 15s
"""
SYSLOG = "".join(f"Mar  2 05:00:15 mx smtpd[91]: {line}\n" for line in RAW.splitlines())


def expected(when: float) -> list[Attempt]:
    taken = Attempt(
        when,
        "198.51.100.7",
        "permitted",
        "bb3cf2d4",
        reverse_name="mx.example.net",
        tls=True,
        authenticated_as="ann",
        reverse_path="",
        forward_path="bob@example.org",
        message_bytes=363,
    )
    refused = Attempt(when, "2001:db8::9", "refused-unsaid", "a1b2c3d4e5f60719", tls=False, authenticated_as="")
    return [
        taken,
        taken._replace(first=False, forward_path="carl@example.org"),
        # Relaying that is not permitted, or an unknown mailbox.
        refused._replace(forward_path="v@elsewhere.example", reply="550 Invalid recipient: <v@elsewhere.example>"),
        refused._replace(
            told="refused-otherwise",
            forward_path="no@example.org",
            reply="524 5.2.4 Mailing list expansion problem: <no@example.org>",
        ),
        refused._replace(
            told="refused",
            reverse_path="a@b.example",
            reply="530 5.5.1 Invalid command: Must issue an AUTH command first",
        ),
        # Where the command ends can't be told.
        refused,
    ]


def test_what_it_tells_in_syslog() -> None:
    attempts, tally = read(SYSLOG)
    assert attempts == expected(at("2026-03-02 05:00:15"))
    assert (tally.used, tally.skipped, tally.not_understood) == (15, 7, 0)


def test_what_it_tells_without_a_frame() -> None:
    attempts, tally = read(RAW)
    assert attempts == expected(REFERENCE)
    assert (tally.used, tally.skipped, tally.not_understood) == (15, 7, 0)
    assert [one.says for one in tally.problems] == [
        "the lines of this file bear no time: that of the file is taken for all; give the log of syslog"
    ]


def test_it_can_be_stopped_after_each_line() -> None:
    assert read_with_stops(RAW.rstrip("\n"), "opensmtpd") == expected(REFERENCE)
    assert read_with_stops(SYSLOG.rstrip("\n"), "syslog") == expected(at("2026-03-02 05:00:15"))


def test_what_signs_in_is_not_taken() -> None:
    attempts, _ = read(SYSLOG)
    assert not any("AGFubgB3b3Jk" in str(one) for one in attempts)


@given(broken(RAW))
def test_a_broken_log(lines: list[bytes]) -> None:
    live_through("opensmtpd", lines)


@given(broken(SYSLOG))
def test_a_broken_log_in_syslog(lines: list[bytes]) -> None:
    live_through("syslog", lines)


@pytest.mark.parametrize("text", ['" result="' * 50_000, '<"' * 50_000, "<" * 100_000, "RCPT TO:" * 20_000])
def test_a_long_line_takes_no_long_time(text: str) -> None:
    begin = time.monotonic()
    head = "a1b2c3d4e5f60719 smtp connected address=203.0.113.9 host=<unknown>\n"
    read(f'{head}a1b2c3d4e5f60719 smtp failed-command command="RCPT TO:<{text}" result="550 x', "opensmtpd")
    read(f'{head}a1b2c3d4e5f60719 smtp failed-command command="RCPT TO:<{text}" result="550 x"', "opensmtpd")
    assert time.monotonic() - begin < 1
