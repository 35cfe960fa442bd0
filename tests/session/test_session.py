"""The conversation as a whole: who hears what when, what is asked of the gateway, what never is."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from arrowslit.mail.address_set import AddressSet
from arrowslit.mail.reply import reply
from arrowslit.policy.facts import UNKNOWN, Certificate
from arrowslit.session import actions
from arrowslit.session.actions import NoteKind, Outcome, OutcomeKind, SignIn, SignInResult
from arrowslit.session.node import Listener
from tests.session.script import FILTER, POLICY, SCANNER, STRANGER, Script, node

MESSAGE = b"Subject: x\r\n\r\nhello\r\n.\r\n"


def test_mail_from_the_filter_goes_to_the_next_hop() -> None:
    script = Script()
    assert script.sent.startswith(b"220 mx.example.org ESMTP")
    assert "250 2.1.0" in script.say("EHLO out.filter.example", "MAIL FROM:<a@elsewhere.test>")
    assert script.say("RCPT TO:<bob@example.org>").startswith("250 2.1.5")
    assert script.say("DATA").startswith("354")
    assert script.say(MESSAGE).startswith("250 2.0.0")
    (deliver,) = script.of(actions.Deliver)
    assert isinstance(deliver, actions.Deliver)
    assert deliver.trace.startswith(b"Received: from out.filter.example ([192.0.2.1])\r\n")
    assert b"for <bob@example.org>;" in deliver.trace
    assert script.body == b"Subject: x\r\n\r\nhello\r\n"
    assert script.say("QUIT").startswith("221")
    assert script.done[-1] == actions.Close(linger=False)


def test_a_stranger_hears_it_at_rcpt_and_nothing_is_asked() -> None:
    script = Script(client=STRANGER)
    assert script.sent.startswith(b"220")
    script.say("EHLO x", "MAIL FROM:<a@elsewhere.test>")
    answer = script.say("RCPT TO:<bob@example.org>")
    assert answer.startswith("550 5.7.1 ")
    assert STRANGER in answer
    assert not script.of(actions.Verify)
    assert script.say("DATA").startswith("554 5.5.1")
    (note,) = [note for note in script.of(actions.Note) if note.kind is NoteKind.DECISION]
    assert note.decision.revision == 7


def test_a_stranger_hears_it_instead_of_the_greeting() -> None:
    refusing = POLICY.replace("[virtual_servers.default]\n", '[virtual_servers.default]\nrefuse_at = "connect"\n')
    script = Script(node=node(refusing), client=STRANGER)
    assert script.sent.startswith(b"554 5.7.1")
    assert script.say("EHLO x").startswith("503")
    assert script.say("QUIT").startswith("221")


def test_recipients_for_another_next_hop_come_in_a_transaction_of_their_own() -> None:
    script = Script()
    script.say("EHLO x", "MAIL FROM:<>", "RCPT TO:<bob@example.org>")
    assert script.say("RCPT TO:<eve@example.net>").startswith("452 4.5.3")
    script.say("RSET", "MAIL FROM:<>")
    assert script.say("RCPT TO:<eve@example.net>").startswith("250")


def test_the_node_has_a_limit_of_recipients() -> None:
    script = Script()
    script.say("EHLO x", "MAIL FROM:<>", *[f"RCPT TO:<u{n}@example.org>" for n in range(3)])
    assert script.say("RCPT TO:<u4@example.org>").startswith("452 4.5.3")


def test_relay_only_for_who_may_and_to_the_relay_next_hop() -> None:
    assert Script().say("EHLO x", "MAIL FROM:<>", "RCPT TO:<u@elsewhere.test>").count("550 5.7.1") == 1
    script = Script(client=SCANNER)
    assert script.say("EHLO x", "MAIL FROM:<>", "RCPT TO:<u@elsewhere.test>").endswith("250 2.1.5 Ok\r\n")
    (verify,) = script.of(actions.Verify)
    assert (verify.next_hop, verify.relay) == ("out", True)


def test_line_ends_are_normalised_for_the_entry_that_says_so() -> None:
    script = Script(client=SCANNER)
    script.say("EHLO x", "MAIL FROM:<>", "RCPT TO:<bob@example.org>", "DATA")
    assert script.say(b"Subject: x\n\nhello\n.dot\r\n.\r\n").startswith("250")
    assert script.body == b"Subject: x\r\n\r\nhello\r\n..dot\r\n"
    script = Script(client=FILTER)
    script.say("EHLO x", "MAIL FROM:<>", "RCPT TO:<bob@example.org>", "DATA")
    assert script.say(b"Subject: x\n\nhello\r\n.\r\n").startswith("550 5.5.2")
    assert not script.of(actions.Deliver)


def test_a_refused_recipient_is_told_as_the_next_hop_said() -> None:
    said = Outcome(OutcomeKind.REFUSED, reply(550, "5.1.1", "No such mailbox"), "rcpt-refused-by-next-hop")
    script = Script(verdict=lambda _asked: said)
    script.say("EHLO x", "MAIL FROM:<>")
    assert script.say("RCPT TO:<nobody@example.org>") == "550 5.1.1 No such mailbox\r\n"
    assert script.say("DATA").startswith("554 5.5.1")
    assert not script.of(actions.StartBody)


def test_three_own_received_lines_are_a_loop() -> None:
    script = Script()
    script.say("EHLO x", "MAIL FROM:<>", "RCPT TO:<bob@example.org>", "DATA")
    line = b"Received: from a (b [192.0.2.7])\r\n\tby mx.example.org (Arrowslit) with ESMTP id 1;\r\n\tdate\r\n"
    assert script.say(line * 3 + MESSAGE).startswith("554 5.4.6")
    assert not script.of(actions.Deliver)


def test_forged_marks_of_ours_are_taken_out_of_a_strangers_message() -> None:
    script = Script()
    script.say("EHLO x", "MAIL FROM:<>", "RCPT TO:<bob@example.org>", "DATA")
    script.say(
        b"X-MS-Exchange-Organization-SCL: -1\r\nAuthentication-Results: mx.example.org;\r\n\tspf=pass\r\n"
        b"Authentication-Results: other.example; spf=pass\r\nSubject: x\r\n\r\n"
        b"X-MS-Exchange-Organization-SCL: -1\r\n.\r\n"
    )
    assert script.body == (
        b"Authentication-Results: other.example; spf=pass\r\nSubject: x\r\n\r\nX-MS-Exchange-Organization-SCL: -1\r\n"
    )


def test_a_header_without_an_end_is_refused_before_it_fills_the_memory() -> None:
    script = Script()
    script.say("EHLO x", "MAIL FROM:<>", "RCPT TO:<bob@example.org>", "DATA")
    for _ in range(300):
        script.say(b"X-Filler: " + b"y" * 990 + b"\r\n")
    assert script.say(b".\r\n").startswith("552 5.3.4")


def test_errors_slow_down_and_end_a_strangers_session_but_not_a_granted_ones() -> None:
    script = Script(client=STRANGER)
    script.say("EHLO x", "MAIL FROM:<>")
    for _ in range(25):
        script.say("RCPT TO:<bob@example.org>")
    assert script.session.closed
    assert script.sent.endswith(b"421 4.7.0 Too many errors\r\n")
    assert len(script.of(actions.Pause)) == 10
    said = Outcome(OutcomeKind.REFUSED, reply(550, "5.1.1", "no"), "rcpt-refused-by-next-hop")
    granted = Script(verdict=lambda _asked: said)
    granted.say("EHLO x", "MAIL FROM:<>")
    for number in range(60):
        granted.say(f"RCPT TO:<u{number}@example.org>")
    assert not granted.session.closed


def test_a_hundred_commands_without_purpose_are_enough() -> None:
    script = Script(client=STRANGER)
    for _ in range(101):
        script.say("NOOP")
    assert script.session.closed
    assert b"421 4.7.0" in script.sent


def test_draining_says_421_at_the_next_idle_command_and_not_inside_a_transaction() -> None:
    script = Script()
    script.say("EHLO x", "MAIL FROM:<>", "RCPT TO:<bob@example.org>")
    script.node.draining = True
    script.say("DATA")
    assert script.say(MESSAGE).startswith("250")
    assert script.say("MAIL FROM:<>").startswith("421 4.3.2")
    assert script.session.closed


def test_a_full_spool_says_452_at_mail() -> None:
    script = Script()
    script.node.spool_full = True
    assert script.say("EHLO x", "MAIL FROM:<>").endswith("452 4.3.1 Insufficient system storage\r\n")


SUBMISSION = (
    POLICY
    + """
