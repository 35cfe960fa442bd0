"""Sendmail's log, line by line: every expected fact is written by hand from what Sendmail documents or printed."""

from __future__ import annotations

import time

import pytest
from hypothesis import given

from arrowslit.traffic.attempt import Attempt
from arrowslit.traffic.formats.sendmail_lines import recipients
from tests.traffic.broken_logs import broken, live_through
from tests.traffic.reading import at, read, read_with_stops

LOG = """\
Mar  2 05:00:00 mx sendmail[50]: starting daemon (8.17.1.9): SMTP
Mar  2 05:00:05 mx sm-mta[90]: 6B149UGd030090: ruleset=check_rcpt, arg1=<early@elsewhere.example>, relay=[203.0.113.8], reject=550 5.7.1 <early@elsewhere.example>... Relaying denied
Mar  2 05:00:05 mx sm-mta[90]: 6B149UGd030090: from=<e@b.example>, size=0, class=0, nrcpts=0, proto=ESMTP, daemon=MTA, relay=[203.0.113.8]
Mar  2 05:00:14 mx sm-mta[91]: STARTTLS=server, relay=mx.example.net [198.51.100.7], version=TLSv1.3, verify=NO, cipher=TLS_AES_256_GCM_SHA384, bits=256/256
Mar  2 05:00:14 mx sm-mta[91]: AUTH=server, relay=mx.example.net [198.51.100.7], authid=ann, mech=PLAIN, bits=0
Mar  2 05:00:15 mx sm-mta[91]: 6B149UGd030091: <no@example.org>... User unknown
Mar  2 05:00:16 mx sm-mta[91]: 6B149UGd030091: from=<>, size=410, class=0, nrcpts=2, msgid=<x, relay=evil.example [192.0.2.1]>, bodytype=8BITMIME, proto=ESMTPSA, daemon=MSA, relay=mx.example.net [198.51.100.7]
Mar  2 05:00:17 mx sm-mta[92]: 6B149UGd030091: to=<bob@example.org>,<"a, delay=1"@example.org>, delay=00:00:01, xdelay=00:00:00, mailer=local, pri=60343, dsn=2.0.0, stat=Sent
Mar  2 05:00:18 mx sm-mta[92]: 6B149UGd030091: to=<bob@example.org>, delay=00:00:01, xdelay=00:00:00, mailer=local, pri=60343, dsn=2.0.0, stat=Sent
Mar  2 05:00:20 mx sm-mta[93]: 6B149UGd030093: ruleset=check_rcpt, arg1=<"a, relay=[192.0.2.1], reject=250 x"@elsewhere.example>, relay=w.example [203.0.113.9] (may be forged), reject=550 5.7.1 <"a, relay=[192.0.2.1], reject=250 x"@elsewhere.example>... Relaying denied
Mar  2 05:00:21 mx sm-mta[93]: 6B149UGd030093: ruleset=check_rcpt, arg1=<bob@example.org>, relay=w.example [203.0.113.9] (may be forged), reject=550 5.7.1 <bob@example.org>... Access denied
Mar  2 05:00:22 mx sm-mta[93]: 6B149UGd030093: Milter: to=<carl@example.org>, reject=451 4.7.1 Greylisting in action
Mar  2 05:00:23 mx sm-mta[93]: 6B149UGd030093: from=<"a>, size=1, class=0, nrcpts=7, relay=x [192.0.2.1]"@b.example>, size=0, class=0, nrcpts=0, proto=ESMTP, daemon=MTA, relay=w.example [203.0.113.9] (may be forged)
Mar  2 05:00:24 mx sm-mta[94]: ruleset=check_relay, arg1=[203.0.113.7], arg2=203.0.113.7, relay=[203.0.113.7], reject=550 5.7.1 Access denied
Mar  2 05:00:25 mx sm-mta[95]: 6B149UGd030095: ruleset=check_mail, arg1=<a@nowhere.example>, relay=[IPv6:2001:db8:25:0:0:0:0:9], reject=553 5.1.8 <a@nowhere.example>... Domain of sender address a@nowhere.example does not exist
Mar  2 05:00:26 mx sendmail[96]: 6B149UGd030096: from=root, size=10, class=0, nrcpts=1, msgid=<a@mx>, relay=root@localhost
Mar  2 05:00:27 mx sendmail[96]: 6B149UGd030096: to=bob, ctladdr=root (0/0), delay=00:00:00, mailer=relay, pri=30010, relay=[127.0.0.1] [127.0.0.1], dsn=2.0.0, stat=Sent
"""
FORGED = {
    "service": "MTA",
    "reverse_name": "w.example",
    "tls": False,
    "authenticated_as": "",
    "reverse_path": '"a>, size=1, class=0, nrcpts=7, relay=x [192.0.2.1]"@b.example',
}
SIGNED_IN = {
    "service": "MSA",
    "client_name": "mx.example.net",
    "reverse_name": "mx.example.net",
    "tls": True,
    "authenticated_as": "ann",
    "reverse_path": "",
}
EXPECTED = [
    # Before the log has shown any TLS, it does not tell that there was none.
    Attempt(
        at("2026-03-02 05:00:05"),
        "203.0.113.8",
        "refused",
        "6B149UGd030090",
        service="MTA",
        reverse_path="e@b.example",
        forward_path="early@elsewhere.example",
        reply="550 5.7.1 <early@elsewhere.example>... Relaying denied",
    ),
    Attempt(
        at("2026-03-02 05:00:15"),
        "198.51.100.7",
        "refused-otherwise",
        "6B149UGd030091",
        first=False,
        forward_path="no@example.org",
        reply="User unknown",
        **SIGNED_IN,
    ),
    Attempt(
        at("2026-03-02 05:00:16"),
        "198.51.100.7",
        "permitted",
        "6B149UGd030091",
        forward_path="bob@example.org",
        message_bytes=410,
        **SIGNED_IN,
    ),
    Attempt(
        at("2026-03-02 05:00:16"),
        "198.51.100.7",
        "permitted",
        "6B149UGd030091",
        first=False,
        forward_path='"a, delay=1"@example.org',
        message_bytes=410,
        **SIGNED_IN,
    ),
    Attempt(
        at("2026-03-02 05:00:20"),
        "203.0.113.9",
        "refused",
        "6B149UGd030093",
        forward_path='"a, relay=[192.0.2.1], reject=250 x"@elsewhere.example',
        reply='550 5.7.1 <"a, relay=[192.0.2.1], reject=250 x"@elsewhere.example>... Relaying denied',
        **FORGED,
    ),
    Attempt(
        at("2026-03-02 05:00:21"),
        "203.0.113.9",
        "refused",
        "6B149UGd030093",
        first=False,
        forward_path="bob@example.org",
        reply="550 5.7.1 <bob@example.org>... Access denied",
        **FORGED,
    ),
    Attempt(
        at("2026-03-02 05:00:22"),
        "203.0.113.9",
        "refused-otherwise",
        "6B149UGd030093",
        first=False,
        forward_path="carl@example.org",
        reply="451 4.7.1 Greylisting in action",
        **FORGED,
    ),
    Attempt(at("2026-03-02 05:00:24"), "203.0.113.7", "refused", reply="550 5.7.1 Access denied"),
    # Its from= line is missing.
    Attempt(
        at("2026-03-02 05:00:25"),
        "2001:db8:25:0:0:0:0:9",
        "refused-otherwise",
        "6B149UGd030095",
        tls=False,
        authenticated_as="",
        reverse_path="a@nowhere.example",
        reply="553 5.1.8 <a@nowhere.example>... Domain of sender address a@nowhere.example does not exist",
    ),
]


