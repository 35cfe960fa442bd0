"""What a peer may not do (gateway-behaviour 5): line ends, lengths, waiting, other protocols."""

from __future__ import annotations

import pytest

from arrowslit.smtp.events import BodyEnd, Fault, FaultKind, Hello, Noop, Quit, Rcpt, StartTls
from arrowslit.smtp.offer import Offer
from arrowslit.smtp.server import HELD_OCTETS, ServerSettings

from .server_dialogue import EVERYTHING, GO, OK, READY, REFUSED, Dialogue

# What some server once took for the end of a message. Each stands in the middle of one.
SMUGGLED = [
    b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\n.\r", b"\r.\n",
    b"\r\n\x00.\r\n", b"\r\n.\x00\r\n", b"\r\n.\r\x00\n", b"\r\n\x00\n.\r\n", b"\x00\n.\n", b"\r\r\n.\r\r\n",
    b"\n\n.\n\n", b"\r\n.\r\r\n", b"\r\n.\n\r\n",
]  # fmt: skip


@pytest.mark.parametrize("vector", SMUGGLED, ids=repr)
@pytest.mark.parametrize("byte_by_byte", [False, True])
def test_no_smuggled_end_ends_a_message(vector, byte_by_byte):
    wire = b"a: b\r\n\r\nfirst" + vector + b"MAIL FROM:<evil@example.org>\r\nmore\r\n.\r\n"
    talk = Dialogue().message()
    said = talk.say(wire, range(len(wire)) if byte_by_byte else ())
    assert said == b"550 5.5.2 The message has a bare CR, a bare LF or a NUL\r\n"
    assert isinstance(talk.last, BodyEnd)
    assert talk.last.fault.kind is FaultKind.BARE_LINE_END
    assert not any(vector in chunk for chunk in [talk.body])
    talk.say(b"NOOP\r\n")
    assert talk.last == Noop("NOOP")


@pytest.mark.parametrize(
    "message", [b"a.\r\nb", b"a\r\n..\r\n.b", b".a\r\n", b"..\r\n", b"", b"\r\n\r\n..\r\n..."], ids=repr
)
def test_the_end_is_found_wherever_the_message_is_cut_in_three(message):
    wire = message + (b"\r\n.\r\n" if message and not message.endswith(b"\r\n") else b".\r\n")
    for first in range(len(wire)):
        for second in range(first, len(wire)):
            talk = Dialogue().message()
            talk.hear(wire, [first, second])
            assert talk.body == wire[:-3]
            assert isinstance(talk.last, BodyEnd) and talk.last.fault is None