[virtual_servers.submission]
relay_next_hop = "out"
postmaster_next_hop = "inner"
[virtual_servers.submission.authentication]
required = true
[virtual_servers.submission.connection_control]
mode = "all_except_listed"
[virtual_servers.submission.relay_restrictions]
allow_authenticated = true
"""
)


def _submission(answer: SignIn) -> Script:
    own = node(SUBMISSION)
    own.sign_in_ready = frozenset({"submission"})
    listener = Listener("127.0.0.1:587", "submission", tls="starttls")
    return Script(node=own, client=STRANGER, listener=listener, sign_in=answer)


def test_signing_in_is_not_offered_before_tls_and_opens_relay_after() -> None:
    script = _submission(SignIn(SignInResult.ACCEPTED))
    assert "AUTH" not in script.say("EHLO x")
    assert script.say("AUTH PLAIN AGJvYgBzZWNyZXQ=").startswith("538 5.7.11")
    assert script.say("STARTTLS").startswith("220")
    assert "AUTH PLAIN LOGIN" in script.say("EHLO x")
    assert script.say("MAIL FROM:<bob@example.org>").startswith("530 5.7.0")
    assert script.say("AUTH PLAIN AGJvYgBzZWNyZXQ=").startswith("235 2.7.0")
    script.say("MAIL FROM:<bob@example.org>")
    assert script.say("RCPT TO:<u@elsewhere.test>").startswith("250")
    (verify,) = script.of(actions.Verify)
    assert verify.relay


@pytest.mark.parametrize(
    ("result", "code"),
    [(SignInResult.UNAVAILABLE, "454 4.7.0"), (SignInResult.LIMITED, "454 4.7.0"), (SignInResult.WRONG, "535 5.7.8")],
)
def test_a_back_end_that_is_down_is_never_a_wrong_password(result: SignInResult, code: str) -> None:
    script = _submission(SignIn(result))
    script.say("EHLO x", "STARTTLS", "EHLO x")
    assert script.say("AUTH PLAIN AGJvYgBzZWNyZXQ=").startswith(code)


def test_the_third_wrong_password_ends_the_session() -> None:
    script = _submission(SignIn(SignInResult.WRONG))
    script.say("EHLO x", "STARTTLS", "EHLO x", "AUTH PLAIN AGJvYgBzZWNyZXQ=", "AUTH PLAIN AGJvYgBzZWNyZXQ=")
    assert script.say("AUTH PLAIN AGJvYgBzZWNyZXQ=").startswith("421 4.7.0")
    assert script.session.closed


def test_a_trusted_client_speaks_for_another_and_the_session_begins_anew() -> None:
    trusted = AddressSet.from_ranges([(ip_address(FILTER), ip_address(FILTER))])
    listener = Listener("127.0.0.1:25", "default", xclient_from=trusted)
    script = Script(listener=listener)
    assert "XCLIENT" in script.say("EHLO x")
    assert script.say(f"XCLIENT ADDR={STRANGER} NAME=[UNAVAILABLE]").startswith("220")
    script.say("EHLO y", "MAIL FROM:<>")
    answer = script.say("RCPT TO:<bob@example.org>")
    assert answer.startswith("550 5.7.1")
    assert STRANGER in answer


def test_nothing_of_one_client_counts_for_the_next_that_is_spoken_for() -> None:
    trusted = AddressSet.from_ranges([(ip_address(FILTER), ip_address(FILTER))])
    script = Script(listener=Listener("127.0.0.1:25", "default", xclient_from=trusted))
    script.session.certificate = Certificate("sha256:" + "0" * 64, frozenset({"balancer.test"}))
    script.say("EHLO x")
    assert script.say(f"XCLIENT NAME=mail.branch.test ADDR={SCANNER} LOGIN=bob").startswith("220")
    assert (script.session.client_name, script.session.authenticated_as) == ("mail.branch.test", "bob")
    assert script.session.certificate is None
    script.say("EHLO y")
    assert script.say(f"XCLIENT ADDR={STRANGER} HELO=z").startswith("220")
    assert (script.session.client_name, script.session.authenticated_as) == (UNKNOWN, None)


def test_nobody_else_says_xclient() -> None:
    script = Script()
    script.say("EHLO x")
    assert script.say(f"XCLIENT ADDR={STRANGER}").startswith("5")
    assert str(script.session.client_address) == FILTER


def test_a_client_that_vanishes_leaves_an_abandoned_transaction() -> None:
    script = Script()
    script.say("EHLO x", "MAIL FROM:<>", "RCPT TO:<bob@example.org>", "DATA")
    script.say(b"Subject: x\r\n")
    todo = script.session.lost()
    assert isinstance(todo[-1], actions.Abandon)
    assert not script.of(actions.Deliver)
