"""AUTH on the server side (RFC 4954): PLAIN, LOGIN, and what is refused without asking anyone."""

from __future__ import annotations

from base64 import b64encode

import pytest

from arrowslit.mail.reply import reply
from arrowslit.smtp.events import AuthStart, Credentials, FaultKind, Mail
from arrowslit.smtp.offer import Offer

from .server_dialogue import REFUSED, Dialogue, agree

OFFER = Offer(auth=("PLAIN", "LOGIN"))
WELCOME = b"235 2.7.0 Welcome\r\n"
USERNAME = b"334 VXNlcm5hbWU6\r\n"
PASSWORD = b"334 UGFzc3dvcmQ6\r\n"


def line(*octets: bytes) -> bytes:
    return b64encode(b"\0".join(octets)) + b"\r\n"


def talk_to(offer: Offer = OFFER) -> Dialogue:
    return Dialogue(offer).hello()


class TestPlain:
    def test_with_an_initial_response(self):
        talk = talk_to()
        assert talk.say(b"AUTH plain " + line(b"", b"ann", b"secret")) == WELCOME
        assert talk.events[-2:] == [AuthStart("PLAIN"), Credentials("PLAIN", "", "ann", "secret")]

    def test_with_a_challenge(self):
        talk = talk_to()
        assert talk.say(b"AUTH PLAIN\r\n") == b"334 \r\n"
        assert talk.say(line(b"boss", b"ann", "pässword".encode())) == WELCOME
        assert talk.last == Credentials("PLAIN", "boss", "ann", "pässword")

    def test_a_long_line(self):
        talk = talk_to()
        talk.say(b"AUTH PLAIN\r\n")
        talk.say(line(b"", b"ann", b"x" * 9_000), range(0, 12_000, 100))
        assert talk.last.password == "x" * 9_000
        assert talk_to().say(b"AUTH PLAIN " + line(b"", b"ann", b"x" * 9_000)) == WELCOME

    @pytest.mark.parametrize("command", [b"AUTH PLAIN\r\n", b"AUTH PLAIN "])
    def test_a_line_that_is_too_long(self, command):
        talk = talk_to()
        talk.say(command)
        assert talk.say(b"A" * 12_300 + b"\r\n").startswith(b"500 5.5.")
        assert talk.last.kind is FaultKind.TOO_LONG
        talk.say(b"MAIL FROM:<>\r\n")
        assert isinstance(talk.last, Mail)


class TestLogin:
    def test_two_challenges(self):
        talk = talk_to()
        assert talk.say(b"AUTH LOGIN\r\n") == USERNAME
        assert talk.say(line(b"ann")) == PASSWORD
        assert talk.say(line(b"secret")) == WELCOME
        assert talk.last == Credentials("LOGIN", "", "ann", "secret")

    def test_username_as_initial_response(self):
        talk = talk_to()
        assert talk.say(b"AUTH LOGIN " + line(b"ann")) == PASSWORD
        assert talk.say(line(b"secret")) == WELCOME

    @pytest.mark.parametrize("password", [b"", b"a\0b"])
    def test_passwords_that_are_none(self, password):
        talk = talk_to()
        talk.say(b"AUTH LOGIN " + line(b"ann"))
        assert talk.say(line(password)).startswith(b"501 5.5.2")

    def test_lines_sent_without_waiting(self):
        talk = talk_to()
        talk.say(b"AUTH LOGIN\r\n")
        assert talk.say(line(b"ann") + line(b"secret")).startswith(b"554 5.5.0")
        assert talk.engine.closed

    def test_a_command_behind_the_last_line(self):
        talk = talk_to()
        talk.say(b"AUTH PLAIN\r\n")
        assert talk.say(line(b"", b"ann", b"secret") + b"MAIL FROM:<>\r\n").startswith(b"554 5.5.0")


