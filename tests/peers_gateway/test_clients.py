"""Postfix, Exim and OpenSMTPD send their queues through the gateway: what is taken, refused, put off, passed on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.node import RunningNode, serving
from tests.gateway.wire import Wire
from tests.peers import exim, opensmtpd, postfix, process
from tests.peers.postfix import Postfix
from tests.peers_gateway.site import (
    ANNA,
    BEN,
    CARLA,
    MESSAGE,
    ODD,
    at,
    next_hop,
    policy,
    stuffed,
    without_our_line,
)

pytestmark = pytest.mark.peer("postfix")

STRANGE = "jürgen@example.test"


@dataclass(slots=True)
class Sender:
    """A sending server, and how to give it mail."""

    server: Any
    send: Callable[[bytes, list[str]], None]


def _postfix(to: tuple[str, int], stack: ExitStack) -> Sender:
    server = stack.enter_context(postfix.client(to, settings={"smtp_tls_security_level": "none"}))
    return Sender(server, lambda m, r: server.send(m, r, BEN))


def _exim(to: tuple[str, int], stack: ExitStack) -> Sender:
    server = stack.enter_context(exim.client(to, settings=["log_selector = +all"]))
    return Sender(server, lambda m, r: server.send(m, r, BEN))


def _opensmtpd(to: tuple[str, int], stack: ExitStack) -> Sender:
    server = stack.enter_context(opensmtpd.client(to))

    def send(message: bytes, recipients: list[str]) -> None:
        with Wire(server.at) as wire:
            wire.say("EHLO client.test")
            wire.say(f"MAIL FROM:<{BEN}>")
            for recipient in recipients:
                assert wire.say(f"RCPT TO:<{recipient}>")[0] == 250
            wire.say("DATA")
            wire.send(stuffed(message) + b".\r\n")
            assert wire.reply()[0] == 250

    return Sender(server, send)


@dataclass(slots=True)
class Site:
    """Two next hops behind one gateway."""

    node: RunningNode
    inner: Postfix
    other: Postfix


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Postfix for example.test and another for example.net."""
    with ExitStack() as stack:
        inner = stack.enter_context(postfix.next_hop([ANNA, BEN, STRANGE]))
        other = stack.enter_context(postfix.next_hop([CARLA]))
        text = policy(
            next_hop("inner", at(inner.at)),
            next_hop("other", at(other.at)),
            domains={"example.test": "inner", "example.net": "other"},
        )
        yield Site(stack.enter_context(serving(tmp_path_factory.mktemp("node"), text)), inner, other)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(_postfix, id="Postfix"),
        pytest.param(_exim, marks=pytest.mark.peer("exim"), id="Exim"),
        pytest.param(_opensmtpd, marks=pytest.mark.peer("opensmtpd"), id="OpenSMTPD"),
    ],
)
def sender(request: pytest.FixtureRequest, site: Site) -> Iterator[Sender]:
    """A server that sends everything through the gateway."""
    with ExitStack() as stack:
        yield request.param(site.node.at, stack)


def test_the_queue_arrives_and_is_empty_afterwards(site: Site, sender: Sender) -> None:
    before = len(site.inner.messages(ANNA))
    sender.send(ODD, [ANNA])
    delivered = site.inner.messages(ANNA, before + 1)[-1]
    # The sending server's own Received line stands behind ours; from Message-ID on it has nothing to add.
    assert without_our_line(delivered).endswith(ODD[ODD.index(b"X-Empty") :].replace(b"\r\n", b"\n"))
    assert sender.server.drained()


def test_a_refused_recipient_bounces_by_the_same_way(site: Site, sender: Sender) -> None:
    before = len(site.inner.messages(BEN))
    sender.send(MESSAGE, ["nobody@example.test"])
    bounce = site.inner.messages(BEN, before + 1)[-1]
    assert b"5.1.1" in bounce
    assert b"Return-Path: <>" in bounce
    assert sender.server.drained()


def test_one_good_and_one_refused_recipient(site: Site, sender: Sender) -> None:
    before = len(site.inner.messages(ANNA)), len(site.inner.messages(BEN))
    sender.send(MESSAGE, [ANNA, "missing@example.test"])
    assert len(site.inner.messages(ANNA, before[0] + 1)) == before[0] + 1
    assert b"missing@example.test" in site.inner.messages(BEN, before[1] + 1)[-1]
    assert sender.server.drained()


def test_recipients_of_two_next_hops_come_in_two_transactions(site: Site, sender: Sender) -> None:
    before = len(site.inner.messages(ANNA)), len(site.other.messages(CARLA))
    sender.send(MESSAGE, [ANNA, CARLA])
    assert process.until(
        lambda: len(site.inner.messages(ANNA)) > before[0] or len(site.other.messages(CARLA)) > before[1]
    )
    if not sender.server.drained(0.5):
        sender.server.flush()
    assert sender.server.drained()
    assert len(site.inner.messages(ANNA, before[0] + 1)) == before[0] + 1
    assert len(site.other.messages(CARLA, before[1] + 1)) == before[1] + 1


