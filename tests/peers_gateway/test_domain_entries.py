"""Entries that name clients by their DNS name: only a name that leads back to the client counts (access-control).

The zone is NSD's; what a server does wrong is done by a server of our own, since no real one can be made to.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.gateway.node import RunningNode, serving
from tests.gateway.scripted_hop import scripted
from tests.gateway.wire import Wire
from tests.networks import dns_server
from tests.networks.dns_server import DnsServer, Trouble
from tests.peers import nsd
from tests.peers_gateway.site import ANNA, BEN, at, next_hop, policy

BRANCH, FORGED, UNNAMED, NEAR, MANY, LOOP, GONE = (f"127.0.0.{number}" for number in range(21, 28))
RECORDS = [
    nsd.reverse(BRANCH, "leeds.branches.example.test"),
    f"leeds.branches.example.test. A {BRANCH}",
    nsd.reverse(FORGED, "york.branches.example.test"),
    f"york.branches.example.test. A {BRANCH}",
    nsd.reverse(NEAR, "leeds.branches.example.test.evil.test"),
    f"leeds.branches.example.test.evil.test. A {NEAR}",
    *(nsd.reverse(MANY, f"name{number}.evil.test") for number in range(40)),
    nsd.reverse(MANY, "leeds2.branches.example.test"),
    f"leeds2.branches.example.test. A {MANY}",
    nsd.reverse(LOOP, "loop.branches.example.test"),
    "loop.branches.example.test. CNAME loop2.branches.example.test.",
    "loop2.branches.example.test. CNAME loop.branches.example.test.",
    nsd.reverse(GONE, "gone.branches.example.test"),
]
DOMAIN = '{ domain = "*.branches.example.test" }'


@contextmanager
def node_asking(
    folder: Path, server: str, listed: str = DOMAIN, more: str = "", timeout: str = "5s", mode: str = "only_listed"
) -> Iterator[RunningNode]:
    """A node that asks this DNS server."""
    with scripted() as hop:
        text = policy(next_hop("inner", at(hop.at)), listed=listed)
        if mode != "only_listed":
            text = text.replace("only_listed = ", f'mode = "{mode}"\n{mode} = ')
        settings = f'[dns]\nservers = ["{server}"]\ntimeout = "{timeout}"\n'
        with serving(folder, text + more, more=settings) as node:
            yield node


def answer(node: RunningNode, source: str) -> str:
    """What RCPT comes to for that client, as code and enhanced code; CONNECT when nobody greets."""
    with Wire(node.at, source) as wire:
        wire.say("EHLO client.test")
        wire.say(f"MAIL FROM:<{BEN}>")
        code, text = wire.say(f"RCPT TO:<{ANNA}>")
        return f"{code} {text.split(' ')[0]}"


@pytest.mark.peer("nsd")
def test_only_a_confirmed_name_lets_in(tmp_path: Path) -> None:
    with nsd.authoritative(RECORDS) as server, node_asking(tmp_path, server.at) as node:
        assert answer(node, BRANCH) == "250 2.1.5"
        assert answer(node, FORGED) == "550 5.7.1"  # his PTR says so, the name itself does not
        assert answer(node, UNNAMED) == "550 5.7.1"
        assert answer(node, NEAR) == "550 5.7.1"  # the entry's name in the middle of his own
        assert answer(node, LOOP) in ("450 4.7.1", "550 5.7.1")
        assert answer(node, GONE) == "550 5.7.1"
        assert answer(node, MANY) != "000"  # forty names are an answer like any
    rows = {row["client_address"]: row for row in node.records(action="reject")}
    assert rows[FORGED]["reason"] == "may-not-connect"
    assert rows[FORGED]["reverse_name"] == "york.branches.example.test"
    assert rows[FORGED].get("client_name") is None


@pytest.mark.peer("nsd")
def test_a_server_that_is_gone_defers_whoever_only_his_name_could_let_in(tmp_path: Path) -> None:
    listed = f'{DOMAIN}, {{ computer = "{UNNAMED}" }}'
    with nsd.authoritative(RECORDS, ttl=0) as server, node_asking(tmp_path, server.at, listed, timeout="1s") as node:
        assert answer(node, BRANCH) == "250 2.1.5"
        server.running.stop()
        assert answer(node, FORGED) == "450 4.7.1"
        assert answer(node, UNNAMED) == "250 2.1.5"  # his address is enough


@contextmanager
def misbehaving(trouble: Trouble, *, forward: bool) -> Iterator[str]:
    """A server that fails for the reverse name, or for the forward look-up; its ADDRESS:PORT."""
    name = "leeds.branches.example.test"
    zone: dict[tuple[str, str], dns_server.Data] = {
        ("21.0.0.127.in-addr.arpa", "PTR"): [f"{name}."] if forward else trouble,
        (name, "A"): trouble if forward else [BRANCH],
    }
    server = DnsServer(zone)
    loop = asyncio.new_event_loop()
    ready, done = threading.Event(), asyncio.Event()

    async def main() -> None:
        async with dns_server.serving(server):
            ready.set()
            await done.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),))
    thread.start()
    try:
        assert ready.wait(5)
        yield server.address
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()
        loop.close()


@pytest.mark.parametrize("forward", [False, True])
@pytest.mark.parametrize("trouble", [Trouble.SERVFAIL, Trouble.REFUSED, Trouble.SILENCE, Trouble.GARBAGE])
def test_a_failure_is_no_answer(tmp_path: Path, trouble: Trouble, forward: bool) -> None:
    with misbehaving(trouble, forward=forward) as server:
        with node_asking(tmp_path / "only", server, timeout="1s") as node:
            assert answer(node, BRANCH) == "450 4.7.1"
        assert node.wait_for(action="defer")["reason"] == "client-name-unavailable"


@pytest.mark.parametrize("forward", [False, True])
def test_a_failure_is_no_proof_of_innocence_either(tmp_path: Path, forward: bool) -> None:
    with (
        misbehaving(Trouble.SERVFAIL, forward=forward) as server,
        node_asking(tmp_path, server, mode="all_except_listed") as node,
    ):
        assert answer(node, BRANCH) == "450 4.7.1"


def test_who_says_so_lets_in_whoever_could_not_be_looked_up(tmp_path: Path) -> None:
    with misbehaving(Trouble.SERVFAIL, forward=False) as server:
        listed = f'{DOMAIN} ]\nwhen_dns_fails = "permit"\n#'
        with node_asking(tmp_path, server, listed, mode="all_except_listed") as node:
            assert answer(node, BRANCH) == "250 2.1.5"


@pytest.mark.peer("nsd")
@pytest.mark.parametrize(("source", "reply"), [(BRANCH, "220 "), (FORGED, "554 5.7.1 "), (UNNAMED, "554 5.7.1 ")])
def test_told_at_connect(tmp_path: Path, source: str, reply: str) -> None:
    with nsd.authoritative(RECORDS) as server, scripted() as hop:
        text = policy(next_hop("inner", at(hop.at)), listed=DOMAIN, server=['refuse_at = "connect"'])
        with serving(tmp_path, text, more=f'[dns]\nservers = ["{server.at}"]\n') as node, Wire(node.at, source) as wire:
            code, words = wire.greeting
            assert f"{code} {words}".startswith(reply)


@pytest.mark.peer("nsd")
def test_a_client_by_ipv6(tmp_path: Path) -> None:
    records = [nsd.reverse("::1", "six.branches.example.test"), "six.branches.example.test. AAAA ::1"]
    with nsd.authoritative(records) as server, scripted() as hop:
        text = policy(next_hop("inner", at(hop.at)), listed=DOMAIN)
        settings = f'[dns]\nservers = ["{server.at}"]\n'
        with serving(tmp_path, text, ['address = "[::1]:{port}"'], settings, address="::1") as node:
            assert answer(node, "::1") == "250 2.1.5"