@pytest.mark.parametrize("command", [b"AUTH PLAIN\r\n", b"AUTH LOGIN\r\n"])
def test_cancelled(command):
    talk = talk_to()
    talk.say(command)
    assert talk.say(b"*\r\n") == b"501 5.7.0 Authentication cancelled\r\n"
    talk.say(b"MAIL FROM:<>\r\n")
    assert isinstance(talk.last, Mail)


@pytest.mark.parametrize(
    "response",
    [b"no base64!", b"AGEAYg", b"AGEA Yg==", b"", line(b"ann", b"secret")[:-2], line(b"", b"", b"secret")[:-2],
     line(b"", b"ann", b"")[:-2], line(b"", b"ann\r\n", b"secret")[:-2], line(b"", b"\xff", b"secret")[:-2],
     line(b"", b"a", b"b", b"c")[:-2]],
    ids=repr,
)  # fmt: skip
def test_malformed_responses(response):
    talk = talk_to()
    talk.say(b"AUTH PLAIN\r\n")
    assert talk.say(response + b"\r\n") == b"501 5.5.2 Malformed authentication response\r\n"
    assert not any(isinstance(event, Credentials) for event in talk.events)


def test_an_empty_initial_response_is_said_by_an_equals_sign():
    assert talk_to().say(b"AUTH PLAIN =\r\n").startswith(b"501 5.5.2")
    assert talk_to().say(b"AUTH LOGIN =\r\n") == PASSWORD


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (b"AUTH", 501),
        (b"AUTH  PLAIN", 501),
        (b"AUTH PLAIN a b", 501),
        (b"AUTH CRAM-MD5", 504),
        (b"AUTH XOAUTH2 =", 504),
    ],
)
def test_refused_commands(command, code):
    talk = talk_to()
    assert talk.say(command + b"\r\n").startswith(b"%d " % code)


def test_a_mechanism_that_is_not_offered():
    assert talk_to(Offer(auth=("PLAIN",))).say(b"AUTH LOGIN\r\n").startswith(b"504 5.5.4")


def test_where_auth_is_not_offered():
    assert talk_to(Offer()).say(b"AUTH PLAIN\r\n").startswith(b"502 5.5.1")
    assert talk_to(Offer(starttls=True)).say(b"AUTH PLAIN\r\n").startswith(b"502 5.5.1")
    assert talk_to(Offer(starttls=True, auth_after_tls=True)).say(b"AUTH PLAIN\r\n").startswith(b"538 5.7.11")


def test_only_after_ehlo():
    assert Dialogue(OFFER).say(b"AUTH PLAIN\r\n").startswith(b"503")
    assert Dialogue(OFFER).hello(b"HELO x\r\n").say(b"AUTH PLAIN\r\n").startswith(b"503")


def test_twice():
    talk = talk_to()
    talk.say(b"AUTH PLAIN " + line(b"", b"ann", b"secret"))
    assert talk.say(b"AUTH PLAIN\r\n").startswith(b"503 5.5.1")


def test_again_after_a_failure():
    talk = talk_to()
    talk.answer = lambda event: reply(535, "5.7.8", "No") if isinstance(event, Credentials) else agree(event)
    assert talk.say(b"AUTH PLAIN " + line(b"", b"ann", b"wrong")) == b"535 5.7.8 No\r\n"
    talk.answer = agree
    assert talk.say(b"AUTH PLAIN " + line(b"", b"ann", b"secret")) == WELCOME


def test_the_session_may_refuse_before_the_exchange():
    talk = talk_to()
    talk.answer = lambda event: REFUSED
    assert talk.say(b"AUTH PLAIN\r\n") == REFUSED.encode()
    talk.answer = agree
    talk.say(b"MAIL FROM:<>\r\n")
    assert isinstance(talk.last, Mail)


def test_the_password_is_not_shown():
    talk = talk_to()
    talk.say(b"AUTH PLAIN " + line(b"", b"ann", b"secret"))
    assert "secret" not in repr(talk.events)
