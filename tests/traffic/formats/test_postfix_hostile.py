"""What strangers can write into Postfix's log, and logs that are broken: the samples are what Postfix 3.7 printed."""

from __future__ import annotations

import time

import pytest
from hypothesis import given

from tests.traffic.broken_logs import broken, live_through
from tests.traffic.formats.test_postfix import LOG
from tests.traffic.reading import read

HEAD = "Mar  2 05:01:01 mx postfix/smtpd[93]: NOQUEUE: reject: RCPT from unknown[203.0.113.9]: "


@pytest.mark.parametrize(
    ("text", "reverse", "to", "helo"),
    [
        (
            '554 5.7.1 <v@w.example>: Relay access denied; from=<"a> to=<q@example.test"@s.example> to=<v@w.example> proto=ESMTP helo=<h>',
            '"a> to=<q@example.test"@s.example',
            "v@w.example",
            "h",
        ),
        (
            '554 5.7.1 <"q> proto=ESMTP helo=<z"@w.example>: Relay access denied; from=<> to=<"q> proto=ESMTP helo=<z"@w.example> proto=ESMTP helo=<h>',
            "",
            '"q> proto=ESMTP helo=<z"@w.example',
            "h",
        ),
        (
            '554 5.7.1 <"; from=<x@y> to=<b@c> proto=SMTP helo=<f"@w.example>: Relay access denied; from=<> to=<"; from=<x@y> to=<b@c> proto=SMTP helo=<f"@w.example> proto=ESMTP helo=<h>',
            "",
            '"; from=<x@y> to=<b@c> proto=SMTP helo=<f"@w.example',
            "h",
        ),
        # Postfix puts ? for what can't be in a name: then it is not told.
        (
            "554 5.7.1 <v@w.example>: Relay access denied; from=<> to=<v@w.example> proto=ESMTP helo=<helo=?y??from=?z?x.example?>",
            "",
            "v@w.example",
            None,
        ),
    ],
)
def test_fields_are_not_what_a_stranger_says(text: str, reverse: str, to: str, helo: str | None) -> None:
    [attempt], tally = read(HEAD + text + "\n", "syslog")
    assert (attempt.reverse_path, attempt.forward_path, attempt.helo_name) == (reverse, to, helo)
    assert (attempt.told, attempt.client_address) == ("refused", "203.0.113.9")
    assert tally.not_understood == 0


def test_why_is_not_what_a_stranger_says() -> None:
    path = '"relay access denied"@example.org'
    text = f"450 4.1.1 <{path}>: Recipient address rejected: Greylisted; from=<> to=<{path}> proto=ESMTP helo=<h>"
    [attempt], _ = read(HEAD + text + "\n", "syslog")
    assert (attempt.told, attempt.forward_path) == ("refused-otherwise", path)


def test_a_quoted_recipient_of_a_delivery() -> None:
    attempts, _ = read("""\
Mar  2 05:00:16 mx postfix/smtpd[91]: 4F2A1B2C3D: client=mx.example.net[198.51.100.7]
Mar  2 05:00:18 mx postfix/local[95]: 4F2A1B2C3D: to=<"a>, orig_to=<x@y.example>, relay=z"@example.org>, relay=local, delay=0.1, status=sent
""")
    assert [one.forward_path for one in attempts] == ['"a>, orig_to=<x@y.example>, relay=z"@example.org']


def test_a_failed_sign_in_is_none() -> None:
    attempts, _ = read(f"""\
Mar  2 05:01:00 mx postfix/smtpd[93]: connect from unknown[203.0.113.9]
{HEAD}554 5.7.1 <v@w.example>: Relay access denied; from=<> to=<v@w.example> proto=ESMTP helo=<h>
Mar  2 05:01:03 mx postfix/smtpd[93]: disconnect from unknown[203.0.113.9] ehlo=1 auth=0/1 mail=1 rcpt=0/1 quit=1 commands=3/5
""")
    assert [one.authenticated_as for one in attempts] == [""]


@given(broken(LOG))
def test_a_broken_log(lines: list[bytes]) -> None:
    live_through("syslog", lines)


@pytest.mark.parametrize(
    "text", ["; from=<" * 20_000, '; from=<"' * 20_000, "<" * 100_000, "; proto=ESMTP sasl_a=" * 9_000]
)
def test_a_long_line_takes_no_long_time(text: str) -> None:
    begin = time.monotonic()
    read(HEAD + text + "\n", "syslog")
    assert time.monotonic() - begin < 1
