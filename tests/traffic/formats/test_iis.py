"""The log of Windows' SMTP service in its three forms: fixtures after formats.md, expected facts written by hand."""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrowslit.traffic.attempt import Attempt
from arrowslit.traffic.formats.iis_lines import path_of
from arrowslit.traffic.formats.register import recognised
from tests.traffic.reading import at, read, read_with_stops

FIELDS = "#Fields: date time c-ip cs-username s-sitename s-computername s-ip s-port cs-method cs-uri-stem cs-uri-query sc-status sc-win32-status sc-bytes cs-bytes time-taken cs-version cs-host cs(User-Agent) cs(Cookie) cs(Referer) \n"
HEADER = "#Software: Microsoft Internet Information Services 6.0\n#Version: 1.0\n#Date: 2026-03-02 05:00:15\n" + FIELDS


def w3c(second: int, client: str, name: str, verb: str, rest: str, status: int, octets: int = 0) -> str:
    return (
        f"2026-03-02 05:{second // 60:02}:{second % 60:02} {client} {name} SMTPSVC1 SRV 10.0.0.5 0 {verb} - {rest} {status} 0 {octets} 27 0"
        " SMTP - - - -\n"
    )


MX = ("198.51.100.7", "mx.example.net")
BAD = ("203.0.113.9", "w")
LOG = (
    HEADER
    + w3c(10, BAD[0], "-", "xxxx", "+w", 500, 32)
    + w3c(11, *BAD, "HELO", "+w", 250, 44)
    + w3c(12, *MX, "EHLO", "+mx.example.net", 250, 275)
    + w3c(13, *MX, "MAIL", "+FROM:+<a+tag@example.net>+SIZE=900", 250, 45)
    + w3c(14, *BAD, "MAIL", "+From:<>", 250, 30)
    + w3c(15, *MX, "RCPT", "+TO:<b@example.org>", 250, 28)
    + w3c(16, *BAD, "RCPT", "+To:+<v@elsewhere.example>", 550, 51)
    + w3c(17, *BAD, "RCPT", "+TO:<nobody@example.org>", 550, 24)
    + w3c(18, *MX, "RCPT", "+TO:<c@example.org>", 250, 28)
    + w3c(19, *MX, "DATA", "+<id@example.net>", 250, 132)
    + w3c(20, *MX, "QUIT", "mx.example.net", 240, 68)
    + w3c(21, "192.0.2.25", "OutboundConnectionResponse", "-", "220+mx.example.com+ESMTP", 0)
    + w3c(22, "192.0.2.25", "OutboundConnectionCommand", "RCPT", "TO:<x@example.com>", 0)
    + w3c(23, *BAD, "MAIL", "+FROM:<big@b.example>+SIZE=99999999", 552, 60)
    + w3c(24, *BAD, "MAIL", "+FROM:<ann@example.org>", 530, 60)
)
FIRST = Attempt(
    at("2026-03-02 05:00:15"),
    "198.51.100.7",
    "permitted",
    service="SMTPSVC1",
    helo_name="mx.example.net",
    reverse_path="a+tag@example.net",
    forward_path="b@example.org",
    reply="250",
)
RELAY = Attempt(
    at("2026-03-02 05:00:16"),
    "203.0.113.9",
    "refused",
    service="SMTPSVC1",
    helo_name="w",
    reverse_path="",
    forward_path="v@elsewhere.example",
    reply="550",
)
EXPECTED = [
    FIRST,
    RELAY,
    RELAY._replace(
        time=at("2026-03-02 05:00:17"), told="refused-otherwise", first=False, forward_path="nobody@example.org"
    ),
    FIRST._replace(time=at("2026-03-02 05:00:18"), first=False, forward_path="c@example.org"),
    RELAY._replace(
        time=at("2026-03-02 05:00:23"),
        told="refused-otherwise",
        reverse_path="big@b.example",
        forward_path=None,
        reply="552",
    ),
    RELAY._replace(time=at("2026-03-02 05:00:24"), reverse_path="ann@example.org", forward_path=None, reply="530"),
]


def test_w3c() -> None:
    attempts, tally = read(LOG)
    assert attempts == EXPECTED
    # Four lines of the header and two of a connection that goes out.
    assert (tally.used, tally.skipped, tally.not_understood) == (13, 6, 0)
    assert read_with_stops(LOG.rstrip("\n"), "iis-smtp") == EXPECTED