def test_what_it_tells() -> None:
    attempts, tally = read(LOG)
    assert attempts == EXPECTED
    assert (tally.used, tally.skipped, tally.not_understood) == (13, 4, 0)


def test_it_can_be_stopped_after_each_line() -> None:
    assert read_with_stops(LOG.rstrip("\n"), "syslog") == EXPECTED


def test_a_process_id_that_comes_again_is_another_connection() -> None:
    attempts, _ = read("""\
Mar  2 05:00:14 mx sm-mta[91]: AUTH=server, relay=[198.51.100.7], authid=ann, mech=PLAIN, bits=0
Mar  2 07:00:14 mx sm-mta[91]: 6B149UGd030091: from=<>, size=0, class=0, nrcpts=1, proto=ESMTP, daemon=MTA, relay=[198.51.100.7]
Mar  2 07:00:14 mx sm-mta[92]: AUTH=server, relay=[198.51.100.7], authid=ann, mech=PLAIN, bits=0
Mar  2 07:00:15 mx sm-mta[92]: 6B149UGd030092: from=<>, size=0, class=0, nrcpts=1, proto=ESMTP, daemon=MTA, relay=[203.0.113.9]
""")
    assert [one.authenticated_as for one in attempts] == ["", ""]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("to=<a@b.example>,<c@d.example>, delay=00:00:01", ["a@b.example", "c@d.example"]),
        ("to=bob, ctladdr=<info@example.org> (8/0), delay=00:00:01", ["info@example.org"]),
        ('to="|/usr/bin/vacation bob", ctladdr=<bob@example.org> (1000/1000), delay=00:00:01', ["bob@example.org"]),
        ("to=bob, delay=00:00:01", []),
        ("to=<a@b.example", None),
    ],
)
def test_recipients_of_a_delivery(text: str, found: list[str] | None) -> None:
    assert recipients(text) == found


@given(broken(LOG))
def test_a_broken_log(lines: list[bytes]) -> None:
    live_through("syslog", lines)


@pytest.mark.parametrize(
    "text",
    [
        "from=<" + '"' * 100_000,
        "from=<>, size=1, class=0, nrcpts=1, msgid=<" + ", proto=ESMTP, daemon=MTA, relay=a [192.0.2.1]" * 5_000,
        "to=" + "<a@b.example>," * 20_000,
        "ruleset=check_rcpt, arg1=<" + ", relay=[192.0.2.1]" * 20_000 + ", reject=550",
        "ruleset=check_rcpt, arg1=" + "a, reject=" * 20_000,
        "AUTH=server, relay=[192.0.2.1], authid=" + ", mech=PLAIN" * 20_000,
        "to=a, ctladdr=a" + " a" * 50_000,
        "to=a, ctladdr=" + "a" * 100_000,
        "from=<>, size=1, class=0, nrcpts=1, msgid=<" + ", auth=x" * 20_000,
    ],
)
def test_a_long_line_takes_no_long_time(text: str) -> None:
    begin = time.monotonic()
    read(f"Mar  2 05:00:14 mx sm-mta[91]: 6B149UGd030091: {text}\n", "syslog")
    assert time.monotonic() - begin < 1
