"""Postfix's log, line by line: every expected fact is written by hand from what Postfix documents or printed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from arrowslit.traffic.attempt import Attempt
from tests.traffic.reading import at, read, read_with_stops

LOG = """\
Mar  2 05:00:15 mx postfix/smtpd[91]: connect from mx.example.net[198.51.100.7]
Mar  2 05:00:16 mx postfix/smtpd[91]: 4F2A1B2C3D: client=mx.example.net[198.51.100.7], sasl_method=PLAIN, sasl_username=ann
Mar  2 05:00:16 mx postfix/cleanup[92]: 4F2A1B2C3D: message-id=<abc@example.net>
Mar  2 05:00:16 mx postfix/qmgr[80]: 4F2A1B2C3D: from=<a@example.net>, size=410, nrcpt=2 (queue active)
Mar  2 05:00:17 mx postfix/smtpd[91]: disconnect from mx.example.net[198.51.100.7] ehlo=2 starttls=1 auth=1 mail=1 rcpt=2 data=1 quit=1 commands=9
Mar  2 05:00:18 mx postfix/local[95]: 4F2A1B2C3D: to=<bob@example.org>, orig_to=<info@example.org>, relay=local, delay=0.1, delays=0.1/0/0/0, dsn=2.0.0, status=sent (delivered to mailbox)
Mar  2 05:00:18 mx postfix/local[95]: 4F2A1B2C3D: to=<carl@example.org>, orig_to=<info@example.org>, relay=local, delay=0.1, delays=0.1/0/0/0, dsn=2.0.0, status=sent (delivered to mailbox)
Mar  2 05:00:18 mx postfix/smtp[96]: 4F2A1B2C3D: to=<x@elsewhere.example>, relay=192.0.2.3[192.0.2.3]:25, delay=0.1, delays=0/0/0/0, dsn=4.0.0, status=deferred (connection refused)
Mar  2 05:00:19 mx postfix/qmgr[80]: 4F2A1B2C3D: removed
Mar  2 05:01:00 mx postfix/smtpd[93]: connect from unknown[203.0.113.9]
Mar  2 05:01:01 mx postfix/smtpd[93]: NOQUEUE: reject: RCPT from unknown[203.0.113.9]: 554 5.7.1 <v@elsewhere.example>: Relay access denied; from=<a@b.example> to=<v@elsewhere.example> proto=ESMTP helo=<w>
Mar  2 05:01:02 mx postfix/smtpd[93]: NOQUEUE: reject: RCPT from unknown[203.0.113.9]: 550 5.1.1 <no@example.org>: Recipient address rejected: User unknown in local recipient table; from=<> to=<no@example.org> proto=ESMTP helo=<w>
Mar  2 05:01:03 mx postfix/smtpd[93]: disconnect from unknown[203.0.113.9] ehlo=1 mail=2 rcpt=0/2 quit=1 commands=4/6
"""

EXPECTED = [
    Attempt(
        at("2026-03-02 05:00:16"),
        "198.51.100.7",
        "permitted",
        "4F2A1B2C3D",
        service=None,
        client_name="mx.example.net",
        reverse_name="mx.example.net",
        tls=True,
        authenticated_as="ann",
        reverse_path="a@example.net",
        forward_path="info@example.org",
        message_bytes=410,
    ),
    Attempt(
        at("2026-03-02 05:00:16"),
        "198.51.100.7",
        "permitted",
        "4F2A1B2C3D",
        first=False,
        service=None,
        client_name="mx.example.net",
        reverse_name="mx.example.net",
        tls=True,
        authenticated_as="ann",
        reverse_path="a@example.net",
        forward_path="x@elsewhere.example",
        message_bytes=410,
    ),
    Attempt(
        at("2026-03-02 05:01:01"),
        "203.0.113.9",
        "refused",
        "93",
        service="smtpd",
        helo_name="w",
        tls=False,
        authenticated_as="",
        reverse_path="a@b.example",
        forward_path="v@elsewhere.example",
        reply="554 5.7.1 <v@elsewhere.example>: Relay access denied",
    ),
    Attempt(
        at("2026-03-02 05:01:02"),
        "203.0.113.9",
        "refused-otherwise",
        "93",
        service="smtpd",
        helo_name="w",
        tls=False,
        authenticated_as="",
        reverse_path="",
        forward_path="no@example.org",
        reply="550 5.1.1 <no@example.org>: Recipient address rejected: User unknown in local recipient table",
    ),
]


def test_what_it_tells() -> None:
    attempts, tally = read(LOG)
    assert attempts == EXPECTED
    assert (tally.used, tally.skipped, tally.not_understood) == (12, 1, 0)


def test_it_can_be_stopped_after_each_line() -> None:
    assert read_with_stops(LOG.rstrip("\n"), "syslog") == EXPECTED


def told(text: str) -> list[tuple[str | None, str | None, str]]:
    """Client, recipient and what was told, of each attempt."""
    return [(one.client_address, one.forward_path, one.told) for one in read(text)[0]]


AT = "Mar  2 05:00:15 mx postfix"


def accepted(queue_id: str, client: str, recipient: str, *more: str, pid: int = 91) -> str:
    """A message from connect to removed; `more` are further lines before its end."""
    return "".join(
        line + "\n"
        for line in (
            f"{AT}/smtpd[{pid}]: connect from unknown[{client}]",
            f"{AT}/smtpd[{pid}]: {queue_id}: client=unknown[{client}]",
            f"{AT}/qmgr[80]: {queue_id}: from=<a@example.net>, size=9, nrcpt=1 (queue active)",
            f"{AT}/smtpd[{pid}]: disconnect from unknown[{client}] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5",
            *more,
            f"{AT}/smtp[95]: {queue_id}: to=<{recipient}>, relay=192.0.2.3[192.0.2.3]:25, delay=1, status=sent (ok)",
            f"{AT}/qmgr[80]: {queue_id}: removed",
        )
    )


def test_a_message_that_a_content_filter_brings_back_counts_once() -> None:
    by_orig_client = (
        f"{AT}/smtpd[97]: connect from localhost[127.0.0.1]\n"
        f"{AT}/smtpd[97]: 5AAAAAAAA1: client=localhost[127.0.0.1], orig_client=unknown[198.51.100.7]\n"
        f"{AT}/qmgr[80]: 5AAAAAAAA1: from=<a@example.net>, size=9, nrcpt=1 (queue active)\n"
        f"{AT}/local[95]: 5AAAAAAAA1: to=<bob@example.org>, relay=local, delay=1, status=sent (ok)\n"
        f"{AT}/qmgr[80]: 5AAAAAAAA1: removed\n"
    )
    wanted = [("198.51.100.7", "bob@example.org", "permitted")]
    assert told(accepted("4AAAAAAAA1", "198.51.100.7", "bob@example.org") + by_orig_client) == wanted
    by_answer = (
        f"{AT}/smtp[95]: 4AAAAAAAA1: to=<bob@example.org>, relay=127.0.0.1[127.0.0.1]:10024, delay=1, "
        "status=sent (250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 5AAAAAAAA1)"
    )
    again = accepted("5AAAAAAAA1", "127.0.0.1", "bob@example.org", pid=97)
    outer = accepted("4AAAAAAAA1", "198.51.100.7", "bob@example.org", by_answer)
    assert told(again + outer) == wanted
    assert told(outer + again) == wanted


def test_mail_of_the_machine_itself_that_nobody_has_brought_back_counts() -> None:
    later = accepted("6AAAAAAAA1", "198.51.100.8", "carl@example.org").replace("05:00:15", "05:02:00")
    assert told(accepted("5AAAAAAAA1", "127.0.0.1", "bob@example.org") + later) == [
        ("127.0.0.1", "bob@example.org", "permitted"),
        ("198.51.100.8", "carl@example.org", "permitted"),
    ]


def test_a_message_that_is_refused_at_its_end_was_not_let_in() -> None:
    text = (
        f"{AT}/smtpd[91]: connect from unknown[198.51.100.7]\n"
        f"{AT}/smtpd[91]: 4AAAAAAAA1: client=unknown[198.51.100.7]\n"
        f"{AT}/cleanup[92]: 4AAAAAAAA1: milter-reject: END-OF-MESSAGE from unknown[198.51.100.7]: 5.7.1 "
        "Spam message rejected; from=<a@example.net> to=<bob@example.org> proto=ESMTP helo=<x>\n"
        f"{AT}/smtpd[91]: disconnect from unknown[198.51.100.7] ehlo=1 mail=1 rcpt=1 data=0/1 commands=3/4\n"
    )
    assert told(text) == [("198.51.100.7", "bob@example.org", "refused-otherwise")]


def test_a_queue_id_that_is_used_again_is_another_message() -> None:
    one = accepted("4AAAA", "198.51.100.7", "bob@example.org")
    other = accepted("4AAAA", "198.51.100.8", "carl@example.org")
    assert told(one + other) == [
        ("198.51.100.7", "bob@example.org", "permitted"),
        ("198.51.100.8", "carl@example.org", "permitted"),
    ]


def test_postscreen_refuses_by_itself_and_hands_on_whom_it_lets_pass() -> None:
    text = (
        f"{AT}/postscreen[70]: CONNECT from [203.0.113.9]:4711 to [192.0.2.25]:25\n"
        f"{AT}/postscreen[70]: DENYLISTED [203.0.113.9]:4711\n"
        f"{AT}/postscreen[70]: NOQUEUE: reject: RCPT from [203.0.113.9]:4711: 550 5.3.2 Service currently "
        "unavailable; from=<a@b.example>, to=<bob@example.org>, proto=ESMTP, helo=<x>\n"
        f"{AT}/postscreen[70]: DISCONNECT [203.0.113.9]:4711\n"
        f"{AT}/postscreen[70]: CONNECT from [203.0.113.10]:4712 to [192.0.2.25]:25\n"
        f"{AT}/postscreen[70]: BLACKLISTED [203.0.113.10]:4712\n"
        f"{AT}/postscreen[70]: DISCONNECT [203.0.113.10]:4712\n"
        f"{AT}/postscreen[70]: NOQUEUE: reject: RCPT from [203.0.113.11]:4713: 550 5.7.1 Service unavailable; client "
        "[203.0.113.11] blocked using zen.example; from=<>, to=<bob@example.org>, proto=ESMTP, helo=<x>\n"
        f"{AT}/postscreen[70]: CONNECT from [198.51.100.7]:4714 to [192.0.2.25]:25\n"
        f"{AT}/postscreen[70]: PASS NEW [198.51.100.7]:4714\n"
    )
    assert told(text + accepted("4AAAAAAAA1", "198.51.100.7", "bob@example.org")) == [
        ("203.0.113.9", "bob@example.org", "refused"),
        ("203.0.113.10", None, "refused"),
        ("203.0.113.11", "bob@example.org", "refused-otherwise"),
        ("198.51.100.7", "bob@example.org", "permitted"),
    ]


def test_hostile_helo_names_and_addresses_tell_nothing_that_is_not_so() -> None:
    reject = f"{AT}/smtpd[93]: NOQUEUE: reject: RCPT from unknown[203.0.113.9]: 554 5.7.1 "
    forged_helo = (
        reject + "<v@elsewhere.example>: Relay access denied; from=<a@b.example> to=<v@elsewhere.example> "
        "proto=ESMTP helo=<w> from=<boss@example.org> to=<bob@example.org> proto=ESMTP helo=<x>\n"
    )
    (one,) = read(forged_helo)[0]
    assert (one.client_address, one.told, one.reverse_path, one.forward_path, one.helo_name) == (
        "203.0.113.9",
        "refused",
        None,
        None,
        None,
    )
    forged_address = (
        reject + '<"; from=<x@example.org> to=<y@example.org> proto=ESMTP helo=<z>"@elsewhere.example>: Relay access '
        'denied; from=<a@b.example> to=<"; from=<x@example.org> to=<y@example.org> proto=ESMTP helo=<z>"'
        "@elsewhere.example> proto=ESMTP helo=<w>\n"
    )
    (one,) = read(forged_address)[0]
    assert (one.client_address, one.told, one.reverse_path, one.forward_path) == (
        "203.0.113.9",
        "refused",
        "a@b.example",
        '"; from=<x@example.org> to=<y@example.org> proto=ESMTP helo=<z>"@elsewhere.example',
    )
    user = f"{AT}/smtpd[91]: 4AAAAAAAA1: client=unknown[203.0.113.9], sasl_method=PLAIN, sasl_username=x, y=[1.2.3.4]\n"
    (one,) = read(user)[0]
    assert one.client_address == "203.0.113.9"


_LINES = st.sampled_from(
    [*LOG.splitlines(), *accepted("4AAAAAAAA1", "127.0.0.1", "bob@example.org").splitlines(), f"{AT}/qmgr[80]: removed"]
)


@given(st.lists(st.one_of(_LINES, st.text(max_size=60), _LINES.map(lambda line: line[:70])), max_size=40))
def test_whatever_stands_there_no_line_is_lost(lines: list[str]) -> None:
    text = "\n".join(line.replace("\n", " ") for line in lines)
    read(text.encode("utf-8", "surrogatepass") + b"\n", "syslog")