def test_w3c_is_in_utc_whatever_the_zone() -> None:
    attempts, _ = read(LOG, zone=datetime.timezone(datetime.timedelta(hours=5)))
    assert attempts == EXPECTED


def test_columns_that_change_in_mid_file() -> None:
    other = "#Fields: time date sc-status c-ip cs-method cs-uri-query\n05:00:40 2026-03-02 250 192.0.2.9 RCPT +TO:<d@example.org>\n"
    attempts, tally = read(LOG + other + FIELDS + w3c(50, *MX, "RCPT", "+TO:<e@example.org>", 250))
    assert [(a.client_address, a.forward_path, a.helo_name, a.service) for a in attempts[6:]] == [
        ("192.0.2.9", "d@example.org", None, None),
        ("198.51.100.7", "e@example.org", "mx.example.net", "SMTPSVC1"),
    ]
    assert tally.not_understood == 0


def test_without_the_recipients_it_says_that_nothing_can_be_rehearsed() -> None:
    log = (
        "#Software: Microsoft Internet Information Services 6.0\n#Fields: date time c-ip cs-method cs-uri-stem sc-status\n"
        "2026-03-02 05:00:15 198.51.100.7 RCPT - 250\n"
    )
    attempts, tally = read(log)
    assert attempts == []
    assert (tally.used, tally.skipped, tally.not_understood) == (0, 3, 0)
    assert [problem.line for problem in tally.problems] == [2]
    assert "nothing can be rehearsed from it" in tally.problems[0].says
    assert "URI Query" in tally.problems[0].says


def test_a_header_without_the_date() -> None:
    _, tally = read(
        "#Fields: time c-ip cs-method cs-uri-query sc-status\n05:00:15 198.51.100.7 RCPT +TO:<b@example.org> 250\n"
    )
    assert [problem.says for problem in tally.problems] == ["the header names no column date"]
    assert tally.not_understood == 1


def test_the_log_of_a_web_server_is_none() -> None:
    log = "#Fields: date time c-ip cs-method cs-uri-stem cs-uri-query sc-status\n2026-03-02 05:00:15 198.51.100.7 GET / - 200\n"
    assert recognised(log.splitlines()) is None


# --- sessions that mix --------------------------------------------------------------------------------------------


def _paths(*said: tuple[int, str, str]) -> list[tuple[str | None, str | None, bool]]:
    """Reverse-path, forward-path and whether it is the first, for lines (second, verb, rest) of one client."""
    log = HEADER + "".join(w3c(second, *MX, verb, rest, 240 if verb == "QUIT" else 250) for second, verb, rest in said)
    return [(a.reverse_path, a.forward_path, a.first) for a in read(log, "iis-smtp")[0]]


def test_a_session_after_the_other() -> None:
    assert _paths(
        (0, "EHLO", "+mx"),
        (1, "MAIL", "+FROM:<a@example.net>"),
        (2, "QUIT", "-"),
        (3, "EHLO", "+mx"),
        (4, "MAIL", "+FROM:<b@example.net>"),
        (5, "RCPT", "+TO:<x@example.org>"),
        (6, "DATA", "+<1>"),
        (7, "MAIL", "+FROM:<c@example.net>"),
        (8, "RCPT", "+TO:<y@example.org>"),
        (9, "RCPT", "+TO:<z@example.org>"),
    ) == [
        ("b@example.net", "x@example.org", True),
        ("c@example.net", "y@example.org", True),
        ("c@example.net", "z@example.org", False),
    ]


def test_two_at_once_are_told_apart_only_where_they_are_alike() -> None:
    both = [(0, "EHLO", "+mx"), (1, "EHLO", "+mx"), (2, "MAIL", "+FROM:<a@example.net>")]
    assert _paths(
        *both,
        (3, "MAIL", "+FROM:<b@example.net>"),
        (4, "RCPT", "+TO:<x@example.org>"),
        (5, "RCPT", "+TO:<y@example.org>"),
    ) == [
        (None, "x@example.org", True),
        (None, "y@example.org", True),
    ]
    assert _paths(*both, (3, "MAIL", "+FROM:<a@example.net>"), (4, "RCPT", "+TO:<x@example.org>")) == [
        ("a@example.net", "x@example.org", True)
    ]
    # One of the two is over, and it is not told which.
    assert _paths(
        *both,
        (3, "MAIL", "+FROM:<b@example.net>"),
        (4, "DATA", "+<1>"),
        (5, "RCPT", "+TO:<x@example.org>"),
        (6, "DATA", "+<2>"),
        (7, "MAIL", "+FROM:<c@example.net>"),
        (8, "RCPT", "+TO:<y@example.org>"),
    ) == [(None, "x@example.org", True), ("c@example.net", "y@example.org", True)]


