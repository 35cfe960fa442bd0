"""XCLIENT from a client that is trusted with it, and from anyone else."""

from __future__ import annotations

import pytest

from arrowslit.smtp.events import TEMPUNAVAIL, FaultKind, Hello, Mail, Xclient
from arrowslit.smtp.offer import Offer

from .server_dialogue import OK, Dialogue, agree

TRUSTED = Offer(xclient=True, auth=("PLAIN",))


def test_all_attributes():
    talk = Dialogue(TRUSTED).hello()
    said = talk.say(
        b"XCLIENT NAME=mail.example.org addr=IPV6:2001:DB8::1 PORT=25 PROTO=esmtp HELO=a+20b LOGIN=[UNAVAILABLE]"
        b" DESTADDR=192.0.2.1 DESTPORT=587 REVERSE_NAME=[tempunavail]\r\n"
    )
    assert said == b"220 2.0.0 Ready\r\n"
    assert talk.last == Xclient(
        (
            ("NAME", "mail.example.org"), ("ADDR", "2001:db8::1"), ("PORT", "25"), ("PROTO", "ESMTP"),
            ("HELO", "a b"), ("LOGIN", None), ("DESTADDR", "192.0.2.1"), ("DESTPORT", "587"),
            ("REVERSE_NAME", TEMPUNAVAIL),
        )
    )  # fmt: skip


def test_a_mapped_address_is_ipv4():
    talk = Dialogue(TRUSTED)
    talk.say(b"XCLIENT ADDR=IPV6:::ffff:192.0.2.1\r\n")
    assert talk.last == Xclient((("ADDR", "192.0.2.1"),))


def test_the_session_starts_anew():
    talk = Dialogue(TRUSTED).hello()
    talk.say(b"AUTH PLAIN AGEAYg==\r\n")
    talk.say(b"XCLIENT ADDR=192.0.2.1\r\n")
    assert talk.say(b"MAIL FROM:<>\r\n").startswith(b"503 5.5.1 EHLO first")
    talk.hello()
    assert isinstance(talk.last, Hello)
    assert talk.say(b"AUTH PLAIN AGEAYg==\r\n").startswith(b"235")


def test_a_refused_one_changes_nothing():
    talk = Dialogue(TRUSTED).hello()
    talk.answer = lambda event: OK.__class__(550, "5.7.0", ("No",)) if isinstance(event, Xclient) else agree(event)
    talk.say(b"XCLIENT ADDR=192.0.2.1\r\n")
    talk.say(b"MAIL FROM:<>\r\n")
    assert isinstance(talk.last, Mail)


@pytest.mark.parametrize("setup", [b"MAIL FROM:<>\r\n", b"MAIL FROM:<>\r\nRCPT TO:<b@example.net>\r\n"])
def test_inside_a_transaction(setup):
    talk = Dialogue(TRUSTED).hello()
    talk.say(setup)
    assert talk.say(b"XCLIENT ADDR=192.0.2.1\r\n").startswith(b"503")


def test_from_a_stranger_it_is_no_command():
    talk = Dialogue().hello()
    assert talk.say(b"XCLIENT ADDR=192.0.2.1\r\n") == talk.say(b"XNONSENSE\r\n")
    assert talk.last.kind is FaultKind.UNRECOGNISED


@pytest.mark.parametrize(
    "arguments",
    [b"", b"ADDR", b"ADDR=", b"ADDR=x", b"ADDR=192.0.2.1 ADDR=192.0.2.2", b"COLOUR=blue", b"PORT=0x19", b"PORT=65536",
     b"PORT=-1", b"PROTO=LMTP", b"NAME=a+0D+0A", b"NAME=a+", b"NAME=a+ZZ", b"NAME=a=b", b"NAME=+FF", b"NAME=\xff",
     b"ADDR=IPV6:fe80::1%25eth0", b"ADDR=fe80::1%eth0", b"NAME=" + b"x" * 256],
    ids=repr,
)  # fmt: skip
def test_malformed(arguments):
    talk = Dialogue(TRUSTED)
    assert talk.say(b"XCLIENT " + arguments + b"\r\n") == b"501 5.5.4 Malformed or unknown XCLIENT attribute\r\n"
