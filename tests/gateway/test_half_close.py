"""A client that ends its side of the connection and goes on reading, as Exim does behind its last QUIT."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.gateway.inside import inside
from tests.gateway.scripted_hop import scripted
from tests.gateway.wire import Wire
from tests.peers_gateway.site import ANNA, MESSAGE, at, next_hop, policy

TRANSACTION = f"MAIL FROM:<a@elsewhere.example>\r\nRCPT TO:<{ANNA}>\r\nBDAT {len(MESSAGE)} LAST\r\n".encode() + MESSAGE


@pytest.mark.parametrize("more", [b"QUIT\r\n", b"NOOP\r\nQUIT\r\n"])
def test_what_was_said_before_is_done_and_answered(tmp_path: Path, more: bytes) -> None:
    with scripted() as hop, inside(tmp_path, policy(next_hop("inner", at(hop.at)))) as node, Wire(node.at) as wire:
        wire.say("EHLO client.test")
        wire.send(TRANSACTION + more)
        wire.sock.shutdown(socket.SHUT_WR)
        codes = [wire.reply()[0] for _ in range(3 + more.count(b"\r\n"))]
        assert codes == [250] * (len(codes) - 1) + [221]
        assert wire.at_end()
        assert len(hop.messages) == 1
        assert node.wait_for(kind="delivery")["outcome"] == "delivered"
        assert node.run(lambda: len(node.state.connections)) == 0


def test_a_message_without_quit_behind_it_is_that_of_a_client_that_went(tmp_path: Path) -> None:
    with scripted() as hop, inside(tmp_path, policy(next_hop("inner", at(hop.at)))) as node:
        with Wire(node.at) as wire:
            wire.say("EHLO client.test")
            wire.send(TRANSACTION)
        assert node.wait_for(reason="client-gone")["reason"] == "client-gone"
        assert not hop.messages
        with Wire(node.at) as wire:
            wire.say("EHLO client.test")
            assert wire.message("a@elsewhere.example", ANNA)[0] == 250
        assert len(hop.messages) == 1


def test_half_a_command_is_no_command(tmp_path: Path) -> None:
    with scripted() as hop, inside(tmp_path, policy(next_hop("inner", at(hop.at)))) as node, Wire(node.at) as wire:
        wire.say("EHLO client.test")
        wire.send(TRANSACTION.partition(b"BDAT")[0] + b"QUI")
        wire.sock.shutdown(socket.SHUT_WR)
        assert [wire.reply()[0] for _ in range(3)] == [250, 250, 0]
        assert not hop.messages
