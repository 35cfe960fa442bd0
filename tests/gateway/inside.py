"""The inside of a worker in this process: its loop in a thread, a real listening socket, no parent."""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from arrowslit.documents.settings_file import load_settings
from arrowslit.documents.site import load_site, settings_for_workers
from arrowslit.gateway.acceptor import Acceptor
from arrowslit.gateway.connection import Connection
from arrowslit.gateway.counters import SharedCounters
from arrowslit.gateway.link import Link
from arrowslit.gateway.make_state import listener_parts, make_state
from arrowslit.gateway.state import WorkerState
from tests.gateway.node import settings_text


@dataclass
class Inside:
    """A worker's state under a loop in a thread."""

    folder: Path
    state: WorkerState
    loop: asyncio.AbstractEventLoop
    at: tuple[str, int]
    counters: SharedCounters
    alarms: list[tuple[str, str]] = field(default_factory=list)
    """What was raised, by name and text."""
    over: list[tuple[str, str]] = field(default_factory=list)
    """What was said to be gone, by name and subject."""

    def records(self, **wanted: object) -> list[dict[str, Any]]:
        """The records so far that have these values."""
        self.run(self.state.flush)
        path = self.folder / "decisions.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]

    def wait_for(self, seconds: float = 10.0, **wanted: object) -> dict[str, Any]:
        """The first record with these values, as soon as there is one."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if found := self.records(**wanted):
                return found[0]
            time.sleep(0.02)
        raise AssertionError(f"no record with {wanted} in {self.records()}")

    def run(self, work: Any) -> Any:
        """Call `work` on the loop and wait for what it returns."""

        async def call() -> Any:
            return work()

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(10)

    def hurry(self, seconds: float) -> None:
        """As if that much time had passed: every deadline comes nearer by it."""

        def nearer() -> None:
            items = self.state.deadlines._items
            for item in items:
                item.deadline -= seconds
            for connection in self.state.connections:
                forwarding = connection._carrying._forwarding
                if forwarding is not None:
                    forwarding.release_at -= seconds
            self.state.deadlines.turn(self.loop.time())

        self.run(nearer)

    def pass_time(self, seconds: float) -> None:
        """As `hurry`, and what a message's pace is measured by is longer ago too."""

        def longer_ago() -> None:
            for connection in self.state.connections:
                connection._carrying._body_since -= seconds
                connection._last_octets -= seconds

        self.run(longer_ago)
        self.hurry(seconds)


@contextmanager
def inside(
    folder: Path,
    policy: str,
    listener: str = 'address = "127.0.0.1:25"',
    more: str = "",
    told: dict[str, str] | None = None,
) -> Iterator[Inside]:
    """Run a worker's inside with this policy, on a free loopback port."""
    folder.mkdir(parents=True, exist_ok=True)
    settings_path, policy_path = folder / "arrowslit.toml", folder / "policy.toml"
    settings_path.write_text(settings_text([listener], more).replace('mail = "mail.log"', 'mail = "off"'))
    policy_path.write_text(policy)
    loaded = load_settings(settings_path)
    assert loaded.settings is not None, loaded.findings
    site = load_site(settings_path, policy_path, date=datetime.date(2026, 11, 25), secrets=True)
    assert site.policy is not None, [placed.finding.message for placed in site.findings]
    sock = socket.create_server(("127.0.0.1", 0), backlog=1000)
    bound = f"127.0.0.1:{sock.getsockname()[1]}"
    loop = asyncio.new_event_loop()
    counters = SharedCounters.create(1)
    message = {
        "worker": 0,
        "settings": settings_for_workers(loaded.settings, settings_path),
        "intents": str(folder / "intents"),
        "mail_log": None,
    }
    alarms: list[tuple[str, str]] = []
    over: list[tuple[str, str]] = []

    def alarm(name: str, text: str, subject: str = "") -> None:
        alarms.append((name, text))

    state = make_state(loop, message, site, counters, alarm, lambda name, subject: over.append((name, subject)))
    parts = listener_parts(state, {"bound": bound, "settings": {"index": 0, **(told or {})}})

    def accepted(client: socket.socket, peer: Any, own: Any) -> None:
        state.tick()
        Connection(state, parts, client, peer, own).start()

    def turn() -> None:
        state.deadlines.turn(state.tick())
        loop.call_later(0.2, turn)

    acceptor = Acceptor(loop, sock, accepted)
    acceptor.start()
    loop.call_soon(turn)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    made = Inside(folder, state, loop, sock.getsockname(), counters, alarms, over)
    try:
        yield made
    finally:

        def stop() -> None:
            acceptor.close()
            for connection in tuple(state.connections):
                connection.kill()
            for item in tuple(state.deadlines._items):
                if isinstance(item, Link):
                    item.end()
            state.writer.close(loop.time())
            state.intents.close()
            loop.stop()

        loop.call_soon_threadsafe(stop)
        thread.join(10)
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        counters.detach()
        os.close(counters.place.fd)
