"""The server side from greeting to QUIT, and what may follow what."""

from __future__ import annotations

import pytest

from arrowslit.mail.mailbox import NULL_REVERSE_PATH, Mailbox
from arrowslit.mail.reply import reply
from arrowslit.smtp.errors import LocalProtocolError
from arrowslit.smtp.events import BodyEnd, Data, Fault, FaultKind, Hello, Mail, Noop, Quit, Rcpt, Rset, StartTls
from arrowslit.smtp.offer import Offer
from arrowslit.smtp.server import ServerEngine, ServerSettings

from .server_dialogue import EVERYTHING, GO, OK, REFUSED, Dialogue

MAILBOX = Mailbox("a", "example.org", "a@example.org")


def test_a_message_from_greeting_to_quit():
    talk = Dialogue()
    assert talk.said == b"220 mx.example.net ESMTP\r\n"
    talk.hello()
    assert talk.last == Hello("client.example.org", True)
    assert talk.say(b"mail from:<a@example.org> size=11\r\n") == OK.encode()
    assert talk.last == Mail(MAILBOX, size=11)
    assert talk.say(b"RCPT TO:<b@example.net>\r\n") == OK.encode()
    assert talk.say(b"DATA\r\n") == GO.encode()
    assert talk.say(b"a: b\r\n\r\n..c\r\n.\r\n") == OK.encode()
    assert talk.body == b"a: b\r\n\r\n..c\r\n"
    assert talk.last == BodyEnd(12, False)
    talk.say(b"QUIT\r\n")
    assert talk.last == Quit()
    assert talk.engine.closed
    talk.say(b"NOOP\r\n")
    assert talk.last == Quit()


def test_a_pipelined_group_is_answered_in_order():
    talk = Dialogue().hello()
    said = talk.say(b"MAIL FROM:<>\r\nRCPT TO:<b@example.net>\r\nRCPT TO:<c@example.net>\r\nDATA\r\n")
    assert said == OK.encode() * 3 + GO.encode()
    assert [type(event) for event in talk.events[1:]] == [Mail, Rcpt, Rcpt, Data]
    assert talk.events[1].reverse_path is NULL_REVERSE_PATH


def test_the_next_transaction_may_lie_behind_the_final_dot():
    talk = Dialogue().message()
    talk.say(b"x\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.net>\r\n")
    assert [type(event) for event in talk.events[-3:]] == [BodyEnd, Mail, Rcpt]


def test_a_message_without_a_line_is_a_message():
    talk = Dialogue().message()
    talk.say(b".\r\n")
    assert talk.last == BodyEnd(0, False)
    assert talk.body == b""


def test_nothing_behind_an_event_is_looked_at_before_its_answer():
    talk = Dialogue().hello()
    talk.hear(b"NOOP\r\nRSET\r\n")
    assert talk.last == Noop("NOOP")
    assert talk.engine.next_event() is None
    assert talk.engine.buffered == 6
    talk.engine.answer(OK)
    assert talk.engine.next_event() == Rset()


@pytest.mark.parametrize(
    ("flights", "code"),
    [
        ([b"MAIL FROM:<>\r\n"], 503),
        ([b"RCPT TO:<b@example.net>\r\n"], 503),
        ([b"EHLO x\r\n", b"RCPT TO:<b@example.net>\r\n"], 503),
        ([b"EHLO x\r\n", b"DATA\r\n"], 503),
        ([b"EHLO x\r\n", b"MAIL FROM:<>\r\n", b"MAIL FROM:<>\r\n"], 503),
        ([b"EHLO x\r\n", b"MAIL FROM:<>\r\n", b"DATA\r\n"], 503),
        ([b"EHLO x\r\n", b"MAIL FROM:<>\r\n", b"AUTH PLAIN =\r\n"], 503),
        ([b"EHLO x\r\n", b"MAIL FROM:<>\r\n", b"STARTTLS\r\n"], 503),
        ([b"EHLO x\r\n", b"MAIL FROM:<>\r\n", b"XCLIENT NAME=a\r\n"], 503),
        ([b"HELO x\r\n", b"STARTTLS\r\n"], 503),
        ([b"STARTTLS\r\n"], 503),
        ([b"EHLO x\r\n", b"ETRN x\r\n"], 502),
        ([b"EHLO x\r\n", b"NONSENSE\r\n"], 500),
        ([b"EHLO\r\n"], 501),
        ([b"EHLO x\r\n", b"MAIL FROM:<>\r\n", b"RCPT TO:<b@example.net>\r\n", b"DATA now\r\n"], 501),
    ],
)
def test_commands_out_of_order_are_refused(flights, code):
    talk = Dialogue(EVERYTHING)
    for flight in flights[:-1]:
        assert talk.say(flight).startswith(b"250")
    assert talk.say(flights[-1]).startswith(b"%d " % code)
    assert isinstance(talk.last, Fault)
    assert not talk.engine.closed


