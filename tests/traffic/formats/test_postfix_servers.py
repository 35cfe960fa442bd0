"""Postfix's log of several servers in one file, lines that stand for several, and what strangers write into answers."""

from __future__ import annotations

import pytest

from arrowslit.traffic.attempt import PERMITTED, REFUSED, REFUSED_OTHERWISE
from tests.traffic.reading import read, read_with_stops


def line(text: str, host: str = "mx1", program: str = "smtpd", pid: int = 91) -> str:
    return f"Mar  2 05:00:15 {host} postfix/{program}[{pid}]: {text}\n"


def refusal(client: str, reason: str, to: str = "v@elsewhere.example") -> str:
    return f"NOQUEUE: reject: RCPT from unknown[{client}]: {reason}; from=<> to=<{to}> proto=ESMTP helo=<w>"


DENIED = "554 5.7.1 <v@elsewhere.example>: Relay access denied"


def test_two_servers_may_have_the_same_process_id_and_queue_id() -> None:
    text = (
        line("connect from a.example[198.51.100.1]")
        + line("connect from b.example[198.51.100.2]", "mx2")
        + line("4F2A1: client=a.example[198.51.100.1], sasl_method=PLAIN, sasl_username=ann")
        + line("4F2A1: client=b.example[198.51.100.2]", "mx2")
        + line("4F2A1: from=<a@a.example>, size=1, nrcpt=1 (queue active)", program="qmgr")
        + line("4F2A1: from=<b@b.example>, size=2, nrcpt=1 (queue active)", "mx2", "qmgr")
        + line("disconnect from a.example[198.51.100.1] ehlo=2 starttls=1 auth=1 commands=4")
        + line("disconnect from b.example[198.51.100.2] ehlo=1 mail=1 commands=2", "mx2")
        + line("4F2A1: to=<two@example.org>, relay=local, delay=1, status=sent (ok)", "mx2", "local")
        + line("4F2A1: to=<one@example.org>, relay=local, delay=1, status=sent (ok)", program="local")
        + line("4F2A1: removed", program="qmgr")
        + line("4F2A1: removed", "mx2", "qmgr")
    )
    found, tally = read(text)
    assert [
        (one.id, one.client_address, one.authenticated_as, one.tls, one.reverse_path, one.forward_path) for one in found
    ] == [
        ("4F2A1", "198.51.100.1", "ann", True, "a@a.example", "one@example.org"),
        ("4F2A1", "198.51.100.2", "", False, "b@b.example", "two@example.org"),
    ]
    assert tally.used == 12
    assert read_with_stops(text.rstrip("\n"), "syslog") == found


def test_a_refusal_knows_nothing_of_another_client_of_the_same_process() -> None:
    text = (
        line("connect from a.example[198.51.100.1]")
        + line("4F2A1: client=a.example[198.51.100.1], sasl_method=PLAIN, sasl_username=ann")
        + line(refusal("203.0.113.9", DENIED))
    )
    one = next(one for one in read(text)[0] if one.told == REFUSED)
    assert (one.client_address, one.authenticated_as, one.tls) == ("203.0.113.9", None, None)


@pytest.mark.parametrize(
    ("client", "end", "expected"),
    [
        # He may have signed in only after he was refused: that is not told.
        ("sasl_method=PLAIN, sasl_username=ann", "auth=1", None),
        ("", "auth=1", ""),
        ("", "rcpt=1", ""),
    ],
)
def test_who_signed_in_after_a_refusal_was_not_refused_as_such(client: str, end: str, expected: str | None) -> None:
    text = (
        line("connect from a.example[198.51.100.1]")
        + line(refusal("198.51.100.1", DENIED))
        + line(f"4F2A1: client=a.example[198.51.100.1]{', ' if client else ''}{client}")
        + line(f"disconnect from a.example[198.51.100.1] ehlo=1 {end} commands=4")
    )
    one = next(one for one in read(text)[0] if one.told == REFUSED)
    assert one.authenticated_as == expected


