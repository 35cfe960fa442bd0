"""What holds for any octets in any pieces."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.mail.reply import Reply, reply
from arrowslit.smtp.bdat import BdatReader
from arrowslit.smtp.events import BodyChunk, BodyEnd, Fault
from arrowslit.smtp.message import DataReader
from arrowslit.smtp.offer import Offer
from arrowslit.smtp.server import HELD_OCTETS, ServerSettings

from .server_dialogue import EVERYTHING, Dialogue, agree

# Octets that mean something, so that what is drawn comes near to the rules' edges.
TOKENS = [b"\r\n", b"\r\n.\r\n", b"\r", b"\n", b".", b"..", b"\r\n.", b"\x00", b"a", b"text ", b"\xe4", b"x" * 30]
pieces = st.lists(st.sampled_from(TOKENS), max_size=25).map(b"".join)
clean_lines = st.lists(st.sampled_from([b"", b".", b"..", b".a", b"a", b"b.c", b"\xe4", b"x" * 60]), max_size=12)
cuts = st.lists(st.integers(0, 400), max_size=12)
COMMANDS = [
    b"EHLO x", b"HELO y", b"MAIL FROM:<>", b"MAIL FROM:<a@example.org> SIZE=5 BODY=8BITMIME SMTPUTF8", b"NOOP",
    b"RCPT TO:<b@example.net>", b"RCPT TO:<b@example.net> NOTIFY=NEVER", b"RCPT TO:<postmaster>", b"DATA", b"RSET",
    b"BDAT 3", b"BDAT 5 LAST", b"BDAT 0", b"BDAT 0 LAST", b"BDAT x", b"QUIT", b"STARTTLS", b"AUTH PLAIN", b"AUTH LOGIN",
    b"AUTH PLAIN AGEAYg==", b"XCLIENT NAME=a ADDR=192.0.2.1", b"VRFY x", b"NONSENSE", b"GET /", b"A: b", b"", b"\xff",
    b"NO\nOP", b"AGEAYg==", b"*", b".", b"..", b"PROXY x", b"x" * 600, b"\x16\x03",
]  # fmt: skip
command_flights = st.lists(st.sampled_from([command + b"\r\n" for command in COMMANDS]), max_size=10)
small = ServerSettings("mx.example.net", command_octets=512, text_line_octets=40)


def shape(talk: Dialogue) -> tuple[object, ...]:
    """Events and octets said, without what a faulty message had let through before it was found out."""
    faulty = any(isinstance(event, BodyEnd) and event.fault for event in talk.events)
    events = [event for event in talk.events if not (faulty and isinstance(event, BodyChunk))]
    return (events, talk.said, talk.engine.closed, talk.engine.buffered)


@given(pieces, cuts, st.booleans())
def test_the_pieces_a_message_comes_in_mean_nothing(wire, where, normalise):
    whole, cut, single = (Dialogue(Offer(size=150), small).transaction() for _ in range(3))
    for talk, places in ((whole, ()), (cut, where), (single, range(500))):
        talk.engine.normalise_line_ends(normalise)
        talk.say(b"DATA\r\n")
        talk.hear(wire + b"\r\n.\r\n", places)
    assert shape(whole) == shape(cut) == shape(single)


@given(pieces, pieces, cuts, st.booleans())
def test_the_pieces_that_chunks_come_in_mean_nothing(first, second, where, normalise):
    wire = b"BDAT %d\r\n%bBDAT 0\r\nBDAT %d LAST\r\n%b" % (len(first), first, len(second), second)
    talks = [Dialogue(Offer(size=150, chunking=True), small).transaction() for _ in range(3)]
    for talk, places in zip(talks, ((), where, range(1000)), strict=True):
        talk.engine.normalise_line_ends(normalise)
        talk.say(wire, places)
    assert shape(talks[0]) == shape(talks[1]) == shape(talks[2])


def at(stage: str, settings: ServerSettings | None = None) -> Dialogue:
    talk = Dialogue(EVERYTHING, settings)
    if stage == "auth":
        talk.hello().say(b"AUTH LOGIN\r\n")
    elif stage == "chunks":
        talk.transaction().say(b"BDAT 1\r\nx")
    elif stage != "greeted":
        getattr(talk, stage)()
    return talk


stages = st.sampled_from(["greeted", "hello", "transaction", "message", "auth", "chunks"])


@given(stages, st.lists(st.tuples(command_flights.map(b"".join), cuts), max_size=8))
def test_the_pieces_that_commands_come_in_mean_nothing(stage, flights):
    """Each flight is answered once it has come whole, as a client sees it that sends all of it at once."""
    whole, cut, single = at(stage), at(stage), at(stage)
    for flight, places in flights:
        whole.say(flight)
        cut.engine_pieces(flight, places)
        single.engine_pieces(flight, range(len(flight)))
    assert shape(whole) == shape(cut) == shape(single)


@given(stages, st.lists(command_flights.map(b"".join) | st.binary(max_size=60) | pieces, max_size=12), st.randoms())
def test_no_octets_make_the_engine_raise(stage, flights, random):
    talk = at(stage, small)

    def answer(event: object) -> Reply:
        agreed = agree(event)
        return agreed if random.random() < 0.8 else reply(random.choice([450, 550]), "", "No")

    talk.answer = answer
    for flight in flights:
        talk.say(flight)
        if talk.engine.handshake_due:
            talk.engine.tls_started()
        assert talk.engine.buffered <= HELD_OCTETS
    for event in talk.events:
        if isinstance(event, Fault):
            assert event.reply is not None and event.reply.encode().endswith(b"\r\n")


@given(clean_lines, cuts)
def test_a_clean_message_comes_through_unchanged(lines, where):
    message = b"".join(line + b"\r\n" for line in lines)
    stuffed = b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines)
    talk = Dialogue().message()
    talk.hear(stuffed + b".\r\n", where)
    assert talk.body == stuffed
    assert talk.last == BodyEnd(len(message), not message.isascii())


@given(clean_lines, st.lists(st.integers(0, 300), max_size=4), st.booleans())
def test_chunks_become_the_form_of_data(lines, where, last_line_ended):
    message = b"\r\n".join(lines) + (b"\r\n" if last_line_ended else b"")
    places = sorted({place for place in where if place < len(message)})
    parts = [message[a:b] for a, b in zip([0, *places], [*places, len(message)], strict=True)]
    talk = Dialogue(Offer(chunking=True)).transaction()
    for number, part in enumerate(parts, 1):
        talk.say(b"BDAT %d%b\r\n" % (len(part), b" LAST" if number == len(parts) else b"") + part)
    ended = message if message.endswith(b"\r\n") or not message else message + b"\r\n"
    assert unstuffed(talk.body) == ended
    assert talk.last == BodyEnd(len(ended), not message.isascii())


def unstuffed(body: bytes) -> bytes:
    assert body.endswith(b"\r\n") or not body
    lines = body.split(b"\r\n")[:-1]
    assert b"." not in lines
    return b"".join(line.removeprefix(b".") + b"\r\n" for line in lines)


@given(pieces)
def test_whatever_passes_has_one_reading(wire):
    """A message without fault has no octet that could end a line or the message in another server's eyes."""
    talk = Dialogue().message()
    talk.hear(wire + b"\r\n.\r\n")
    end = next(event for event in talk.events if isinstance(event, BodyEnd))
    text = (wire + b"\r\n.\r\n").partition(b"\r\n.\r\n")[0] if not wire.startswith(b".\r\n") else b""
    bare = any(c in text.replace(b"\r\n", b"") for c in (b"\r", b"\n", b"\x00"))
    bare = bare or text.endswith(b"\r")
    assert (end.fault is not None) is bare
    if not bare:
        assert b"\r\n.\r\n" not in b"\r\n" + talk.body