def test_data_after_refused_recipients_only():
    talk = Dialogue().hello()
    talk.say(b"MAIL FROM:<>\r\n")
    talk.answer = lambda event: REFUSED if isinstance(event, Rcpt) else event.reply
    assert talk.say(b"RCPT TO:<b@example.net>\r\nDATA\r\n") == REFUSED.encode() + b"554 5.5.1 No valid recipients\r\n"


def test_a_refused_mail_opens_no_transaction():
    talk = Dialogue().hello()
    talk.answer = lambda event: REFUSED if isinstance(event, Mail) else event.reply
    talk.say(b"MAIL FROM:<>\r\nRCPT TO:<b@example.net>\r\n")
    assert talk.last.kind is FaultKind.SEQUENCE


@pytest.mark.parametrize("reset", [b"RSET\r\n", b"EHLO again\r\n", b"HELO again\r\n"])
def test_what_ends_a_transaction(reset):
    talk = Dialogue().transaction()
    talk.say(reset)
    talk.say(b"RCPT TO:<b@example.net>\r\n")
    assert talk.last.kind is FaultKind.SEQUENCE
    talk.say(b"MAIL FROM:<>\r\n")
    assert isinstance(talk.last, Mail)


def test_rset_before_ehlo_leaves_ehlo_due():
    talk = Dialogue()
    talk.say(b"RSET\r\nMAIL FROM:<>\r\n")
    assert talk.last.reply.code == 503


def test_a_refused_data_leaves_the_transaction():
    talk = Dialogue().transaction()
    talk.answer = lambda event: reply(451, "4.3.0", "Later")
    assert talk.say(b"DATA\r\n") == b"451 4.3.0 Later\r\n"
    talk.answer = lambda event: GO
    talk.say(b"DATA\r\n")
    assert talk.last == Data()


@pytest.mark.parametrize("code", [554, 421])
def test_a_refusing_greeting_leaves_only_quit(code):
    talk = Dialogue(greet=False)
    talk.engine.greet(reply(code, "", "No"))
    assert talk.say(b"EHLO x\r\n").startswith(b"503")
    assert talk.say(b"NOOP\r\n").startswith(b"503")
    talk.say(b"QUIT\r\n")
    assert talk.last == Quit()


def test_ehlo_says_the_offer_and_helo_does_not():
    talk = Dialogue(EVERYTHING)
    assert talk.say(b"EHLO x\r\n") == (
        b"250-mx.example.net at your service\r\n250-PIPELINING\r\n250-SIZE 100000\r\n250-STARTTLS\r\n"
        b"250-AUTH PLAIN LOGIN\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n"
        b"250-CHUNKING\r\n250 XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT REVERSE_NAME\r\n"
    )
    assert talk.say(b"HELO x\r\n") == b"250 mx.example.net at your service\r\n"
    assert talk.say(b"MAIL FROM:<> BODY=8BITMIME\r\n").startswith(b"555 5.5.4")


def test_limits_is_said_when_asked_for():
    talk = Dialogue(Offer(size=0, one_recipient_domain=True))
    said = talk.say(b"EHLO x\r\n")
    assert b"250 LIMITS RCPTDOMAINMAX=1\r\n" in said
    assert b"250-SIZE\r\n" in said


def test_a_changed_offer_is_obeyed_at_once():
    talk = Dialogue().hello()
    assert talk.say(b"MAIL FROM:<> RET=FULL\r\n").startswith(b"555")
    talk.engine.set_offer(Offer(dsn=True))
    talk.say(b"MAIL FROM:<> ret=FULL ENVID=QQ314159\r\n")
    assert talk.last.dsn == (("RET", "FULL"), ("ENVID", "QQ314159"))


