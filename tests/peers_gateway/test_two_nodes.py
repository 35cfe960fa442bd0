"""Two nodes on one PostgreSQL behind HAProxy: revisions under load, and a store that goes and comes back."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from arrowslit.gateway.control import request
from arrowslit.store.database import Database, open_database
from arrowslit.store.query import Query
from tests.gateway.node import RunningNode, serving
from tests.gateway.policies import loopback
from tests.gateway.scripted_hop import Hop, scripted
from tests.gateway.wire import Wire
from tests.peers import haproxy, postgresql
from tests.peers.postgresql import Postgresql
from tests.peers.process import until

pytestmark = pytest.mark.peer("postgresql", "haproxy")

REVISIONS = 100
SENDERS = 6
PROXY = 'address = "127.0.0.1:{port}"\nproxy_protocol_from = ["127.0.0.1"]'


@dataclass
class Site:
    """All that runs."""

    server: Postgresql
    location: str
    nodes: list[RunningNode]
    hop: Hop
    at: tuple[str, int]


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """Two nodes of one store behind a balancer."""
    with ExitStack() as stack:
        server = stack.enter_context(postgresql.server())
        location = server.create("life")
        hop = stack.enter_context(scripted())
        text = loopback(hop.at[1])
        nodes = [
            stack.enter_context(serving(folder / name, text, [PROXY], name=f"{name}.arrowslit.test", store=location))
            for name in ("one", "two")
        ]
        balancer = stack.enter_context(haproxy.front(nodes[0].at, nodes[1].at, send_proxy=True))
        yield Site(server, location, nodes, hop, (balancer.address, balancer.port))


@dataclass
class Load:
    """Senders that keep their sessions and send a message over and over."""

    at: tuple[str, int]
    stop: threading.Event = field(default_factory=threading.Event)
    sent: int = 0
    wrong: list[tuple[int, str]] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Load:
        self._threads = [threading.Thread(target=self._send) for _ in range(SENDERS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join(30)

    def _send(self) -> None:
        with Wire(self.at) as wire:
            wire.say("EHLO client.test")
            while not self.stop.is_set():
                answer = wire.message("a@elsewhere.test", "bob@example.org")
                if answer[0] != 250:
                    self.wrong.append(answer)
                    return
                self.sent += 1
                time.sleep(0.01)


def active(node: RunningNode) -> int:
    """The revision that it has taken up."""
    return int(request(node.folder / "state" / "control.sock", {"do": "status"})["revision"])


def stored(store: Database) -> int:
    """How many deliveries are on record."""
    return sum(one.count for one in store.decisions.count_by_client(Query(kind="delivery")).clients)


def test_a_hundred_revisions_under_load_lose_no_session(tmp_path: Path) -> None:
    with site(tmp_path) as one, closing(open_database(one.location)) as store:
        texts = {1: loopback(one.hop.at[1])}
        with Load(one.at) as load:
            for number in range(1, REVISIONS):
                texts[number + 1] = f"{loopback(one.hop.at[1])}# {number}\n"
                head = store.revisions.apply(
                    texts[number + 1], expected=number, kind="apply", author="x", message=f"{number}"
                )
                assert head.revision == number + 1
                time.sleep(0.08)
            begin = time.monotonic()
            assert until(lambda: [active(node) for node in one.nodes] == [REVISIONS, REVISIONS])
            assert time.monotonic() - begin < 2.5
        assert load.wrong == []
        assert load.sent == len(one.hop.messages) > 200
        assert until(lambda: stored(store) == load.sent), (stored(store), load.sent)
        seen: set[int] = set()
        for node in one.nodes:
            for row in node.records(kind="delivery"):
                seen.add(row["revision"])
                # The node's own copy of that revision is the text that was applied under that number.
                copy = node.folder / "state" / "revisions" / f"{row['revision']}.toml"
                assert not copy.exists() or copy.read_text() == texts[row["revision"]]
        assert len(seen) > 5
        states = store.nodes.list()
        assert {state.node for state in states} == {"one.arrowslit.test", "two.arrowslit.test"}


def test_a_store_that_goes_and_comes_back_under_load(tmp_path: Path) -> None:
    with site(tmp_path) as one:
        with Load(one.at) as load:
            time.sleep(1)
            one.server.kill()
            assert until(lambda: all("store-away" in alarms(node) for node in one.nodes), 20)
            before = load.sent
            time.sleep(1)
            assert load.sent > before  # mail does not wait for it
            one.server.start()
            assert until(lambda: not any("store-away" in alarms(node) for node in one.nodes), 30)
        assert load.wrong == []
        with closing(open_database(one.location)) as store:
            assert until(lambda: stored(store) == load.sent, 20), (stored(store), load.sent)
            said = one.nodes[0].policy(f"{loopback(one.hop.at[1])}# later\n", "--json")
            assert json.loads(said.stdout)["revision"] == 2
            assert [node["active"] for node in json.loads(said.stdout)["nodes"]] == [True, True]


def alarms(node: RunningNode) -> set[str]:
    """The names of what rings."""
    status = request(node.folder / "state" / "control.sock", {"do": "status"})
    return {one["name"] for one in status["alarms"] if one.get("open", True)}
