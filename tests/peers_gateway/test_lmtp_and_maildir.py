"""Dovecot's LMTP and a Maildir of our own as next hops: one recipient a transaction, its own answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.gateway.inside import Inside, inside
from tests.gateway.wire import Wire
from tests.peers import dovecot, postfix
from tests.peers.dovecot import Dovecot
from tests.peers_gateway.site import ANNA, BEN, MESSAGE, ODD, at, next_hop, policy, stuffed, without_our_line

FULL = "full@example.test"


@dataclass(slots=True)
class Mailboxes:
    """A Dovecot with a gateway before it."""

    server: Dovecot
    node: Inside


@pytest.fixture(scope="module", params=["TCP", "unix"])
def mailboxes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mailboxes]:
    """Dovecot over TCP, then over a unix socket."""
    unix = request.param == "unix"
    quota = "protocol lmtp {\n  mail_plugins = quota\n}\n"
    with ExitStack() as stack:
        server = stack.enter_context(dovecot.lmtp([ANNA, BEN, FULL], unix=unix, full=[FULL], settings=quota))
        address = f"lmtp+unix:{dovecot.short(server.socket)}" if unix else at(server.at, "lmtp")
        node = stack.enter_context(inside(tmp_path_factory.mktemp("node"), policy(next_hop("inner", address))))
        yield Mailboxes(server, node)


@pytest.mark.peer("dovecot")
def test_delivers_into_the_right_mailbox(mailboxes: Mailboxes) -> None:
    server, node = mailboxes.server, mailboxes.node
    before = len(server.messages(ANNA)), len(server.messages(BEN))
    with Wire(node.at) as wire:
        wire.say("EHLO client.test")
        assert wire.message("a@elsewhere.example", ANNA, stuffed(ODD))[0] == 250
        assert wire.message("", BEN)[0] == 250
    assert without_our_line(server.messages(ANNA, before[0] + 1)[-1]) == ODD.replace(b"\r\n", b"\n")
    assert len(server.messages(BEN, before[1] + 1)) == before[1] + 1
    assert not node.alarms


@pytest.mark.peer("dovecot")
def test_refuses_unknown_users(mailboxes: Mailboxes) -> None:
    with Wire(mailboxes.node.at) as wire:
        wire.say("EHLO client.test")
        wire.say("MAIL FROM:<a@elsewhere.example>")
        code, text = wire.say("RCPT TO:<nobody@example.test>")
        assert f"{code} {text}".startswith("550 5.1.1")
        assert wire.say(f"RCPT TO:<{ANNA}>")[0] == 250


@pytest.mark.peer("dovecot")
def test_takes_one_recipient_a_transaction(mailboxes: Mailboxes) -> None:
    server = mailboxes.server
    before = len(server.messages(ANNA)), len(server.messages(BEN))
    with Wire(mailboxes.node.at) as wire:
        wire.say("EHLO client.test")
        wire.say("MAIL FROM:<a@elsewhere.example>")
        assert wire.say(f"RCPT TO:<{ANNA}>")[0] == 250
        code, text = wire.say(f"RCPT TO:<{BEN}>")
        assert f"{code} {text}".startswith("452 4.5.3")
        wire.say("DATA")
        wire.send(MESSAGE + b".\r\n")
        assert wire.reply()[0] == 250
        assert wire.message("a@elsewhere.example", BEN)[0] == 250
    assert len(server.messages(ANNA, before[0] + 1)) == before[0] + 1
    assert len(server.messages(BEN, before[1] + 1)) == before[1] + 1


@pytest.mark.peer("dovecot")
def test_a_full_mailbox_has_an_answer_of_its_own(mailboxes: Mailboxes) -> None:
    with Wire(mailboxes.node.at) as wire:
        wire.say("EHLO client.test")
        code, text = wire.message("a@elsewhere.example", FULL)
        assert code in {452, 552}, text
        wire.say("RSET")
        assert wire.message("a@elsewhere.example", ANNA)[0] == 250
    outcomes = [row["outcome"] for row in mailboxes.node.records(kind="delivery")]
    assert outcomes[-2] in {"deferred", "refused"}
    assert outcomes[-1] == "delivered"


@pytest.mark.peer("dovecot", "postfix")
def test_postfix_gets_rid_of_its_queue_into_dovecot(mailboxes: Mailboxes, running: ExitStack) -> None:
    server = mailboxes.server
    before = len(server.messages(ANNA)), len(server.messages(BEN))
    sender = running.enter_context(postfix.client(mailboxes.node.at, settings={"smtp_tls_security_level": "none"}))
    sender.send(MESSAGE, [ANNA, BEN], "a@elsewhere.example")
    if not sender.drained(0.5):
        sender.flush()  # Ben's copy was put off by 452 4.5.3
    assert sender.drained()
    assert len(server.messages(ANNA, before[0] + 1)) == before[0] + 1
    assert len(server.messages(BEN, before[1] + 1)) == before[1] + 1


def test_a_maildir_gets_every_octet(tmp_path: Path) -> None:
    with inside(tmp_path, policy('[next_hops.inner]\naddress = "maildir:mail"\n')) as node, Wire(node.at) as wire:
        wire.say("EHLO client.test")
        assert wire.message("a@elsewhere.example", ANNA, stuffed(ODD))[0] == 250
        wire.say("MAIL FROM:<>")
        assert wire.say(f"RCPT TO:<{ANNA}>")[0] == 250
        assert wire.say(f"RCPT TO:<{BEN}>")[0] == 452
    (mail,) = (tmp_path / "mail" / "new").iterdir()
    assert without_our_line(mail.read_bytes()) == ODD.replace(b"\r\n", b"\n")
    assert not list((tmp_path / "mail" / "tmp").iterdir())


def test_a_maildir_that_cannot_be_written_puts_off(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("not a folder")
    with inside(tmp_path, policy('[next_hops.inner]\naddress = "maildir:mail"\n')) as node, Wire(node.at) as wire:
        wire.say("EHLO client.test")
        code, text = wire.message("a@elsewhere.example", ANNA)
        assert f"{code} {text}".startswith("451 4.2.0")
        (tmp_path / "mail").unlink()
        assert wire.message("a@elsewhere.example", ANNA)[0] == 250