@pytest.mark.parametrize(
    ("wire", "body"),
    [
        (b"a\nb\r\n", b"a\r\nb\r\n"),
        (b"a\n.\nb\r\n", b"a\r\n..\r\nb\r\n"),
        (b"a\n.\r\nb\r\n", b"a\r\n..\r\nb\r\n"),
        (b"a\r\n.\nb\r\n", b"a\r\n..\r\nb\r\n"),
        (b".\nb\r\n", b"..\r\nb\r\n"),
        (b"\n.\n.\n\r\n", b"\r\n..\r\n..\r\n\r\n"),
        (b"a\r\n..b\n.c\r\n", b"a\r\n..b\r\n..c\r\n"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("byte_by_byte", [False, True])
def test_normalised_line_ends_make_no_end(wire, body, byte_by_byte):
    talk = Dialogue().transaction()
    talk.engine.normalise_line_ends(True)
    talk.say(b"DATA\r\n")
    wire += b".\r\n"
    assert talk.say(wire, range(len(wire)) if byte_by_byte else ()) == OK.encode()
    assert talk.body == body
    talk.say(b"MAIL FROM:<>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n")
    assert talk.say(b"a\nb\r\n.\r\n").startswith(b"550 5.5.2")  # for that message only


@pytest.mark.parametrize("vector", [b"\r", b"\r.\r\n", b"\r\r\n", b"\x00", b"\n\r"], ids=repr)
def test_bare_cr_and_nul_are_never_normalised(vector):
    talk = Dialogue().transaction()
    talk.engine.normalise_line_ends(True)
    talk.say(b"DATA\r\n")
    assert talk.say(b"a" + vector + b"b\r\n.\r\n").startswith(b"550 5.5.2")


@pytest.mark.parametrize(
    "line", [b"NO\rOP", b"NOOP\n", b"NOOP \x00", b"\nNOOP"[1:] + b"\r", b"MAIL FROM:<a\n@example.org>"], ids=repr
)
def test_commands_with_bare_line_ends(line):
    talk = Dialogue().hello()
    assert talk.say(line + b"\r\n").startswith(b"500 5.5.2 ")
    assert talk.last.kind is FaultKind.BARE_LINE_END
    talk.say(b"NOOP\r\n")
    assert talk.last == Noop("NOOP")


def test_a_bare_lf_ends_no_command():
    talk = Dialogue().hello()
    talk.say(b"NOOP\nRSET\n")
    assert isinstance(talk.last, Hello)


class TestLengths:
    @pytest.mark.parametrize(("octets", "fault"), [(998, False), (999, False), (65_536, False), (65_537, True)])
    @pytest.mark.parametrize("piece", [0, 1000])
    def test_text_lines(self, octets, fault, piece):
        wire = b"x" * octets + b"\r\nshort\r\n.\r\n"
        talk = Dialogue().message()
        talk.say(wire, range(0, len(wire), piece) if piece else ())
        assert isinstance(talk.last, BodyEnd)
        assert (talk.last.fault is not None) is fault
        assert talk.said.endswith(b"550 5.6.0 The message has a line that is too long\r\n") is fault

    @pytest.mark.parametrize(
        ("verb", "limit"), [(b"NOOP ", 512), (b"EHLO ", 512), (b"MAIL FROM:", 1172), (b"RCPT TO:", 1047)]
    )
    def test_commands(self, verb, limit):
        talk = Dialogue(EVERYTHING).hello()
        talk.say(verb + b"x" * (limit - 2 - len(verb)) + b"\r\n")
        assert getattr(talk.last, "kind", None) is not FaultKind.TOO_LONG
        assert talk.say(verb + b"x" * (limit - 1 - len(verb)) + b"\r\n").startswith(b"500 5.5.2 ")
        assert talk.last.kind is FaultKind.TOO_LONG

    @pytest.mark.parametrize("piece", [1_000_000, 4096, 1])
    def test_a_line_without_an_end_is_drained_and_not_kept(self, piece):
        talk = Dialogue().hello()
        line = b"NOOP " + b"x" * 40_000
        for start in range(0, len(line), piece):
            talk.say(line[start : start + piece])
            assert talk.engine.buffered <= 16_384
        talk.say(b"\r\nRSET\r\n")
        assert [type(event).__name__ for event in talk.events[-2:]] == ["Fault", "Rset"]
        assert talk.events[-2].kind is FaultKind.TOO_LONG

    def test_what_ends_an_overlong_line_is_no_command(self):
        talk = Dialogue().hello()
        talk.say(b"x" * 20_000)
        assert talk.say(b"NOOP\r\n").startswith(b"500 5.5.2")

    def test_size_counts_what_comes(self):
        talk = Dialogue(Offer(size=100)).message()
        talk.say(b"x" * 98 + b"\r\n.\r\n")
        assert talk.last == BodyEnd(100, False)
        talk.say(b"MAIL FROM:<>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n")
        assert talk.say(b"x" * 99 + b"\r\n.\r\n") == b"552 5.3.4 Message size exceeds the limit\r\n"
        assert talk.last.fault.kind is FaultKind.TOO_BIG

    def test_size_is_believed_at_mail(self):
        talk = Dialogue(Offer(size=100)).hello()
        assert talk.say(b"MAIL FROM:<> SIZE=101\r\n").startswith(b"552 5.3.4")
        assert talk.say(b"MAIL FROM:<> SIZE=100\r\n") == OK.encode()

    def test_stuffing_is_not_counted(self):
        talk = Dialogue(Offer(size=100)).message()
        talk.say(b"..\r\n" * 33 + b".\r\n")
        assert talk.last == BodyEnd(99, False)


class TestWaiting:
    def test_talking_before_the_greeting(self):
        talk = Dialogue(greet=False)
        talk.hear(b"EHLO x\r\n")
        assert talk.events == []
        talk.engine.greet(READY)
        talk.poll()
        assert talk.last.kind is FaultKind.EARLY_TALKER
        talk.settle()
        assert talk.said.startswith(b"554 5.5.0 ")
        assert talk.engine.closed

    @pytest.mark.parametrize(
        ("flight", "kind"),
        [
            (b"EHLO x\r\nMAIL FROM:<>\r\n", FaultKind.PIPELINING),
            (b"HELO x\r\nM", FaultKind.PIPELINING),
            (b"STARTTLS\r\nEHLO injected\r\n", FaultKind.BUFFERED_BEHIND_TLS),
            (b"AUTH PLAIN =\r\nx", FaultKind.PIPELINING),
            (b"XCLIENT NAME=x\r\nx", FaultKind.PIPELINING),
            (b"MAIL FROM:<>\r\nRCPT TO:<b@example.net>\r\nDATA\r\nx\r\n.\r\n", FaultKind.PIPELINING),
            (b"DATA\r\nSubject: x\r\n.\r\n", FaultKind.PIPELINING),
            (b"MAIL FROM:<>\r\nRCPT TO:<>\r\nDATA\r\nRCPT TO:<b@example.net>\r\n", FaultKind.PIPELINING),
        ],
    )
    def test_pipelining_past_what_must_be_waited_for(self, flight, kind):
        talk = Dialogue(EVERYTHING).hello()
        said = talk.say(flight)
        assert talk.last.kind is kind
        assert said.endswith(talk.last.reply.encode())
        assert b"354" not in said and b"220" not in said
        assert talk.last.reply.code == 554
        assert talk.engine.closed

    @pytest.mark.parametrize("command", [b"EHLO x\r\n", b"STARTTLS\r\n", b"AUTH PLAIN\r\n"])
    def test_octets_that_come_while_the_answer_is_made(self, command):
        talk = Dialogue(EVERYTHING).hello()
        talk.hear(command)
        talk.engine.receive(b"NOOP\r\n")
        assert talk.say(b"").startswith(b"554 5.5.0")
        assert talk.engine.closed
        assert not talk.engine.handshake_due

    def test_a_refused_command_hides_nothing_behind_it(self):
        talk = Dialogue(EVERYTHING).hello()
        talk.answer = lambda event: REFUSED if not isinstance(event, Fault) else event.reply
        assert talk.say(b"AUTH PLAIN AGEAYg==\r\nMAIL FROM:<>\r\n").startswith(b"554 5.5.0")
        assert [type(event) for event in talk.events[1:]] == [Fault]

    @pytest.mark.parametrize("command", [b"EHLO x\r\n", b"STARTTLS\r\n", b"AUTH PLAIN\r\n"])
    def test_a_flood_behind_what_must_be_waited_for(self, command):
        talk = Dialogue(EVERYTHING).hello()
        talk.hear(command)
        for _ in range(20):
            talk.engine.receive(b"NOOP\r\n" * 1000)
        assert talk.engine.buffered == 0
        assert talk.say(b"").startswith(b"554 5.5.0")
        assert talk.engine.closed

    def test_nothing_is_kept_behind_a_fault_that_closes(self):
        talk = Dialogue()
        talk.hear(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert talk.engine.buffered == 0

    def test_octets_before_354(self):
        talk = Dialogue().transaction()
        talk.hear(b"DATA\r\n")
        talk.engine.receive(b"Subject: x\r\n.\r\n")
        assert talk.engine.answer(GO) == b""
        talk.poll()
        assert talk.last.kind is FaultKind.PIPELINING

    def test_tls_that_was_started_all_the_same_saves_no_octet(self):
        talk = Dialogue(EVERYTHING).hello()
        talk.hear(b"STARTTLS\r\n")
        talk.engine.receive(b"EHLO injected\r\n")
        assert talk.engine.answer(READY) == b""
        talk.engine.tls_started()
        talk.poll()
        assert talk.last.kind is FaultKind.BUFFERED_BEHIND_TLS
        assert talk.engine.buffered == 0

    def test_quit_may_have_something_behind_it(self):
        talk = Dialogue().hello()
        talk.say(b"QUIT\r\nGET /\r\n")
        assert talk.last == Quit()

    def test_a_flood_while_an_answer_is_awaited(self):
        talk = Dialogue().transaction()
        talk.hear(b"RCPT TO:<c@example.net>\r\n")
        for _ in range(100):
            talk.engine.receive(b"NOOP\r\n" * 1000)
            assert talk.engine.buffered < HELD_OCTETS + 6000
        assert isinstance(talk.last, Rcpt)
        assert talk.say(b"").startswith(OK.encode() + b"554 5.5.0")
        assert talk.engine.closed

    def test_a_flood_before_the_greeting(self):
        talk = Dialogue(greet=False)
        for _ in range(100):
            talk.engine.receive(b"NOOP\r\n" * 1000)
            assert talk.engine.buffered < HELD_OCTETS + 6000
        talk.engine.greet(READY)
        talk.poll()
        assert talk.last.kind is FaultKind.EARLY_TALKER


class TestOtherProtocols:
    @pytest.mark.parametrize(
        "line",
        [
            b"GET / HTTP/1.1\r\n", b"POST /x HTTP/1.0\r\n", b"connect a:25 HTTP/1.1\r\n", b"PRI * HTTP/2.0\r\n",
            b"Host: mx.example.net\r\n", b"Received: from x\r\n", b"X:\r\n", b"1234\r\n", b" EHLO x\r\n",
            b"\x16\x03\x01\x02\x00", b"\x80\x9e", b"\rEHLO x\r\n", b"\n", b"*1\r\n", b"\xc3\xa4\r\n",
        ],
        ids=repr,
    )  # fmt: skip
    @pytest.mark.parametrize("byte_by_byte", [False, True])
    def test_is_told_so_and_closed(self, line, byte_by_byte):
        talk = Dialogue()
        said = talk.say(line, range(len(line)) if byte_by_byte else ())
        assert said == b"221 2.7.0 This is an SMTP server, goodbye\r\n"
        assert talk.last.kind is FaultKind.NOT_SMTP
        assert talk.engine.closed

    def test_an_empty_line_is_a_syntax_error(self):
        talk = Dialogue().hello()
        assert talk.say(b"\r\n", [1]).startswith(b"500 5.5.2")
        assert not talk.engine.closed

    def test_a_proxy_header_that_nobody_expects(self):
        talk = Dialogue()
        assert talk.say(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n").startswith(b"554 5.5.0")
        assert talk.engine.closed


def test_settings_move_the_limits():
    settings = ServerSettings("mx.example.net", command_octets=100, text_line_octets=10)
    talk = Dialogue(settings=settings).message()
    talk.say(b"x" * 11 + b"\r\n.\r\n")
    assert talk.last.fault.kind is FaultKind.LINE_LENGTH
    talk.say(b"NOOP " + b"x" * 100 + b"\r\n")
    assert talk.last.kind is FaultKind.TOO_LONG


def test_starttls_is_an_event_of_its_own():
    talk = Dialogue(EVERYTHING).hello()
    talk.hear(b"STARTTLS\r\n")
    assert talk.last == StartTls()
    assert talk.say(b"").startswith(b"220 ")