@pytest.mark.parametrize("verb", ["NOOP", "VRFY", "EXPN", "HELP"])
def test_commands_without_effect(verb):
    talk = Dialogue()
    talk.say(f"{verb.lower()} something\r\n".encode())
    assert talk.last == Noop(verb)


def test_starttls_forgets_ehlo_and_buffers():
    talk = Dialogue(Offer(starttls=True)).hello()
    assert talk.say(b"STARTTLS\r\n") == b"220 2.0.0 Ready\r\n"
    assert talk.last == StartTls()
    assert talk.engine.handshake_due
    talk.hear(b"NOOP\r\n")
    assert talk.last == StartTls()
    talk.engine.tls_started()
    talk.engine.set_offer(Offer())
    assert talk.say(b"MAIL FROM:<>\r\n").startswith(b"503")
    assert talk.say(b"EHLO x\r\n").startswith(b"250-")
    assert talk.say(b"STARTTLS\r\n").startswith(b"503 5.5.1 TLS is active")


def test_smtputf8_holds_for_its_transaction_only():
    talk = Dialogue(EVERYTHING).hello()
    recipient = "RCPT TO:<ü@example.net>\r\n".encode()
    assert talk.say(b"MAIL FROM:<> SMTPUTF8\r\n" + recipient) == OK.encode() * 2
    assert talk.last == Rcpt(Mailbox("ü", "example.net", "ü@example.net"))
    assert talk.say(b"RSET\r\nMAIL FROM:<>\r\n" + recipient).endswith(
        b"553 5.6.7 A non-ASCII address needs SMTPUTF8\r\n"
    )


def test_tls_from_the_start():
    talk = Dialogue(greet=False)
    talk.hear(b"plain")
    talk.engine.tls_started()
    assert talk.engine.buffered == 0
    talk.engine.greet(OK)
    talk.hello()
    assert isinstance(talk.last, Hello)


def test_421_ends_the_conversation():
    talk = Dialogue().hello()
    talk.answer = lambda event: reply(421, "4.3.2", "Going down")
    talk.say(b"NOOP\r\nNOOP\r\n")
    assert talk.engine.closed
    assert talk.said.endswith(b"421 4.3.2 Going down\r\n")
    assert talk.events.count(Noop("NOOP")) == 1


def test_close_ends_it_at_any_time():
    talk = Dialogue().message()
    assert talk.engine.close(reply(421, "4.4.2", "Timed out")) == b"421 4.4.2 Timed out\r\n"
    talk.say(b"x\r\n.\r\n")
    assert not talk.body


class TestMistakesOfTheCaller:
    def test_an_answer_that_nothing_awaits(self):
        with pytest.raises(LocalProtocolError):
            Dialogue().engine.answer(OK)

    @pytest.mark.parametrize(
        ("line", "code"), [(b"NOOP\r\n", 354), (b"EHLO x\r\n", 220 + 100), (b"MAIL FROM:<>\r\n", 354)]
    )
    def test_a_code_that_is_no_answer(self, line, code):
        talk = Dialogue().hello()
        talk.hear(line)
        with pytest.raises(LocalProtocolError):
            talk.engine.answer(reply(code, "", "x"))

    def test_250_to_data(self):
        talk = Dialogue().transaction()
        talk.hear(b"DATA\r\n")
        with pytest.raises(LocalProtocolError):
            talk.engine.answer(OK)

    def test_success_for_a_message_that_broke_a_rule(self):
        talk = Dialogue().message()
        talk.hear(b"a\nb\r\n.\r\n")
        with pytest.raises(LocalProtocolError):
            talk.engine.answer(OK)
        assert talk.engine.answer(REFUSED) == REFUSED.encode()

    def test_two_greetings(self):
        with pytest.raises(LocalProtocolError):
            Dialogue().engine.greet(OK)

    def test_greeting_before_the_proxy_header(self):
        engine = ServerEngine(ServerSettings("mx.example.net", expect_proxy=True), Offer())
        with pytest.raises(LocalProtocolError):
            engine.greet(OK)

    def test_tls_that_nobody_asked_for(self):
        with pytest.raises(LocalProtocolError):
            Dialogue().hello().engine.tls_started()

    def test_auth_that_nobody_asked_for(self):
        with pytest.raises(LocalProtocolError):
            Dialogue().hello().engine.proceed_auth()

    def test_answer_hello_without_one(self):
        with pytest.raises(LocalProtocolError):
            Dialogue().engine.answer_hello("x")