@given(pieces, cuts)
def test_normalised_line_ends_have_one_reading_too(wire, where):
    talk = Dialogue().transaction()
    talk.engine.normalise_line_ends(True)
    talk.say(b"DATA\r\n")
    talk.hear(wire + b"\r\n.\r\n", where)
    end = next(event for event in talk.events if isinstance(event, BodyEnd))
    text = wire + b"\r\n.\r\n"
    text = b"" if text.startswith(b".\r\n") else text[: text.find(b"\r\n.\r\n") + 2]
    assert (end.fault is not None) is (b"\r" in text.replace(b"\r\n", b"") or b"\x00" in text)
    if end.fault is None:
        # A dot behind CR LF was stuffed by the client, unless a lone LF follows; one behind a lone LF was not.
        plain = re.sub(rb"(^|\r\n)\.(?!\n)", rb"\1", text)
        plain = plain.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        assert unstuffed(talk.body) == plain
        assert end.octets == len(plain)


@pytest.mark.parametrize("reader", [DataReader, BdatReader])
def test_little_is_held_back(reader):
    """A client that stops in the middle has nearly all its octets passed on."""
    for wire in (b"abc\r\nde", b"abc\r\n", b"abc\r\n.", b"abc\r\n.\r", b".", b"abc\r"):
        one = reader(0, 1000, False)
        passed_on = one.feed(wire)
        passed_on = passed_on[0] if isinstance(passed_on, tuple) else passed_on
        assert len(wire) - len(passed_on) <= 2
