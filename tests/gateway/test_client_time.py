"""Clients that take their time: silence, drips, unread replies, and what is given back when they go (1, 5)."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from tests.gateway.inside import Inside, inside
from tests.gateway.scripted_hop import scripted
from tests.gateway.test_next_hop_faults import policy
from tests.gateway.wire import Wire

HELLO = "EHLO client.test"
MAIL, RCPT = "MAIL FROM:<a@elsewhere.test>", "RCPT TO:<bob@example.org>"


def nothing_left(node: Inside, seconds: float = 5.0) -> bool:
    """Whether all that clients held is given back within that time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        counted = node.counters.connections(bytes([127, 0, 0, 1])), node.counters.node_sessions()
        if not node.run(lambda: len(node.state.connections)) and counted == (0, 0):
            return True
        time.sleep(0.02)
    return False


def test_who_says_nothing_after_the_greeting_is_let_go(tmp_path: Path) -> None:
    with scripted() as hop, inside(tmp_path, policy(hop)) as node, Wire(node.at) as wire:
        node.hurry(299)
        assert wire.say("NOOP")[0] == 250
        node.hurry(301)
        assert wire.reply() == (421, "4.4.2 Timed out waiting for you")
        assert wire.at_end()
        wire.sock.close()
        assert nothing_left(node)


def test_a_command_that_drips_does_not_put_the_deadline_off(tmp_path: Path) -> None:
    with scripted() as hop, inside(tmp_path, policy(hop)) as node, Wire(node.at) as wire:
        for octet in (b"N", b"O", b"O"):
            wire.send(octet)
            time.sleep(0.05)
            node.hurry(120)
        assert wire.reply()[0] == 421


def test_silence_after_a_refusal_that_was_remembered(tmp_path: Path) -> None:
    with scripted({"RCPT": b"550 5.1.1 no\r\n"}) as hop, inside(tmp_path, policy(hop)) as node:
        for _ in range(2):
            with Wire(node.at) as wire:
                wire.say(HELLO)
                wire.say(MAIL)
                assert wire.say(RCPT)[0] == 550
                for _ in range(3):
                    node.hurry(301)
                assert wire.reply()[0] == 421


def test_half_a_proxy_header_is_waited_for_five_seconds(tmp_path: Path) -> None:
    listener = 'address = "127.0.0.1:25"\nproxy_protocol_from = ["127.0.0.1"]'
    with scripted() as hop, inside(tmp_path, policy(hop), listener) as node:
        with Wire(node.at, greeting=False) as wire:
            wire.send(b"PROXY TCP4 127.0.0.1 ")
            time.sleep(0.1)
            node.hurry(5.1)
            assert wire.at_end(2)
        assert nothing_left(node)


def test_under_overload_ten_seconds_and_one_error(tmp_path: Path) -> None:
    with scripted() as hop, inside(tmp_path, policy(hop)) as node:
        node.state.node.overloaded = True
        with Wire(node.at) as wire:
            wire.say(HELLO)
            node.hurry(10.5)
            assert wire.reply()[0] == 421


def test_a_message_below_500_octets_a_second_or_silent_for_180_seconds(tmp_path: Path) -> None:
    with scripted() as hop, inside(tmp_path, policy(hop)) as node:
        for silent in (True, False):
            with Wire(node.at) as wire:
                for line in (HELLO, MAIL, RCPT, "DATA"):
                    wire.say(line)
                for _ in range(1 if silent else 4):
                    wire.send(b"x" * 100 + b"\r\n")
                    time.sleep(0.05)
                    node.pass_time(181 if silent else 60)
                assert wire.reply() == (421, "4.4.2 Message came in too slowly")
        assert nothing_left(node)
        assert not hop.messages
        assert not hop.partial


def test_replies_that_nobody_reads_do_not_pile_up(tmp_path: Path) -> None:
    with scripted() as hop, inside(tmp_path, policy(hop)) as node, Wire(node.at) as wire:
        wire.say(HELLO)
        wire.sock.settimeout(1)
        with pytest.raises(TimeoutError):
            for _ in range(200):
                wire.send(b"MAIL FROM:<a@b.test>\r\nMAIL FROM:<a@b.test> SIZE=1\r\n" * 1000)

        def piled() -> int:
            return max(connection._channel.backlog for connection in node.state.connections)

        assert node.run(piled) < 1_048_576


@pytest.mark.parametrize("how", ["close", "half", "reset"])
@pytest.mark.parametrize("lines", [(), (HELLO,), (HELLO, MAIL), (HELLO, MAIL, RCPT), (HELLO, MAIL, RCPT, "DATA")])
def test_the_end_in_every_state_gives_everything_back(tmp_path: Path, lines: tuple[str, ...], how: str) -> None:
    with scripted() as hop, inside(tmp_path, policy(hop)) as node:
        wire = Wire(node.at)
        for line in lines:
            wire.say(line)
        wire.send(b"half of someth")
        if how == "half":
            wire.sock.shutdown(socket.SHUT_WR)
        elif how == "reset":
            wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        if how != "half":
            wire.sock.close()
        assert nothing_left(node)
        wire.sock.close()
        node.hurry(3)
        time.sleep(0.1)
        assert node.counters.next_hop_connections(node.counters.slot("inner")) == 0
        assert node.counters.spool_total() == 0
        assert not hop.messages
        assert not node.alarms
