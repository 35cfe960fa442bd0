"""The mail log in Postfix's words: what a log reader needs to find in a line, found by a small reader of our own.

The reader goes by the shape of the lines that Postfix documents and writes (smtpd's "reject:" and "too many errors",
"warning: ... SASL ... authentication failed"), and takes the address from where the client stands, nowhere else.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.observe.postfix_line import postfix_lines
from arrowslit.observe.record import Record

COMMANDS = frozenset({"RCPT", "MAIL", "HELO", "EHLO", "DATA", "VRFY"})
"""Commands whose refusal log readers count against the client; END-OF-MESSAGE is about content."""

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


def client_in(text: str) -> str | None:
    """The address in the first NAME[ADDRESS] of `text`."""
    _, opened, rest = text.partition("[")
    address, closed, _ = rest.partition("]")
    return address if opened and closed else None


def banned(text: str) -> str | None:
    """The address that a log reader would count a refusal against, or None."""
    _, refused, rest = text.partition(": reject: ")
    if not refused:
        _, refused, rest = text.partition("too many errors after ")
    command, _, client = rest.partition(" from ")
    return client_in(client) if refused and command in COMMANDS else None


def fields(text: str) -> dict[str, str]:
    """The `name=value` parts of a delivery's line, in angle brackets or not; the rest behind `status`."""
    parts = text.partition(": ")[2].split(", ")
    return {name: value.strip("<>") for name, _, value in (part.partition("=") for part in parts)}


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
def test_a_log_reader_finds_the_address(reason: str, code: int, enhanced: str) -> None:
    assert banned(only(REFUSED._replace(reason=reason, code=code, enhanced=enhanced))) == "203.0.113.9"


def test_a_refusal_to_connect_that_is_told_at_rcpt_is_a_line_of_rcpt() -> None:
    text = only(REFUSED._replace(stage="connect"))
    assert text.startswith("NOQUEUE: reject: RCPT from ")
    assert banned(text) == "203.0.113.9"
    early = only(REFUSED._replace(stage="connect", forward_path=None, reverse_path=None))
    assert early.startswith("NOQUEUE: reject: CONNECT from ")


def test_a_log_reader_finds_an_ipv6_address() -> None:
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
    warning, _, rest = only(REFUSED._replace(kind="sign-in", reason="wrong")).partition(": ")
    assert warning == "warning"
    assert client_in(rest) == "203.0.113.9"
    assert rest.partition("]: ")[2].startswith("SASL LOGIN authentication failed: ")
    assert postfix_lines(REFUSED._replace(kind="sign-in", action="permit")) == ()


def test_content_refused_after_the_dot_bans_nobody() -> None:
    text = only(DELIVERED._replace(action="reject", outcome="refused", code=550, enhanced="5.7.1", reply="spam"))
    assert text.startswith("NOQUEUE: reject: END-OF-MESSAGE from mail.example.com[203.0.113.9]: 550 5.7.1 ")
    assert banned(text) is None


def test_a_delivery_in_four_lines() -> None:
    lines = postfix_lines(DELIVERED)
    assert [daemon for daemon, _ in lines] == ["smtpd", "qmgr", "smtp", "qmgr"]
    client, origin, to = (fields(text) for _, text in lines[:3])
    assert client["client"] == "mail.example.com[203.0.113.9]"
    assert (origin["from"], origin["size"]) == ("alice@example.com", "4000")
    assert (to["to"], to["relay"]) == ("bob@example.org", "exchange[10.1.1.1]:25")
    assert (to["delay"], to["status"]) == ("0.25", "sent (250 2.0.0 Ok: queued as 4ZZ)")
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
