"""Postfix, Exim and OpenSMTPD behind the gateway: verdicts at RCPT, and every octet of the message."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests.gateway.inside import Inside, inside
from tests.gateway.wire import Wire
from tests.peers import exim, opensmtpd, postfix
from tests.peers_gateway.site import ANNA, BEN, ELSEWHERE, MESSAGE, ODD, at, next_hop, policy, stuffed, without_our_line

Start = Callable[[list[str]], AbstractContextManager[Any]]

SERVERS = [
    pytest.param((postfix.next_hop, "550 5.1.1"), marks=pytest.mark.peer("postfix"), id="Postfix"),
    pytest.param((exim.next_hop, "550 5.0.0"), marks=pytest.mark.peer("exim"), id="Exim"),
    pytest.param((opensmtpd.next_hop, "524 5.2.4"), marks=pytest.mark.peer("opensmtpd"), id="OpenSMTPD"),
]


@pytest.fixture(scope="module", params=SERVERS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Inside, str]]:
    """A server, a gateway before it, and how the server refuses an unknown recipient."""
    start, refusal = request.param
    with start([ANNA, BEN]) as behind:
        text = policy(next_hop("inner", at(behind.at)))
        with inside(tmp_path_factory.mktemp("node"), text) as node:
            yield behind, node, refusal


def test_every_octet_arrives(pair: tuple[Any, Inside, str]) -> None:
    behind, node, _ = pair
    before = len(behind.messages(ANNA))
    with Wire(node.at) as wire:
        wire.say("EHLO client.test")
        assert wire.message("a@elsewhere.example", ANNA, stuffed(ODD))[0] == 250
    delivered = behind.messages(ANNA, before + 1)[-1]
    assert without_our_line(delivered) == ODD.replace(b"\r\n", b"\n")
    assert not node.alarms


def test_an_unknown_recipient_is_refused_at_rcpt_with_the_servers_verdict(pair: tuple[Any, Inside, str]) -> None:
    behind, node, refusal = pair
    before = len(behind.messages(ANNA))
    with Wire(node.at) as wire:
        wire.say("EHLO client.test")
        wire.say("MAIL FROM:<a@elsewhere.example>")
        code, text = wire.say("RCPT TO:<nobody@example.test>")
        assert f"{code} {text}".startswith(refusal)
        assert wire.say(f"RCPT TO:<{ANNA}>")[0] == 250
        wire.say("DATA")
        wire.send(MESSAGE + b".\r\n")
        assert wire.reply()[0] == 250
    row = node.records(kind="delivery", outcome="refused")[-1]
    assert (row["forward_path"], row["next_hop"]) == ("nobody@example.test", "inner")
    assert len(behind.messages(ANNA, before + 1)) == before + 1


def test_two_recipients_get_one_copy_each(pair: tuple[Any, Inside, str]) -> None:
    behind, node, _ = pair
    before = len(behind.messages(BEN)), len(behind.messages(ANNA))
    with Wire(node.at) as wire:
        wire.say("EHLO client.test")
        wire.send(f"MAIL FROM:<>\r\nRCPT TO:<{ANNA}>\r\nRCPT TO:<{BEN}>\r\nDATA\r\n".encode())
        assert [wire.reply()[0] for _ in range(4)] == [250, 250, 250, 354]
        wire.send(MESSAGE + b".\r\n")
        assert wire.reply()[0] == 250
    assert len(behind.messages(BEN, before[0] + 1)) == before[0] + 1
    last = behind.messages(ANNA, before[1] + 1)[-1]
    assert b"for <" not in last.partition(b"(Arrowslit)")[2].partition(b"From:")[0]


def test_nothing_for_elsewhere_is_even_asked(pair: tuple[Any, Inside, str]) -> None:
    behind, node, _ = pair
    with Wire(node.at) as wire:
        wire.say("EHLO client.test")
        wire.say("MAIL FROM:<a@elsewhere.example>")
        assert wire.say(f"RCPT TO:<{ELSEWHERE}>")[0] == 550
        assert wire.say(f"RCPT TO:<{ANNA}>")[0] == 250
    assert ELSEWHERE not in behind.log()
    assert not node.alarms


def test_a_large_message_goes_through_the_spools_file(pair: tuple[Any, Inside, str]) -> None:
    behind, node, _ = pair
    before = len(behind.messages(ANNA))
    large = ODD + (b"0123456789" * 7 + b"\r\n") * 20_000
    with Wire(node.at) as wire:
        wire.say("EHLO client.test")
        assert wire.message("a@elsewhere.example", ANNA, stuffed(large))[0] == 250
    assert without_our_line(behind.messages(ANNA, before + 1)[-1]) == large.replace(b"\r\n", b"\n")
