"""What a next hop's word on a recipient is worth (gateway-behaviour 1): at RCPT, only at DATA, or never."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.gateway.node import RunningNode, serving
from tests.gateway.scripted_hop import Hop, scripted
from tests.gateway.wire import Wire
from tests.peers import postfix
from tests.peers.process import until
from tests.peers_gateway.site import ANNA, BEN, MESSAGE, at, next_hop, policy

NOBODY = "nobody@example.test"
LIST = "# who is here\nAnna@Example.test\nben@example.test  # and Ben\n"


@contextmanager
def site(folder: Path, to: tuple[str, int], *lines: str, listed: str | None = None) -> Iterator[RunningNode]:
    """A node before that next hop; `listed` is its recipients_file."""
    own = list(lines)
    (folder / "node").mkdir()
    if listed is not None:
        (folder / "node" / "recipients").write_text(listed)
        own.append('recipients_file = "recipients"')
    with serving(folder / "node", policy(next_hop("inner", at(to), *own))) as node:
        yield node


def rcpt(wire: Wire, recipients: Sequence[str]) -> list[str]:
    """The answers to these recipients in one transaction, each as code and enhanced code."""
    wire.say("EHLO client.test")
    wire.say(f"MAIL FROM:<{BEN}>")
    answers = [wire.say(f"RCPT TO:<{recipient}>") for recipient in recipients]
    return [f"{code} {text.split(' ')[0]}" for code, text in answers]


@pytest.mark.peer("postfix")
def test_postfix_tells_at_recipient(tmp_path: Path, running: ExitStack) -> None:
    server = running.enter_context(postfix.next_hop([ANNA, BEN]))
    with site(tmp_path, server.at) as node, Wire(node.at) as wire:
        assert rcpt(wire, [ANNA, NOBODY, BEN]) == ["250 2.1.5", "550 5.1.1", "250 2.1.5"]
        assert wire.say("DATA")[0] == 354
        wire.send(MESSAGE + b".\r\n")
        assert wire.reply()[0] == 250
        assert len(server.messages(ANNA, 1)) == len(server.messages(BEN, 1)) == 1


@pytest.mark.peer("postfix")
def test_a_list_is_asked_before_postfix_is(tmp_path: Path, running: ExitStack) -> None:
    server = running.enter_context(postfix.next_hop([ANNA, "new@example.test"]))
    with site(tmp_path, server.at, listed=LIST) as node, Wire(node.at) as wire:
        assert rcpt(wire, [NOBODY, "new@example.test"]) == ["550 5.1.1", "550 5.1.1"]
        assert "nobody@" not in server.running.log_text()
        assert "new@" not in server.running.log_text()
        assert rcpt(wire, ["ANNA@EXAMPLE.TEST", BEN]) == ["250 2.1.5", "550 5.1.1"]  # both must know them


@pytest.mark.parametrize("check", ["at_data", "never"])
def test_a_next_hop_that_tells_late_gets_one_recipient_a_transaction(tmp_path: Path, check: str) -> None:
    with (
        scripted() as hop,
        site(tmp_path, hop.at, f'recipient_check = "{check}"', listed=LIST) as node,
        Wire(node.at) as wire,
    ):
        assert rcpt(wire, [NOBODY, ANNA, BEN]) == ["550 5.1.1", "250 2.1.5", "452 4.5.3"]
        assert wire.say("DATA")[0] == 354
        wire.send(MESSAGE + b".\r\n")
        assert wire.reply()[0] == 250
        assert wire.message(BEN, BEN)[0] == 250
        assert [one for one in hop.commands if one.startswith("RCPT")] == [f"RCPT TO:<{ANNA}>", f"RCPT TO:<{BEN}>"]


def test_a_refusal_at_data_is_the_recipients(tmp_path: Path) -> None:
    answers = {"DATA": b"550 5.1.1 User unknown\r\n"}
    with (
        scripted(answers) as hop,
        site(tmp_path, hop.at, 'recipient_check = "at_data"') as node,
        Wire(node.at) as wire,
    ):
        wire.say("EHLO client.test")
        code, text = wire.message(BEN, NOBODY)
        assert f"{code} {text}".startswith("550 5.1.1 ")
        assert hop.messages == []


@pytest.mark.parametrize("listed", [None, LIST])
def test_without_a_list_lint_says_that_nobody_checks(tmp_path: Path, listed: str | None) -> None:
    with scripted() as hop, site(tmp_path, hop.at, 'recipient_check = "never"', listed=listed) as node:
        assert ("recipients-unchecked" in node.log) == (listed is None)


def test_a_list_that_is_changed_counts_after_a_reload(tmp_path: Path) -> None:
    def now(node: RunningNode, hop: Hop) -> list[str]:
        with Wire(node.at) as wire:
            return rcpt(wire, ["new@example.test"])

    with scripted() as hop, site(tmp_path, hop.at, listed=LIST) as node:
        assert now(node, hop) == ["550 5.1.1"]
        (node.folder / "recipients").write_text(LIST + "new@example.test\n")
        node.process.send_signal(signal.SIGHUP)
        assert until(lambda: now(node, hop) == ["250 2.1.5"])


def test_a_list_that_is_broken_keeps_the_old_one(tmp_path: Path) -> None:
    with scripted() as hop, site(tmp_path, hop.at, listed=LIST) as node:
        (node.folder / "recipients").write_text("anna@example.test\nno address\n")
        node.process.send_signal(signal.SIGHUP)
        assert until(lambda: "reload refused" in node.log)
        assert "recipients:2" in node.log
        with Wire(node.at) as wire:
            assert rcpt(wire, [BEN, NOBODY]) == ["250 2.1.5", "550 5.1.1"]