def test_silence_ends_what_was_under_way() -> None:
    both = [(0, "EHLO", "+mx"), (1, "EHLO", "+mx"), (2, "MAIL", "+FROM:<a@example.net>")]
    assert _paths(*both, (700, "MAIL", "+FROM:<b@example.net>"), (701, "RCPT", "+TO:<x@example.org>")) == [
        ("b@example.net", "x@example.org", True)
    ]


def test_a_greeting_after_tls_is_no_other_session() -> None:
    assert _paths(
        (0, "EHLO", "+mx"),
        (1, "STARTTLS", "-"),
        (2, "EHLO", "+mx"),
        (3, "MAIL", "+FROM:<a@example.net>"),
        (4, "MAIL", "+FROM:<b@example.net>"),
        (5, "RCPT", "+TO:<x@example.org>"),
    ) == [("b@example.net", "x@example.org", True)]


# --- the other forms ----------------------------------------------------------------------------------------------

NCSA = """\
198.51.100.7 - mx.example.net [02/Mar/2026:06:00:13 +0100] "HELO -?+mx.example.net SMTP" 250 47
198.51.100.7 - mx.example.net [02/Mar/2026:06:00:14 +0100] "MAIL -?+FROM:+<a@example.net> SMTP" 250 46
198.51.100.7 - mx.example.net [02/Mar/2026:06:00:15 +0100] "RCPT -?+TO:<b@example.org> SMTP" 250 31
198.51.100.7 - mx.example.net [02/Mar/2026:06:00:16 +0100] "RCPT -?+TO:<v@elsewhere.example> SMTP" 550 51
198.51.100.7 - mx.example.net [02/Mar/2026:06:00:17 +0100] "DATA -?+<id"quoted"@example.net> SMTP" 250 124
198.51.100.7 - mx.example.net [02/Mar/2026:06:00:18 +0100] "QUIT -?mx.example.net SMTP" 240 68
192.0.2.25 - OutboundConnectionResponse [02/Mar/2026:06:00:19 +0100] "- -?354+END+WITH+"."+ON+A+LINE SMTP" 0 54
192.0.2.25 - OutboundConnectionCommand [02/Mar/2026:06:00:20 +0100] "QUIT - SMTP" 0 4
203.0.113.9 - - [02/Mar/2026:06:00:21 +0100] "xxxx -?+w SMTP" 500 32
"""
NCSA_FIRST = FIRST._replace(service=None, reverse_path="a@example.net")
NCSA_EXPECTED = [
    NCSA_FIRST,
    NCSA_FIRST._replace(
        time=at("2026-03-02 05:00:16"), told="refused", first=False, forward_path="v@elsewhere.example", reply="550"
    ),
]


def test_ncsa() -> None:
    attempts, tally = read(NCSA)
    assert attempts == NCSA_EXPECTED
    assert (tally.used, tally.skipped, tally.not_understood) == (7, 2, 0)
    assert read_with_stops(NCSA.rstrip("\n"), "iis-smtp") == NCSA_EXPECTED


IIS = """\
198.51.100.7, mx.example.net, 3/2/26, 6:00:14, SMTPSVC1, SRV, 10.0.0.5, 90, 42, 0, 250, 0, HELO, -, mx.example.net,
198.51.100.7, mx.example.net, 3/2/26, 6:00:15, SMTPSVC1, SRV, 10.0.0.5, 90, 42, 0, 250, 0, MAIL FROM, -, FROM:<a@example.net>,
198.51.100.7, mx.example.net, 3/2/26, 6:00:15, SMTPSVC1, SRV, 10.0.0.5, 90, 42, 0, 250, 0, RCPT TO, -, TO:<b@example.org>,
198.51.100.7, mx.example.net, 3/2/26, 6:00:16, SMTPSVC1, SRV, 10.0.0.5, 90, 42, 24, 550, 0, RCPT TO, -, TO:<"a,b"@example.org>,
198.51.100.7, OutboundConnectionCommand, 3/2/26, 6:00:16, SMTPSVC1, SRV, 10.0.0.5, 90, 42, 0, 0, 0, RCPT, -, TO:<x@example.com>,
"""
IIS_EXPECTED = [
    FIRST._replace(reverse_path="a@example.net"),
    FIRST._replace(
        time=at("2026-03-02 05:00:16"),
        told="refused-otherwise",
        first=False,
        reverse_path="a@example.net",
        forward_path='"a,b"@example.org',
        reply="550",
    ),
]


