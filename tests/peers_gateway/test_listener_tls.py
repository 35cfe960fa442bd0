"""TLS on our listeners, by swaks, `openssl s_client` and Postfix: STARTTLS, implicit, ALPN, and octets slipped in."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.gateway.node import RunningNode, serving
from tests.gateway.scripted_hop import Hop, scripted
from tests.gateway.wire import Wire
from tests.peers import postfix, process
from tests.peers.certs import Authority
from tests.peers.swaks import s_client, swaks
from tests.peers_gateway.site import ANNA, MESSAGE, at, next_hop, policy

NEEDS_TLS = "127.0.0.41"
LISTED = f'{{ computer = "127.0.0.1" }}, {{ computer = "{NEEDS_TLS}", require_tls = true }}'


@dataclass(slots=True)
class Listening:
    """A node with a STARTTLS listener, then one with implicit TLS."""

    node: RunningNode
    hop: Hop
    authority: Authority

    @property
    def starttls(self) -> tuple[str, int]:
        """The first listener."""
        return self.node.at

    @property
    def implicit(self) -> tuple[str, int]:
        """The second listener."""
        return self.node.address, self.node.ports[1]


@pytest.fixture(scope="module")
def listening(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Listening]:
    """A node that shows a certificate of the authority."""
    own = authority.issue("mx.arrowslit.test", "127.0.0.1")
    files = f'[tls]\ncertificate = "{own.certificate_file}"\nkey = "{own.key_file}"\n'
    listeners = [f'address = "127.0.0.1:{{port}}"\ntls = "{how}"' for how in ("starttls", "implicit")]
    with ExitStack() as stack:
        hop = stack.enter_context(scripted())
        text = policy(next_hop("inner", at(hop.at)), listed=LISTED)
        node = stack.enter_context(serving(tmp_path_factory.mktemp("node"), text, listeners, files))
        yield Listening(node, hop, authority)


def no_verifying() -> ssl.SSLContext:
    """A client that takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.mark.peer("swaks")
@pytest.mark.parametrize("how", ["starttls", "implicit"])
def test_swaks_sends(listening: Listening, how: str) -> None:
    before = len(listening.hop.messages)
    options = ["--tls"] if how == "starttls" else ["--tls-on-connect"]
    said = swaks(getattr(listening, how), "--to", ANNA, "--from", "a@elsewhere.example", *options)
    assert said.code == 0, said.text
    assert len(listening.hop.messages) == before + 1
    assert b"with ESMTPS id" in listening.hop.messages[-1]


@pytest.mark.peer("openssl")
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("how", ["starttls", "implicit"])
def test_s_client_verifies_our_certificate(listening: Listening, how: str, version: str) -> None:
    start = ["-starttls", "smtp"] if how == "starttls" else ["-alpn", "smtp"]
    trust = ["-CAfile", str(listening.authority.file), "-verify_return_error", "-verify_hostname", "mx.arrowslit.test"]
    said = s_client(getattr(listening, how), version, *start, *trust, given=b"QUIT\r\n")
    assert said.code == 0, said.text
    assert "Verify return code: 0 (ok)" in said.text


@pytest.mark.peer("openssl")
def test_old_tls_is_refused(listening: Listening) -> None:
    old = ["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0", "-starttls", "smtp"]
    assert s_client(listening.starttls, *old, given=b"QUIT\r\n").code != 0
    assert s_client(listening.starttls, "-tls1_2", "-starttls", "smtp", given=b"QUIT\r\n").code == 0


@pytest.mark.peer("openssl")
@pytest.mark.parametrize(
    ("alpn", "welcome"), [("smtp", True), ("http/1.1,smtp", True), ("http/1.1", False), ("h2", False)]
)
def test_alpn_without_smtp_is_ended(listening: Listening, alpn: str, welcome: bool) -> None:
    said = s_client(listening.implicit, "-alpn", alpn, given=b"QUIT\r\n")
    assert (said.code == 0) is welcome, said.text
    assert ("ALPN protocol: smtp" in said.text) is welcome


