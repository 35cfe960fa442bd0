"""hMailServer's log, written by hand in the shape of public samples; `|` stands for the tab."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.traffic.attempt import Attempt
from tests.traffic.reading import at, read, read_with_stops

DAY = "2026-03-02 05:00:"


def line(session: int, second: str, text: str, address: str = "198.51.100.7") -> str:
    return f'"SMTPD"\t900\t{session}\t"{DAY}{second}"\t"{address}"\t"{text}"\n'


LOG = "".join(
    [
        '"TCPIP"\t900\t"2026-03-02 05:00:15.100"\t"TCP - 198.51.100.7 connected to 192.0.2.25:25."\n',
        line(12, "15.204", "SENT: 220 mail.example.org ESMTP"),
        line(12, "15.300", "RECEIVED: EHLO mx.example.net"),
        line(13, "15.310", "SENT: 220 mail.example.org ESMTP", "203.0.113.9"),
        line(12, "15.320", "SENT: 250-mail.example.org[nl]250-SIZE 20480000[nl]250-STARTTLS[nl]250 HELP"),
        line(12, "15.330", "RECEIVED: MAIL FROM:<a@example.net> SIZE=900"),
        line(12, "15.340", "SENT: 250 OK"),
        line(13, "15.350", "RECEIVED: HELO w", "203.0.113.9"),
        line(13, "15.360", "SENT: 250 Hello.", "203.0.113.9"),
        line(12, "15.370", "RECEIVED: RCPT TO:<b@example.org>"),
        line(12, "15.380", "SENT: 250 OK"),
        line(12, "15.390", "RECEIVED: RCPT TO:<v@elsewhere.example>"),
        line(12, "15.400", "SENT: 550 Delivery is not allowed to this address."),
        line(13, "15.410", "RECEIVED: MAIL FROM:<>", "203.0.113.9"),
        line(13, "15.420", "SENT: 250 OK", "203.0.113.9"),
        line(13, "15.430", "RECEIVED: RCPT TO:<no@example.org>", "203.0.113.9"),
        line(13, "15.440", "SENT: 550 Unknown user", "203.0.113.9"),
        line(12, "15.450", "RECEIVED: DATA"),
        line(12, "15.460", "SENT: 354 OK, send."),
        '"DEBUG"\t900\t"2026-03-02 05:00:15.465"\t"Saving message: {1234}.eml"\n',
        line(12, "15.470", "SENT: 250 Queued (0.016 seconds)"),
        line(12, "15.480", "RECEIVED: QUIT"),
        line(12, "15.490", "SENT: 221 goodbye"),
        '"SMTPC"\t900\t3\t"2026-03-02 05:00:15.500"\t"192.0.2.99"\t"RECEIVED: 220 mx.elsewhere.example"\n',
        line(13, "15.510", "RECEIVED: RCPT TO:<b@example.org>", "203.0.113.9"),
    ]
)

EXPECTED = [
    Attempt(
        at("2026-03-02 05:00:15") + 0.370,
        "198.51.100.7",
        "permitted",
        "12.1",
        helo_name="mx.example.net",
        authenticated_as="",
        reverse_path="a@example.net",
        forward_path="b@example.org",
        reply="250 OK",
    ),
    Attempt(
        at("2026-03-02 05:00:15") + 0.390,
        "198.51.100.7",
        "refused",
        "12.1",
        first=False,
        helo_name="mx.example.net",
        authenticated_as="",
        reverse_path="a@example.net",
        forward_path="v@elsewhere.example",
        reply="550 Delivery is not allowed to this address.",
    ),
    Attempt(
        at("2026-03-02 05:00:15") + 0.430,
        "203.0.113.9",
        "refused-otherwise",
        "13.1",
        helo_name="w",
        authenticated_as="",
        reverse_path="",
        forward_path="no@example.org",
        reply="550 Unknown user",
    ),
    Attempt(
        at("2026-03-02 05:00:15") + 0.510,
        "203.0.113.9",
        "not-told",
        "13.1",
        first=False,
        helo_name="w",
        authenticated_as="",
        reverse_path="",
        forward_path="b@example.org",
    ),
]


def test_what_it_tells() -> None:
    attempts, tally = read(LOG)
    assert attempts == EXPECTED
    assert (tally.used, tally.skipped, tally.not_understood) == (22, 3, 0)


def test_it_can_be_stopped_after_each_line() -> None:
    assert read_with_stops(LOG.rstrip("\n"), "hmailserver") == EXPECTED


def test_the_zone_is_that_of_the_machine() -> None:
    attempts, _ = read(LOG, zone=datetime.timezone(datetime.timedelta(hours=1)))
    assert attempts[0].time == pytest.approx(at("2026-03-02 04:00:15") + 0.370)


def _session(*texts: str) -> list[Attempt]:
    greeted = ["SENT: 220 mail.example.org ESMTP", "RECEIVED: EHLO first.example", "SENT: 250 HELP"]
    log = "".join(line(12, "15.204", text) for text in [*greeted, *texts])
    found, tally = read(log)
    assert tally.not_understood == 0
    assert read_with_stops(log.rstrip("\n"), "hmailserver") == found
    return found


MAIL = ["RECEIVED: MAIL FROM:<a@example.net>", "SENT: 250 OK", "RECEIVED: RCPT TO:<b@example.org>", "SENT: 250 OK"]


def test_starttls() -> None:
    start = ["RECEIVED: STARTTLS", "SENT: 220 Ready to start TLS"]
    found = _session(*start, "RECEIVED: EHLO second.example", "SENT: 250 HELP", *MAIL)
    assert [(one.tls, one.helo_name) for one in found] == [(True, "second.example")]
    found = _session("RECEIVED: STARTTLS", "SENT: 454 TLS not available", *MAIL)
    assert [(one.tls, one.helo_name) for one in found] == [(None, "first.example")]


def test_tls_from_the_beginning() -> None:
    shake = '"TCPIP"\t900\t"2026-03-02 05:00:15.100"\t"TCPConnection - TLS/SSL handshake completed. Session Id: {}, Remote IP: 198.51.100.7, Version: TLSv1.2"\n'
    mail = "".join(line(12, "15.204", text) for text in ["SENT: 220 mail.example.org", *MAIL])
    assert [one.tls for one in read(shake.format(12) + mail)[0]] == [True]
    assert [one.tls for one in read(shake.format(13) + mail)[0]] == [None]


@pytest.mark.parametrize(
    ("dialogue", "user"),
    [
        (["AUTH LOGIN", "334 VXNlcm5hbWU6", "YW5u", "334 UGFzc3dvcmQ6", "***", "235 authenticated."], "ann"),
        (["AUTH LOGIN YW5u", "334 UGFzc3dvcmQ6", "***", "235 authenticated."], "ann"),
        (["AUTH LOGIN", "334 VXNlcm5hbWU6", "YW5u", "334 UGFzc3dvcmQ6", "***", "535 Authentication failed."], ""),
        (["AUTH LOGIN", "334 VXNlcm5hbWU6", "!", "334 UGFzc3dvcmQ6", "***", "235 authenticated."], None),
        (["AUTH LOGIN", "334 VXNlcm5hbWU6", "RCPT TO:<x@y.example>", "535 Authentication failed."], ""),
        (["AUTH PLAIN ***", "235 authenticated."], None),
        (["AUTH PLAIN", "334 Log on", "***", "235 authenticated."], None),
        (["AUTH CRAM-MD5", "504 Authentication mechanism not supported."], ""),
    ],
)
def test_signing_in(dialogue: list[str], user: str | None) -> None:
    texts = [("SENT: " if at % 2 else "RECEIVED: ") + text for at, text in enumerate(dialogue)]
    assert [one.authenticated_as for one in _session(*texts, *MAIL)] == [user]


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        ("530 SMTP authentication is required.", "refused"),
        ("550 Delivery is not allowed to this address.", "refused"),
        ("530 Must issue STARTTLS first.", "refused"),
        ("451 Please try again later.", "refused-otherwise"),
        ("550 Account is not active.", "refused-otherwise"),
        ("250 OK", "permitted"),
    ],
)
def test_replies(reply: str, told: str) -> None:
    assert [one.told for one in _session(*MAIL[:3], f"SENT: {reply}")] == [told]


def test_refused_before_a_recipient() -> None:
    found = _session("RECEIVED: MAIL FROM:<a@example.net>", "SENT: 530 SMTP authentication is required.")
    assert [(one.told, one.reverse_path, one.forward_path, one.id) for one in found] == [
        ("refused", "a@example.net", None, "12.1")
    ]
    found, _ = read(line(12, "15.204", "SENT: 421 Too many connections."))
    assert [(one.told, one.helo_name, one.id) for one in found] == [("refused-otherwise", None, "12")]


def test_commands_that_come_before_their_replies() -> None:
    received = [
        f"RECEIVED: {text}"
        for text in ("MAIL FROM:<a@example.net>", "RCPT TO:<b@example.org>", "RCPT TO:<v@x.example>")
    ]
    sent = [f"SENT: {text}" for text in ("250 OK", "250 OK", "550 Delivery is not allowed to this address.")]
    assert [(one.forward_path, one.told) for one in _session(*received, *sent)] == [
        ("b@example.org", "permitted"),
        ("v@x.example", "refused"),
    ]


def test_two_messages_in_one_session() -> None:
    end = ["RECEIVED: DATA", "SENT: 354 OK, send.", "SENT: 250 Queued (0.016 seconds)"]
    found = _session(*MAIL, *end, *MAIL)
    assert [(one.id, one.first) for one in found] == [("12.1", True), ("12.2", True)]


def test_the_numbers_begin_anew() -> None:
    first = [
        line(12, "15.204", text)
        for text in ["SENT: 220 mail.example.org", "RECEIVED: EHLO old.example", "SENT: 250 OK"]
    ]
    again = [line(12, "15.204", text) for text in ["SENT: 220 mail.example.org", *MAIL]]
    assert [one.helo_name for one in read("".join([*first, *again]))[0]] == [None]
    others = [line(12, "15.204", text, "203.0.113.9") for text in MAIL]
    assert [(one.client_address, one.helo_name) for one in read("".join([*first, *others]))[0]] == [
        ("203.0.113.9", None)
    ]


def test_a_session_of_which_the_beginning_is_missing() -> None:
    found, _ = read("".join(line(12, "15.204", text) for text in ["SENT: 250 OK", *MAIL]))
    assert [(one.helo_name, one.authenticated_as, one.told) for one in found] == [(None, None, "permitted")]


@pytest.mark.parametrize(
    ("command", "path"),
    [
        ("RCPT TO:<b@example.org> NOTIFY=NEVER", "b@example.org"),
        ("rcpt to: <b@example.org>", "b@example.org"),
        ('RCPT TO:<"a>b"@example.org>', '"a>b"@example.org'),
        ('RCPT TO:<b@example.org>"\t"SENT: 250 OK', None),
        ("RCPT TO:<a@x.example><b@example.org>", None),
        ('RCPT TO:<"a@example.org>', None),
        ("RCPT TO:b@example.org", "b@example.org"),
        ("RCPT TO:", None),
    ],
)
def test_what_a_stranger_writes(command: str, path: str | None) -> None:
    found = _session(*MAIL[:2], f"RECEIVED: {command}", "SENT: 550 Unknown user")
    assert [(one.forward_path, one.told) for one in found] == [(path, "refused-otherwise")]


def test_a_stranger_cannot_answer_himself() -> None:
    hello = 'RECEIVED: EHLO x"\t"SENT: 235 authenticated.[nl]SENT: 250 OK'
    found = _session(hello, "SENT: 250 HELP", *MAIL[:3], "SENT: 530 SMTP authentication is required.")
    assert [(one.helo_name, one.authenticated_as, one.told) for one in found] == [(hello[15:], "", "refused")]


def test_who_never_waits_for_a_reply() -> None:
    found = _session(*["RECEIVED: RCPT TO:<b@example.org>"] * 500)
    assert len(found) == 500
    assert {one.told for one in found} == {"not-told"}


@pytest.mark.parametrize(
    "broken",
    [
        "x",
        '"SMTPD"\t900\t12\t"2026-03-02 05:00:15.204"\t"198.51.100.7"',
        '"SMTPD"\t900\t12\t"2026-03-02 05:00:15.204"\t"198.51.100.7"\t"RECEIVED: EHLO',
        '"SMTPD"\t900\t12\t"2026-02-30 05:00:15.204"\t"198.51.100.7"\t"RECEIVED: EHLO x"',
        '"SMTPD"\t900\t12\t"2026-03-02 05:00:15.204"\t"198.51.100"\t"RECEIVED: EHLO x"',
        '"SMTPD"\t900\tx\t"2026-03-02 05:00:15.204"\t"198.51.100.7"\t"RECEIVED: EHLO x"',
    ],
)
def test_what_is_not_understood_is_named(broken: str) -> None:
    attempts, tally = read(broken, "hmailserver")
    assert attempts == []
    assert (tally.not_understood, tally.problems[0].line) == (1, 1)


def test_a_line_without_anything() -> None:
    assert read("\n", "hmailserver")[1].skipped == 1


@given(st.data())
def test_nothing_in_a_file_stops_it(data: st.DataObject) -> None:
    whole = LOG.encode().splitlines()
    cut = st.sampled_from(whole).flatmap(lambda line: st.integers(0, len(line)).map(lambda at: line[:at]))
    said = st.sampled_from(["RECEIVED: ", "SENT: ", ""]).flatmap(
        lambda way: st.one_of(
            st.sampled_from(
                ["220 x", "334 x", "235 x", "AUTH LOGIN", "AUTH", "STARTTLS", "MAIL FROM:<>", "RCPT TO:<a@b>"]
            ),
            st.text(st.characters(exclude_characters="\n"), max_size=20),
        ).map(lambda text: line(12, "15.204", way + text).encode().rstrip(b"\n"))
    )
    garbage = st.binary(max_size=30).map(lambda octets: b'"SMTPD"\t1\t2\t' + octets.replace(b"\n", b""))
    lines = data.draw(st.lists(st.one_of(cut, said, garbage, st.sampled_from(whole)), max_size=25))
    text = b"\n".join(lines)
    if text:
        attempts, _ = read(text + b"\n", "hmailserver")
        assert attempts == read_with_stops(text, "hmailserver")