def test_the_iis_form_is_in_the_zone_of_the_server() -> None:
    attempts, tally = read(IIS, zone=ZoneInfo("Europe/Berlin"))
    assert attempts == IIS_EXPECTED
    assert (tally.used, tally.skipped) == (4, 1)


# --- what strangers write -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rest", "path"),
    [
        ("+FROM:<>", ""),
        ("+FROM:+<a@example.net>+SIZE=9", "a@example.net"),
        ("+from:<a+b@example.net>", "a+b@example.net"),
        ("FROM:<a@example.net>", "a@example.net"),
        ("+TO:<@relay.example:b@example.org>", "@relay.example:b@example.org"),
        ("+FROM:a+b@example.net", None),
        ('+TO:<"x>+y"@example.org>', None),
        ("+TO:<b@example.org", None),
        ("+TO:<<b@example.org>", None),
        ("-", None),
        ("", None),
    ],
)
def test_paths(rest: str, path: str | None) -> None:
    assert path_of(rest) == (path, path is not None)


@pytest.mark.parametrize(
    "line",
    [
        # A name with blanks, brackets, quotation marks or commas does not move what the server wrote.
        '198.51.100.7 - x [02/Mar/2026:06:00:15 +0100] "RCPT -?+TO:<b@example.org> SMTP" 250 31 [02/Mar/2026:06:00:15 +0100] "HELO -?x SMTP" 500 1',
        "198.51.100.7, x, 3/2/26, 6:00:15, SMTPSVC1, S, 1, 1, 1, 1, 250, 0, RCPT, -, TO:<b@example.org>, 3/2/26, 6:00:14, SMTPSVC1",
        "198.51.100.7, x, y, 3/2/26, 6:00:15, SMTPSVC1, SRV, 10.0.0.5, 90, 42, 0, 250, 0, RCPT TO, -, TO:<b@example.org>,",
        "198.51.100.7, x, 13/32/26, 6:00:15, SMTPSVC1, SRV, 10.0.0.5, 90, 42, 0, 250, 0, RCPT TO, -, TO:<b@example.org>,",
        '198.51.100.7 - x [02/Xyz/2026:06:00:15 +0100] "RCPT -?+TO:<b@example.org> SMTP" 250 31',
    ],
)
def test_lines_that_cannot_be_told(line: str) -> None:
    attempts, tally = read(line, "iis-smtp")
    assert [a.forward_path for a in attempts if a.told == "permitted"] == []
    assert tally.not_understood + tally.used == 1


def test_a_w3c_line_with_a_blank_too_many() -> None:
    _, tally = read(HEADER + w3c(1, "198.51.100.7", "x y", "HELO", "+x", 250), "iis-smtp")
    assert [problem.says for problem in tally.problems] == ["this line has 22 columns; the header has 21"]


LINES = [*LOG.splitlines(), *NCSA.splitlines(), *IIS.splitlines(), "#Fields: time", "#Fields: c-ip cs-uri-query"]
ANY_LINE = st.one_of(
    st.sampled_from(LINES),
    st.builds(
        lambda line, at_, text: line[:at_] + text, st.sampled_from(LINES), st.integers(0, 150), st.text(max_size=5)
    ),
    st.builds(
        lambda line, at_, text: line[:at_] + text + line[at_:],
        st.sampled_from(LINES),
        st.integers(0, 150),
        st.text(max_size=5),
    ),
    st.text(max_size=60),
).map(lambda line: line.replace("\n", " "))


@settings(max_examples=150, deadline=None)
@given(st.lists(ANY_LINE, max_size=40))
def test_garbage_never_raises_and_no_line_is_lost(lines: list[str]) -> None:
    log = "\n".join(lines).encode("utf-8", "surrogatepass")
    attempts, _ = read(log, "iis-smtp")
    if lines and lines[-1]:
        assert read_with_stops(log, "iis-smtp") == attempts