def test_a_large_message(site: Site, sender: Sender) -> None:
    before = len(site.inner.messages(ANNA))
    large = MESSAGE + (b"0123456789" * 7 + b"\r\n") * 15_000
    sender.send(large, [ANNA])
    assert site.inner.messages(ANNA, before + 1)[-1].count(b"0123456789" * 7 + b"\n") == 15_000
    assert sender.server.drained()


@pytest.mark.peer("exim")
def test_exim_uses_bdat(site: Site) -> None:
    with ExitStack() as stack:
        sender = _exim(site.node.at, stack)
        before = len(site.inner.messages(ANNA))
        sender.send(ODD, [ANNA])
        assert b"\n.\n..\n.dot\n" in site.inner.messages(ANNA, before + 1)[-1]
        assert sender.server.drained()
        (sent,) = [line for line in sender.server.log().splitlines() if f"=> {ANNA}" in line]
        assert " K " in sent, sent


@pytest.mark.peer("exim")
def test_exim_ends_its_side_of_tls_behind_quit(tmp_path: Path, site: Site) -> None:
    text = policy(next_hop("inner", at(site.inner.at)))
    with ExitStack() as stack:
        node = stack.enter_context(serving(tmp_path, text, ['address = "127.0.0.1:{port}"\ntls = "starttls"']))
        sender = _exim(node.at, stack)
        before = len(site.inner.messages(ANNA))
        sender.send(MESSAGE, [ANNA])
        delivered = site.inner.messages(ANNA, before + 1)[-1]
        assert sender.server.drained()
        assert b"with ESMTPS id" in delivered
        assert "defer" not in sender.server.log()
    assert [row["outcome"] for row in node.records(kind="delivery")] == ["delivered"]


@contextmanager
def _sending(site: Site) -> Iterator[Wire]:
    """A Postfix in front of the gateway, with a client at its port that has said EHLO."""
    settings = {"smtp_tls_security_level": "none"}
    with postfix.client(site.node.at, settings=settings) as server, Wire(server.at) as wire:
        wire.say("EHLO client.test")
        yield wire


def _offer(site: Site) -> str:
    """What EHLO offers once both next hops are known."""
    with Wire(site.node.at) as wire:
        wire.say("EHLO client.test")
        for recipient in (ANNA, CARLA):
            assert wire.message("", recipient)[0] == 250
        return wire.say("EHLO client.test")[1]


def test_dsn_parameters_pass_through(site: Site) -> None:
    assert "DSN" in _offer(site).split()
    before = len(site.inner.messages(BEN)), len(site.inner.messages(ANNA))
    with _sending(site) as wire:
        assert wire.say(f"MAIL FROM:<{BEN}> RET=HDRS ENVID=QQ314159")[0] == 250
        assert wire.say(f"RCPT TO:<{ANNA}> NOTIFY=SUCCESS ORCPT=rfc822;list+2Bx@example.test")[0] == 250
        wire.say("DATA")
        wire.send(MESSAGE + b".\r\n")
        assert wire.reply()[0] == 250
        assert len(site.inner.messages(ANNA, before[1] + 1)) == before[1] + 1
    notice = site.inner.messages(BEN, before[0] + 1)[-1]
    assert b"Original-Envelope-Id: QQ314159" in notice
    assert b"Original-Recipient: rfc822;list+x@example.test" in notice
    assert b"Action: delivered" in notice


def test_smtputf8_addresses_pass_through(site: Site) -> None:
    assert "SMTPUTF8" in _offer(site).split()
    with _sending(site) as wire:
        assert wire.say(f"MAIL FROM:<{BEN}> SMTPUTF8".encode())[0] == 250
        assert wire.say(f"RCPT TO:<{STRANGE}>".encode())[0] == 250
        wire.say("DATA")
        wire.send("Subject: Grüße\r\n\r\nText.\r\n".encode() + b".\r\n")
        assert wire.reply()[0] == 250
        delivered = site.inner.messages(STRANGE, 1)[0]
    assert "Subject: Grüße".encode() in delivered
    assert b"with UTF8SMTP id" in delivered


@pytest.mark.peer("exim")
def test_what_a_next_hop_lacks_is_not_offered(tmp_path: Path, running: ExitStack) -> None:
    behind = running.enter_context(exim.next_hop([ANNA], settings=["smtputf8_advertise_hosts ="]))
    node = running.enter_context(serving(tmp_path, policy(next_hop("inner", at(behind.at)))))
    with Wire(node.at) as wire:
        wire.say("EHLO client.test")
        assert wire.message("a@elsewhere.example", ANNA)[0] == 250
        words = wire.say("EHLO client.test")[1].split()
        assert "SMTPUTF8" not in words
        assert "DSN" not in words
        assert "8BITMIME" in words
        assert wire.say(f"MAIL FROM:<{BEN}> RET=HDRS")[0] == 555
        assert wire.say(f"RCPT TO:<{STRANGE}>".encode())[0] // 100 == 5
        assert wire.message("a@elsewhere.example", ANNA)[0] == 250
