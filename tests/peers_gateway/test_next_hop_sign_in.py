"""Signing in by the next hop's own AUTH: the link it stands on is the session's, and what is down is never a 535."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.gateway.node import RunningNode, serving
from tests.gateway.scripted_hop import DROP, HANG, Hop, scripted
from tests.gateway.wire import Wire
from tests.peers import exim
from tests.peers.certs import Authority, Certificate
from tests.peers_gateway.site import ANNA, ELSEWHERE, MESSAGE, at, next_hop, policy, table

RIGHT = base64.b64encode(b"\0anna\0right").decode()
WRONG = base64.b64encode(b"\0anna\0wrong").decode()
OFFERS = {
    "EHLO": [b"250-inner.test\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n", b"250-inner.test\r\n250 AUTH PLAIN LOGIN\r\n"]
    * 50,
    "STARTTLS": b"220 go on\r\n",
    "AUTH": b"235 2.7.0 welcome\r\n",
}
IN_TLS = ['address = "127.0.0.1:{port}"\ntls = "starttls"']


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> Certificate:
    return authority.issue("127.0.0.1")


def site(to: tuple[str, int], *lines: str) -> str:
    """A policy whose relay next hop is asked for sign-ins."""
    hops = next_hop("inner", "maildir:mail") + next_hop("queue", at(to), *(lines or ('tls = "required"',)))
    asks = table("virtual_servers.default.authentication", ['with = "next_hop"'])
    return policy(hops, server=['relay_next_hop = "queue"'], more=asks)


@contextmanager
def session(node: RunningNode) -> Iterator[Wire]:
    """A session in TLS."""
    with Wire(node.at) as wire:
        wire.say("EHLO client.test")
        wire.starttls()
        wire.say("EHLO client.test")
        yield wire


@contextmanager
def asking(
    folder: Path, certificate: Certificate, answers: Mapping[str, bytes | list[bytes]], settings: str = ""
) -> Iterator[tuple[RunningNode, Hop]]:
    """A node whose next hop answers like that."""
    with (
        scripted({**OFFERS, **answers}, certificate=certificate) as hop,
        serving(folder, site(hop.at), IN_TLS, settings) as node,
    ):
        yield node, hop


@pytest.mark.peer("exim")
def test_exim_checks_the_password_and_gets_the_mail_of_who_signed_in(
    tmp_path: Path, running: ExitStack, certificate: Certificate
) -> None:
    users = {"anna": "right", "ben": "other"}
    server = running.enter_context(exim.next_hop([ELSEWHERE], certificate=certificate, users=users))
    with serving(tmp_path, site(server.at), IN_TLS) as node:
        with session(node) as wire:
            assert wire.say(f"AUTH PLAIN {WRONG}")[0] == 535
            assert wire.message(ANNA, ELSEWHERE, MESSAGE)[0] == 550
            wire.say("RSET")
            assert wire.say(f"AUTH PLAIN {RIGHT}")[0] == 235
            assert wire.message(ANNA, ELSEWHERE, MESSAGE)[0] == 250
            assert wire.message(ANNA, ELSEWHERE, MESSAGE)[0] == 250
        with session(node) as wire:  # what somebody signed in on is nobody else's
            assert wire.message(ANNA, ELSEWHERE, MESSAGE)[0] == 550
    messages = server.messages(ELSEWHERE, 2)
    assert len(messages) == 2
    assert "A=plain:anna" in server.running.log_text()


def test_all_goes_over_the_link_that_the_sign_in_stands_on(tmp_path: Path, certificate: Certificate) -> None:
    with asking(tmp_path, certificate, {}) as (node, hop), session(node) as wire:
        assert wire.say(f"AUTH PLAIN {RIGHT}")[0] == 235
        for _ in range(2):
            assert wire.message(ANNA, ELSEWHERE)[0] == 250
        assert len(hop.messages) == 2
        (commands,) = hop.connections
        assert commands.count(f"AUTH PLAIN {RIGHT}") == 1
        assert wire.message(ANNA, ANNA)[0] == 250  # an accepted domain goes its own way
        assert len(hop.connections) == 1
        wire.say("QUIT")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"535 5.7.8 no\r\n", 535),
        (b"454 4.7.0 later\r\n", 454),
        (b"421 4.3.2 closing\r\n", 454),
        (b"538 5.7.11 encrypt first\r\n", 454),
        (b"504 5.5.4 no such mechanism\r\n", 454),
        (b"530 5.7.0 no\r\n", 454),
        (b"250 what\r\n", 454),
        (b"garbage\r\n", 454),
        (b"\xff\xfe\r\n", 454),
        (DROP, 454),
        (HANG, 454),
    ],
)
def test_only_535_is_a_wrong_password(tmp_path: Path, certificate: Certificate, answer: bytes, code: int) -> None:
    settings = '[next_hops]\ncommand = "1s"\n'
    with asking(tmp_path, certificate, {"AUTH": answer}, settings) as (node, hop), session(node) as wire:
        assert wire.say(f"AUTH PLAIN {RIGHT}")[0] == code
        assert wire.message(ANNA, ELSEWHERE)[0] == 550
        assert hop.messages == []


def test_a_next_hop_that_is_down_is_no_wrong_password(tmp_path: Path, certificate: Certificate) -> None:
    with scripted(OFFERS, certificate=certificate) as hop:
        gone = hop.at
    with serving(tmp_path, site(gone), IN_TLS) as node, session(node) as wire:
        assert wire.say(f"AUTH PLAIN {RIGHT}")[0] == 454


def test_a_next_hop_without_auth_is_no_wrong_password(tmp_path: Path, certificate: Certificate) -> None:
    answers = {"EHLO": [b"250-inner.test\r\n250 STARTTLS\r\n", b"250 inner.test\r\n"] * 9}
    with asking(tmp_path, certificate, answers) as (node, hop), session(node) as wire:
        assert wire.say(f"AUTH PLAIN {RIGHT}")[0] == 454
        assert not [one for one in hop.commands if one.startswith("AUTH")]


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "."])
def test_a_link_that_is_lost_defers_and_no_other_one_is_taken(
    tmp_path: Path, certificate: Certificate, verb: str
) -> None:
    with asking(tmp_path, certificate, {verb: DROP}) as (node, hop), session(node) as wire:
        assert wire.say(f"AUTH PLAIN {RIGHT}")[0] == 235
        assert wire.message(ANNA, ELSEWHERE)[0] == 451
        wire.say("RSET")
        assert wire.message(ANNA, ELSEWHERE)[0] == 451  # whoever wants to go on signs in again
        assert len(hop.connections) == 1


def test_a_link_that_was_lost_while_nobody_sent_defers(tmp_path: Path, certificate: Certificate) -> None:
    with asking(tmp_path, certificate, {"NOOP": b"250 ok\r\n"}) as (node, hop), session(node) as wire:
        assert wire.say(f"AUTH PLAIN {RIGHT}")[0] == 235
        for sock in hop.sockets:
            sock.close()
        assert wire.message(ANNA, ELSEWHERE)[0] == 451
        assert hop.messages == []


@pytest.mark.parametrize("tls", ["off", "opportunistic"])
def test_passwords_are_never_shown_to_a_next_hop_without_certain_tls(
    tmp_path: Path, certificate: Certificate, tls: str
) -> None:
    with (
        scripted(OFFERS, certificate=certificate) as hop,
        serving(tmp_path, site(hop.at, f'tls = "{tls}"'), IN_TLS) as node,
        session(node) as wire,
    ):
        assert wire.say(f"AUTH PLAIN {RIGHT}")[0] in (454, 502, 503)
        assert hop.connections == []