def test_a_refusal_after_signing_in_was_of_who_signed_in() -> None:
    text = (
        line("connect from a.example[198.51.100.1]")
        + line("4F2A1: client=a.example[198.51.100.1], sasl_method=PLAIN, sasl_username=ann")
        + line(refusal("198.51.100.1", DENIED).replace("NOQUEUE", "4F2A1"))
        + line("disconnect from a.example[198.51.100.1] ehlo=1 auth=1 commands=4")
    )
    one = next(one for one in read(text)[0] if one.told == REFUSED)
    assert (one.authenticated_as, one.id, one.first) == ("ann", "4F2A1", False)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (DENIED, REFUSED),
        ("554 5.7.1 <unknown[203.0.113.9]>: Client host rejected: Access denied", REFUSED),
        ("530 5.7.0 Must issue a STARTTLS command first", REFUSED),
        ('550 5.1.1 <"access denied"@example.org>: Recipient address rejected: User unknown', REFUSED_OTHERWISE),
        (
            '550 5.1.1 <"x>: Relay access denied"@example.org>: Recipient address rejected: User unknown',
            REFUSED_OTHERWISE,
        ),
        ("504 5.5.2 <relaying denied>: Helo command rejected: need fully-qualified hostname", REFUSED_OTHERWISE),
    ],
)
def test_what_the_client_wrote_is_no_reason(answer: str, told: str) -> None:
    (one,) = read(line(refusal("203.0.113.9", answer, "x@example.org")))[0]
    assert one.told == told


@pytest.mark.parametrize("inside", [True, False])
def test_a_line_that_stands_for_several_refusals(*, inside: bool) -> None:
    text = line(refusal("203.0.113.9", DENIED)) + line(f"message repeated 3 times: [ {refusal('203.0.113.9', DENIED)}]")
    if inside:
        text = (
            line("connect from unknown[203.0.113.9]")
            + text
            + line("disconnect from unknown[203.0.113.9] ehlo=1 mail=1 rcpt=0/4 commands=2/6")
        )
    found, tally = read(text)
    assert [(one.told, one.repeats, one.forward_path) for one in found] == [
        (REFUSED, 1, "v@elsewhere.example"),
        (REFUSED, 3, "v@elsewhere.example"),
    ]
    assert (tally.not_understood, tally.skipped) == (0, 0)
    assert read_with_stops(text.rstrip("\n"), "syslog") == found


def test_lines_of_messages_and_sessions_do_not_count_more_than_once() -> None:
    text = (
        line("connect from a.example[198.51.100.1]")
        + line("4F2A1: client=a.example[198.51.100.1]")
        + line(
            "message repeated 2 times: [ 4F2A1: to=<one@example.org>, relay=local, delay=1, status=sent (ok)]",
            "mx1",
            "local",
        )
        + line("message repeated 9 times: [ disconnect from a.example[198.51.100.1] ehlo=1 commands=4]")
        + line("4F2A1: removed", program="qmgr")
        + line("message repeated 2 times: [ 4F2A1: removed]", program="qmgr")
        + line("message repeated many times: [ 4F2A1: removed]")
    )
    found, tally = read(text)
    assert [(one.told, one.repeats, one.forward_path) for one in found] == [(PERMITTED, 1, "one@example.org")]
    assert (tally.used, tally.skipped) == (5, 2)


def test_a_message_to_very_many_is_read_in_a_straight_line() -> None:
    """A list to which each recipient is compared with all before would take minutes."""
    text = (
        line("4F2A1: client=a.example[198.51.100.1]")
        + "".join(
            line(f"4F2A1: to=<u{at}@example.org>, relay=x, delay=1, status=sent (ok)", program="smtp")
            for at in range(40_000)
        )
        + line("4F2A1: removed", program="qmgr")
    )
    found, _ = read(text)
    assert (len(found), sum(one.first for one in found)) == (40_000, 1)
