"""BDAT (RFC 3030): chunks in, the form of DATA out, and octets that are no commands."""

from __future__ import annotations

import pytest

from arrowslit.smtp.events import BdatStart, BodyEnd, FaultKind, Mail, Noop, Rset
from arrowslit.smtp.offer import Offer

from .server_dialogue import OK, REFUSED, Dialogue, agree

CHUNKING = Offer(chunking=True, size=1000)
TAKEN = b"250 2.0.0 Chunk taken\r\n"


def ready(offer: Offer = CHUNKING) -> Dialogue:
    return Dialogue(offer).transaction()


def test_one_chunk():
    talk = ready()
    assert talk.say(b"BDAT 7 LAST\r\n.a\r\nb\r\n") == OK.encode()
    assert talk.body == b"..a\r\nb\r\n"
    assert talk.last == BodyEnd(7, False)
    talk.say(b"MAIL FROM:<>\r\n")
    assert isinstance(talk.last, Mail)


def test_each_chunk_is_answered_after_its_octets():
    talk = ready()
    assert talk.say(b"BDAT 4\r\nab") == b""
    assert isinstance(talk.events[-2], BdatStart)
    assert talk.say(b"\r\n") == TAKEN
    assert talk.say(b"bdat 2\r\nxyBDAT 0\r\nBDAT 0 last\r\n") == TAKEN * 2 + OK.encode()
    assert talk.body == b"ab\r\nxy\r\n"
    assert talk.last == BodyEnd(8, False)


def test_a_whole_transaction_in_one_flight():
    talk = Dialogue(CHUNKING).hello()
    said = talk.say(b"MAIL FROM:<>\r\nRCPT TO:<b@example.net>\r\nBDAT 3 LAST\r\nx\r\nNOOP\r\n")
    assert said == OK.encode() * 4
    assert talk.last == Noop("NOOP")


def test_an_empty_message():
    talk = ready()
    talk.say(b"BDAT 0 LAST\r\n")
    assert talk.body == b""
    assert talk.last == BodyEnd(0, False)


def test_a_dot_alone_ends_nothing():
    talk = ready()
    talk.say(b"BDAT 7 LAST\r\na\r\n.\r\nb")
    assert talk.body == b"a\r\n..\r\nb\r\n"


def test_a_dot_that_starts_a_chunk_need_not_start_a_line():
    talk = ready()
    talk.say(b"BDAT 1\r\naBDAT 2\r\n.bBDAT 3 LAST\r\n\r\n.")
    assert talk.body == b"a.b\r\n..\r\n"


def test_chunks_may_be_cut_between_cr_and_lf():
    talk = ready()
    talk.say(b"BDAT 2\r\na\rBDAT 3 LAST\r\n\n.b")
    assert talk.body == b"a\r\n..b\r\n"
    assert talk.last == BodyEnd(7, False)


@pytest.mark.parametrize("text", [b"a\nb\r\n", b"a\rb\r\n", b"a\r", b"a\0\r\n", b"\n.\n"], ids=repr)
def test_the_line_rules_of_data_hold(text):
    talk = ready()
    said = talk.say(b"BDAT 1\r\nxBDAT %d\r\n%bBDAT 0 LAST\r\nRSET\r\n" % (len(text), text))
    assert said == TAKEN * 2 + b"550 5.5.2 The message has a bare CR, a bare LF or a NUL\r\n" + OK.encode()
    assert talk.events[-2].fault.kind is FaultKind.BARE_LINE_END


def test_size_counts_over_all_chunks():
    talk = ready()
    talk.say(b"BDAT 600\r\n" + b"x" * 600 + b"BDAT 600 LAST\r\n" + b"x" * 600)
    assert talk.last.fault.kind is FaultKind.TOO_BIG


def test_a_refused_bdat_is_drained():
    talk = ready()
    talk.answer = lambda event: REFUSED if isinstance(event, BdatStart) else agree(event)
    said = talk.say(b"BDAT 12\r\nRSET\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", range(60))
    assert said == REFUSED.encode() + b"503 5.5.1 Bad sequence of commands\r\n" + OK.encode()
    assert talk.last == Noop("NOOP")
    talk.say(b"RCPT TO:<c@example.net>\r\n")
    assert talk.last.kind is FaultKind.SEQUENCE
    talk.say(b"RSET\r\nMAIL FROM:<>\r\n")
    assert isinstance(talk.last, Mail)


@pytest.mark.parametrize("offer", [CHUNKING, Offer()])
def test_octets_of_a_bdat_out_of_place_are_no_commands(offer):
    talk = Dialogue(offer).hello()
    said = talk.say(b"BDAT 6 LAST\r\nQUIT\r\nRSET\r\n")
    assert said.startswith(b"503" if offer.chunking else b"502")
    assert talk.last == Rset()
    assert len(said.splitlines()) == 2


def test_bdat_after_refused_recipients_only():
    talk = Dialogue(CHUNKING).hello()
    talk.say(b"MAIL FROM:<>\r\nRCPT TO:<>\r\n")
    assert talk.say(b"BDAT 1 LAST\r\nx").startswith(b"503")


@pytest.mark.parametrize(
    "line", [b"BDAT", b"BDAT x", b"BDAT -1", b"BDAT 1 FIRST", b"BDAT 1 LAST x", b"BDAT " + b"1" * 21]
)
def test_a_malformed_bdat_ends_the_connection(line):
    talk = ready()
    assert talk.say(line + b"\r\n").startswith(b"501 5.5.4")
    assert talk.engine.closed


def test_no_data_among_chunks():
    talk = ready()
    assert talk.say(b"BDAT 1\r\nxDATA\r\n") == TAKEN + b"503 5.5.1 Bad sequence of commands\r\n"
    assert talk.say(b"MAIL FROM:<>\r\n").startswith(b"503")
    assert talk.say(b"RCPT TO:<c@example.net>\r\n").startswith(b"503")


def test_reset_among_chunks():
    talk = ready()
    talk.say(b"BDAT 1\r\nxRSET\r\n")
    assert talk.last == Rset()
    talk.say(b"MAIL FROM:<>\r\nRCPT TO:<b@example.net>\r\nBDAT 1 LAST\r\ny")
    assert talk.last == BodyEnd(3, False)


def test_many_empty_chunks_in_one_flight():
    talk = ready()
    assert talk.say(b"BDAT 0\r\n" * 5000 + b"BDAT 0 LAST\r\n") == TAKEN * 5000 + OK.encode()


def test_normalised_line_ends():
    talk = ready()
    talk.engine.normalise_line_ends(True)
    talk.say(b"BDAT 9 LAST\r\na\n.\n.b\r\n.")
    assert talk.body == b"a\r\n..\r\n..b\r\n..\r\n"
    assert talk.last == BodyEnd(13, False)
    talk.say(b"MAIL FROM:<>\r\nRCPT TO:<b@example.net>\r\nBDAT 2 LAST\r\na\n")
    assert talk.last.fault is not None
