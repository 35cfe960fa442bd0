"""More clients than the next hop may have connections: links go from hand to hand."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from tests.gateway.inside import inside
from tests.gateway.scripted_hop import scripted
from tests.gateway.test_next_hop_faults import policy
from tests.gateway.wire import Wire

_AT_ONCE = 1.0
"""Less than an unused link is kept in the pool (2 s)."""


def _begun(at: tuple[str, int]) -> Wire:
    wire = Wire(at)
    wire.say("EHLO client.test")
    assert wire.say("MAIL FROM:<a@elsewhere.test>")[0] == 250
    return wire


def test_a_link_goes_to_whoever_waits_for_one(tmp_path: Path) -> None:
    with scripted() as hop, inside(tmp_path, policy(hop, more="connections = 1")) as node:
        with _begun(node.at) as first, _begun(node.at) as second:
            assert first.say("RCPT TO:<bob@example.org>")[0] == 250
            second.send(b"RCPT TO:<bob@example.org>\r\n")
            assert first.say("DATA")[0] == 354
            began = time.monotonic()
            assert first.say("Subject: one\r\n\r\n.")[0] == 250
            assert second.reply()[0] == 250
            assert time.monotonic() - began < _AT_ONCE
        assert len(hop.connections) == 1
        assert hop.commands.count("RSET") == 1


def test_many_clients_on_few_links_are_all_served(tmp_path: Path) -> None:
    codes: list[int] = []

    def client(at: tuple[str, int]) -> None:
        with Wire(at) as wire:
            wire.say("EHLO client.test")
            codes.extend(wire.message("a@elsewhere.test", "bob@example.org")[0] for _ in range(10))

    with scripted() as hop, inside(tmp_path, policy(hop, more="connections = 2")) as node:
        threads = [threading.Thread(target=client, args=(node.at,)) for _ in range(8)]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert codes == [250] * 80
        assert len(hop.connections) <= 2
        assert time.monotonic() - began < 5


def test_a_client_that_left_the_queue_is_passed_over(tmp_path: Path) -> None:
    with scripted() as hop, inside(tmp_path, policy(hop, more="connections = 1")) as node:
        with _begun(node.at) as first, _begun(node.at) as second, _begun(node.at) as third:
            assert first.say("RCPT TO:<bob@example.org>")[0] == 250
            second.send(b"RCPT TO:<bob@example.org>\r\n")
            time.sleep(0.1)
            third.send(b"RCPT TO:<bob@example.org>\r\n")
            time.sleep(0.1)
            second.sock.close()
            time.sleep(0.1)
            assert first.say("DATA")[0] == 354
            assert first.say("Subject: one\r\n\r\n.")[0] == 250
            began = time.monotonic()
            assert third.reply()[0] == 250
            assert time.monotonic() - began < _AT_ONCE
        assert len(hop.messages) == 1
