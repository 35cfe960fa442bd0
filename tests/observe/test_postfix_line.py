"""The mail log in Postfix's words, read by the regular expressions of fail2ban 1.0.2 and pflogsumm 1.1.5."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.observe.postfix_line import postfix_lines
from arrowslit.observe.record import Record

# fail2ban, filter.d/postfix.conf, mode "more": prefregex's content, then mdre-normal with <HOST> spelt out.
HOST = r"(?:::f{4,6}:)?(?P<host>[0-9.]+|[0-9a-fA-F:]+)"
PREFREGEX = re.compile(
    r"(?:\w+: (?:milter-)?reject:|(?:improper command pipelining|too many errors) after \S+) (?P<content>.+)$"
)
FAILREGEX = re.compile(
    r"^[A-Z]{4} from [^[]*\[" + HOST + r"\](?::\d+)?: [45][50][04] [45]\.\d\.\d+ (?:(?:<[^>]*>)?: )?"
    r"(?:(?:Helo command|(?:Sender|Recipient) address) rejected: )?"
    r"(?:Service unavailable|(?:Client host|Command|Data command) rejected|Relay access denied|"
    r"(?:Host|Domain) not found|need fully-qualified hostname|match|[Uu](?:ser unknown|ndeliverable address))\b"
    r"|^from [^[]*\[(?P<host2>[0-9a-fA-F:.]+)\](?::\d+)?:?"
)
AUTHREGEX = re.compile(
    r"^warning: [^[]*\[" + HOST + r"\](?::\d+)?: SASL (?:(?i:LOGIN|PLAIN)|(?:CRAM|DIGEST)-MD5) authentication failed:"
    r"(?! Connection lost to authentication server| Invalid authentication mechanism)"
)
# pflogsumm
CLIENT = re.compile(r"^\w+: client=(.+?)(,|$)")
FROM = re.compile(r"from=<([^>]*)>, size=(\d+)")
TO = re.compile(
    r"to=<([^>]*)>, (?:orig_to=<[^>]*>, )?relay=([^,]+), (?:conn_use=[^,]+, )?delay=([^,]+), "
    r"(?:delays=[^,]+, )?(?:dsn=[^,]+, )?status=(\S+)(.*)$"
)

REFUSED = Record(
    action="reject",
    stage="recipient",
    code=550,
    enhanced="5.7.1",
    reason="may-not-connect",
    reply="203.0.113.9 may not deliver here: https://mx.example.net/why/7Q4M",
    client_address="203.0.113.9",
    client_name="mail.example.com",
    helo_name="mail.example.com",
    reverse_path="alice@example.com",
    forward_path="bob@example.org",
)
DELIVERED = Record(
    kind="delivery",
    id="7Q4MK2XN9DTB",
    outcome="delivered",
    client_address="203.0.113.9",
    client_name="mail.example.com",
    reverse_path="alice@example.com",
    forward_path="bob@example.org",
    message_bytes=4000,
    recipients=1,
    next_hop="exchange",
    next_hop_address="10.1.1.1:25",
    next_hop_reply="250 2.0.0 Ok: queued as 4ZZ",
    seconds=0.25,
)


def banned(text: str) -> str | None:
    """The address that fail2ban would take from a line, or None."""
    content = PREFREGEX.match(text)
    found = FAILREGEX.match(content["content"]) if content else None
    return (found["host"] or found["host2"]) if found else None


def only(record: Record) -> str:
    ((daemon, text),) = postfix_lines(record)
    assert daemon == "smtpd"
    return text


def test_a_refused_client() -> None:
    assert only(REFUSED) == (
        "NOQUEUE: reject: RCPT from mail.example.com[203.0.113.9]: 550 5.7.1 <mail.example.com[203.0.113.9]>: "
        "Client host rejected: 203.0.113.9 may not deliver here: https://mx.example.net/why/7Q4M; "
        "from=<alice@example.com> to=<bob@example.org> proto=ESMTP helo=<mail.example.com>"
    )


@pytest.mark.parametrize(
    ("reason", "code", "enhanced"),
    [("may-not-connect", 550, "5.7.1"), ("may-not-relay", 554, "5.7.1"), ("recipient-unknown", 550, "5.1.1")],
)
def test_fail2ban_reads_the_address(reason: str, code: int, enhanced: str) -> None:
    assert banned(only(REFUSED._replace(reason=reason, code=code, enhanced=enhanced))) == "203.0.113.9"


def test_a_refusal_to_connect_that_is_told_at_rcpt_is_a_line_of_rcpt() -> None:
    text = only(REFUSED._replace(stage="connect"))
    assert text.startswith("NOQUEUE: reject: RCPT from ")
    assert banned(text) == "203.0.113.9"
    early = only(REFUSED._replace(stage="connect", forward_path=None, reverse_path=None))
    assert early.startswith("NOQUEUE: reject: CONNECT from ")


def test_fail2ban_reads_an_ipv6_address() -> None:
    assert banned(only(REFUSED._replace(client_address="2001:db8::9", client_name=None))) == "2001:db8::9"


def test_the_next_hops_own_refusal_of_a_recipient_is_an_unknown_user() -> None:
    text = only(REFUSED._replace(reason="refused", outcome="refused", enhanced="5.1.1", reply="no such mailbox"))
    assert "<bob@example.org>: Recipient address rejected: User unknown: no such mailbox;" in text
    assert banned(text) == "203.0.113.9"


def test_too_many_errors_are_read_too() -> None:
    fault = REFUSED._replace(kind="fault", reason="too-many-errors")
    assert only(fault) == "too many errors after RCPT from mail.example.com[203.0.113.9]"
    assert banned(only(fault)) == "203.0.113.9"


def test_a_failed_sign_in() -> None:
    found = AUTHREGEX.match(only(REFUSED._replace(kind="sign-in", reason="wrong")))
    assert found is not None
    assert found["host"] == "203.0.113.9"
    assert postfix_lines(REFUSED._replace(kind="sign-in", action="permit")) == ()


def test_content_refused_after_the_dot_bans_nobody() -> None:
    text = only(DELIVERED._replace(action="reject", outcome="refused", code=550, enhanced="5.7.1", reply="spam"))
    assert text.startswith("NOQUEUE: reject: END-OF-MESSAGE from mail.example.com[203.0.113.9]: 550 5.7.1 ")
    assert banned(text) is None


def test_pflogsumm_reads_a_delivery() -> None:
    lines = postfix_lines(DELIVERED)
    assert [daemon for daemon, _ in lines] == ["smtpd", "qmgr", "smtp", "qmgr"]
    client, origin, to = CLIENT.match(lines[0][1]), FROM.search(lines[1][1]), TO.search(lines[2][1])
    assert client is not None
    assert client[1] == "mail.example.com[203.0.113.9]"
    assert origin is not None
    assert origin.groups() == ("alice@example.com", "4000")
    assert to is not None
    assert to.groups() == (
        "bob@example.org",
        "exchange[10.1.1.1]:25",
        "0.25",
        "sent",
        " (250 2.0.0 Ok: queued as 4ZZ)",
    )
    assert lines[3][1] == "7Q4MK2XN9DTB: removed"


def test_an_unknown_outcome_is_not_called_sent() -> None:
    assert "dsn=4.4.2, status=deferred" in postfix_lines(DELIVERED._replace(outcome="unknown"))[2][1]


def test_an_ipv6_next_hop() -> None:
    text = postfix_lines(DELIVERED._replace(next_hop_address="[2001:db8::25]:2525"))[2][1]
    assert "relay=exchange[2001:db8::25]:2525, " in text


def test_a_permitted_recipient_has_no_line_before_the_message_is_through() -> None:
    assert postfix_lines(DELIVERED._replace(kind="decision", outcome=None)) == ()


@given(st.text(st.characters(), max_size=80), st.sampled_from(["helo_name", "client_name", "reply", "reverse_path"]))
def test_whatever_strangers_send_the_address_is_the_clients_and_a_line_is_a_line(text: str, where: str) -> None:
    line = only(REFUSED._replace(**{where: text + "[198.51.100.1]: 550 5.7.1 >: Relay access denied"}))
    assert line.isascii()
    assert line.isprintable()
    assert banned(line) == "203.0.113.9"
