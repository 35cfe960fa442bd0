"""HAProxy in front of the gateway, with either version of its header, and headers of those whom nobody trusts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.gateway.node import RunningNode, serving
from tests.gateway.scripted_hop import Hop, scripted
from tests.gateway.wire import Wire
from tests.peers import haproxy
from tests.peers.haproxy import HAProxy
from tests.peers_gateway.site import ANNA, at, next_hop, policy

pytestmark = pytest.mark.peer("haproxy")

LISTED, STRANGER = "127.0.0.31", "127.0.0.32"
V1 = f"PROXY TCP4 {LISTED} 127.0.0.1 40000 25\r\n".encode()
V2_LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"


@dataclass(slots=True)
class Fronted:
    """A node that takes connections from a balancer only."""

    node: RunningNode
    balancer: HAProxy
    hop: Hop

    @property
    def at(self) -> tuple[str, int]:
        """Where clients connect."""
        return self.balancer.address, self.balancer.port


@pytest.fixture(scope="module", params=[1, 2])
def fronted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fronted]:
    """HAProxy that sends this version of the header, and looks ten times a second whether the node is there."""
    with ExitStack() as stack:
        hop = stack.enter_context(scripted())
        text = policy(next_hop("inner", at(hop.at)), listed=f'{{ computer = "{LISTED}" }}')
        listener = 'address = "127.0.0.1:{port}"\nproxy_protocol_from = ["127.0.0.1"]'
        node = stack.enter_context(serving(tmp_path_factory.mktemp("node"), text, [listener]))
        front = haproxy.front(node.at, send_proxy=True, version=request.param, checks=True, greets=b"220")
        yield Fronted(node, stack.enter_context(front), hop)


def test_the_decision_is_about_the_real_client(fronted: Fronted) -> None:
    before = len(fronted.hop.messages)
    with Wire(fronted.at, LISTED) as wire:
        wire.say("EHLO client.test")
        assert wire.message("a@elsewhere.example", ANNA)[0] == 250
    with Wire(fronted.at, STRANGER) as wire:
        wire.say("EHLO client.test")
        code, text = wire.message("a@elsewhere.example", ANNA)
        assert (code, STRANGER in text) == (550, True)
    assert len(fronted.hop.messages) == before + 1
    assert fronted.node.records(kind="delivery")[-1]["client_address"] == LISTED
    assert fronted.node.records(kind="decision")[-1]["client_address"] == STRANGER


def test_health_checks_are_no_refusals(fronted: Fronted) -> None:
    time.sleep(0.5)
    assert "DOWN" not in fronted.balancer.running.log_text()
    rows = fronted.node.records()
    assert not [row for row in rows if row["client_address"] == "127.0.0.1" and row["kind"] != "delivery"], rows
    with Wire(fronted.at, LISTED) as wire:
        assert wire.greeting[0] == 220


def test_a_listed_address_in_the_header_of_a_stranger_is_worth_nothing(fronted: Fronted) -> None:
    with Wire(fronted.node.at, STRANGER, greeting=False) as wire:
        wire.send(V1)
        assert wire.at_end()
    with Wire(fronted.node.at, greeting=False) as wire:  # the balancer's own address
        wire.send(V1)
        assert wire.reply()[0] == 220


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY TCP4 127.0.0.31 127.0.0.1 40000\r\n",
        b"PROXY TCP4 999.0.0.31 127.0.0.1 40000 25\r\n",
        b"PROXY TCP6 127.0.0.31 127.0.0.1 40000 25\r\n",
        V2_LOCAL[:12] + b"\x41\x11\x00\x00",
        b"EHLO client.test\r\n",
        b"x" * 200,
    ],
)
def test_a_malformed_header_of_the_balancer_ends_the_connection(fronted: Fronted, header: bytes) -> None:
    with Wire(fronted.node.at, greeting=False) as wire:
        wire.send(header)
        wire.sock.settimeout(3)
        assert wire.sock.recv(100) == b""
    with Wire(fronted.node.at, greeting=False) as wire:
        wire.send(V1)
        assert wire.reply()[0] == 220


def test_local_keeps_the_real_end_points(fronted: Fronted) -> None:
    with Wire(fronted.node.at, greeting=False) as wire:
        wire.send(V2_LOCAL)
        assert wire.reply()[0] == 220
        wire.say("EHLO client.test")
        code, text = wire.message("a@elsewhere.example", ANNA)
        assert (code, "127.0.0.1" in text) == (550, True)


def test_a_header_where_none_is_expected_is_an_error(tmp_path: Path) -> None:
    with scripted() as hop:
        text = policy(next_hop("inner", at(hop.at)), listed=f'{{ computer = "{LISTED}" }}')
        with serving(tmp_path, text) as node:
            with Wire(node.at) as wire:
                wire.send(V1)
                assert wire.at_end()
            with Wire(node.at, LISTED) as wire:
                wire.say("EHLO client.test")
                assert wire.message("a@elsewhere.example", ANNA)[0] == 250
        assert len(hop.messages) == 1