def test_octets_slipped_in_behind_starttls_are_refused(listening: Listening) -> None:
    with Wire(listening.starttls) as wire:
        wire.say("EHLO client.test")
        wire.send(b"STARTTLS\r\nMAIL FROM:<injected@elsewhere.example>\r\n")
        code, text = wire.reply()
        assert f"{code} {text}".startswith("554 5.5.0")
        assert wire.at_end()
    with Wire(listening.starttls) as wire:
        wire.say("EHLO client.test")
        wire.starttls(no_verifying())
        assert wire.say("MAIL FROM:<a@elsewhere.example>")[0] == 503  # EHLO is forgotten
        wire.say("EHLO client.test")
        assert wire.say("MAIL FROM:<a@elsewhere.example>")[0] == 250
        assert "injected" not in listening.node.log


def test_starttls_is_not_offered_in_tls(listening: Listening) -> None:
    with Wire(listening.starttls) as wire:
        assert "STARTTLS" in wire.say("EHLO client.test")[1].split()
        wire.starttls(no_verifying())
        assert "STARTTLS" not in wire.say("EHLO client.test")[1].split()
        assert wire.say("STARTTLS")[0] == 503
        assert wire.message("a@elsewhere.example", ANNA)[0] == 250


def test_an_entry_that_needs_tls(listening: Listening) -> None:
    with Wire(listening.starttls, NEEDS_TLS) as wire:
        wire.say("EHLO client.test")
        code, text = wire.message("a@elsewhere.example", ANNA)
        assert f"{code} {text}".startswith("530 5.7.0"), text
        wire.say("RSET")
        wire.starttls(no_verifying())
        wire.say("EHLO client.test")
        assert wire.message("a@elsewhere.example", ANNA)[0] == 250
    with Wire(listening.starttls) as wire:
        wire.say("EHLO client.test")
        assert wire.message("a@elsewhere.example", ANNA)[0] == 250


@pytest.mark.parametrize("octets", [1, 7, 5000])
def test_a_message_in_pieces_over_tls(listening: Listening, octets: int) -> None:
    before = len(listening.hop.messages)
    body = MESSAGE * 3 + b"x" * 500 + b"\r\n"
    with Wire(listening.starttls) as wire:
        wire.say("EHLO client.test")
        wire.starttls(no_verifying())
        wire.say("EHLO client.test")
        wire.say("MAIL FROM:<a@elsewhere.example>")
        wire.say(f"RCPT TO:<{ANNA}>")
        wire.say("DATA")
        for start in range(0, len(body), octets):
            wire.send(body[start : start + octets])
        wire.send(b".\r\n")
        assert wire.reply()[0] == 250
    assert listening.hop.messages[before].endswith(body)


@pytest.mark.peer("postfix")
def test_postfix_sends_two_messages_over_tls(listening: Listening) -> None:
    before = len(listening.hop.messages)
    with postfix.client(listening.starttls, settings={"smtp_tls_security_level": "encrypt"}) as sender:
        for _ in range(2):
            sender.send(MESSAGE, [ANNA], "a@elsewhere.example")
            assert sender.drained()
    assert process.until(lambda: len(listening.hop.messages) == before + 2)
    assert all(b"with ESMTPS id" in message for message in listening.hop.messages[before:])


@pytest.mark.peer("openssl")
def test_garbage_instead_of_a_handshake_ends_that_connection_only(listening: Listening) -> None:
    with Wire(listening.implicit, greeting=False) as wire:
        wire.send(b"EHLO client.test\r\n")
        assert wire.at_end()
    with Wire(listening.starttls) as wire:
        wire.say("EHLO client.test")
        assert wire.say("STARTTLS")[0] == 220
        wire.send(b"NOOP\r\nNOOP\r\n")
        assert wire.at_end()
    assert s_client(listening.implicit, "-alpn", "smtp", given=b"QUIT\r\n").code == 0
