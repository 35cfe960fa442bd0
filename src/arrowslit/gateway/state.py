"""What the connections of one worker share: the loop, the node's state, next hops, counters, where records go."""

from __future__ import annotations

import asyncio
import datetime
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from arrowslit.documents.settings import Settings
from arrowslit.gateway.counters import SharedCounters
from arrowslit.gateway.deadlines import Deadlines
from arrowslit.gateway.intents import Intents
from arrowslit.gateway.next_hops import NextHops
from arrowslit.gateway.records import Recorder
from arrowslit.gateway.sign_in import SignInDesk
from arrowslit.gateway.splice import Splice as SpliceRun
from arrowslit.gateway.tls import TlsLayer
from arrowslit.mail.address_set import AddressSet
from arrowslit.networks.reverse import Resolver
from arrowslit.observe.metrics import Metrics
from arrowslit.observe.writer import DecisionWriter
from arrowslit.policy.parts import NextHopAddress
from arrowslit.session.node import Listener, Node

if TYPE_CHECKING:
    from arrowslit.gateway.connection import Connection

T = TypeVar("T")


@dataclass(slots=True)
class ListenerParts:
    """A listener as connections need it. `new_tls` makes a layer; None where TLS is off."""

    listener: Listener
    proxies: AddressSet | None = None
    """Whose PROXY header is believed, where one is expected: everybody else is dropped."""
    new_tls: Callable[[], TlsLayer] | None = None


@dataclass(slots=True)
class WorkerState:
    """See the module."""

    loop: asyncio.AbstractEventLoop
    settings: Settings
    node: Node
    deadlines: Deadlines
    counters: SharedCounters
    intents: Intents
    hops: NextHops
    desk: SignInDesk
    resolver: Resolver
    recorder: Recorder
    writer: DecisionWriter
    metrics: Metrics
    folder: Path
    """The folder of the settings file; Maildirs are relative to it."""
    connections: set[Connection] = field(default_factory=set)
    settled: list[int] = field(default_factory=list)
    """Slots of intents whose outcome is known and not yet written."""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _second: int = 0

    def tick(self) -> float:
        """Bring the node's moment up to now; returns the loop's time in seconds."""
        now = self.loop.time()
        moment = self.node.moment
        moment.monotonic = now
        second = int(now)
        if second != self._second:
            self._second = second
            unix = time.time()
            moment.stamp = formatdate(unix)
            moment.date = datetime.datetime.fromtimestamp(unix, datetime.UTC).date()
        return now

    def settle(self, slot: int) -> None:
        """The outcome of an intent is known; it is let go at the next flush."""
        self.settled.append(slot)

    def flush(self) -> None:
        """Write the records that wait, then let go of the intents that they settle."""
        settled, self.settled = self.settled, []
        self.writer.flush(self.loop.time())
        for slot in settled:
            self.intents.done(slot)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine beside the path of the mail, and keep it from being forgotten."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def in_thread(self, work: Callable[[], T], tell: Callable[[T], None], failed: Callable[[Exception], None]) -> None:
        """Run `work` in a thread, and `tell` what it returned, or `failed` what it raised."""

        async def run() -> None:
            try:
                result = await self.loop.run_in_executor(None, work)
                tell(result)
            except Exception as error:
                failed(error)

        self.spawn(run())

    def splice(self, target: NextHopAddress, run: SpliceRun) -> None:
        """Connect a spliced client to `target`."""

        def told(up: bool) -> None:
            services = self.hops.services
            if up:
                services.over("next-hop-down", target.text)
            else:
                self.metrics.add("arrowslit_faults", ("next-hop-down",))
                services.alarm(
                    "next-hop-down", f"{target.text}, where clients are spliced to, can't be reached", target.text
                )

        self.hops.endpoints.of((target,), lambda found: run.connect(found, told))

    def observe(self) -> None:
        """Figures that are kept elsewhere, for the next snapshot."""
        metrics = self.metrics
        metrics.set("arrowslit_sessions_open", (), len(self.connections))
        metrics.set("arrowslit_revision_info", (str(self.node.policy.revision),), 1)
        metrics.set("arrowslit_intents_overflowed", (), self.intents.overflowed)
        up: dict[tuple[str, ...], float] = {}
        for hop in self.node.policy.next_hops:
            up[(hop,)] = 1.0 if self.hops.is_up(hop) else 0.0
        metrics.replace("arrowslit_next_hop_up", up)

    def charge_spool(self, octets: int) -> bool:
        """Take from (or give back to) the node's spool budget; False where it would be overspent."""
        counters = self.counters
        if octets <= 0:
            counters.spool_sub(-octets)
            return True
        if counters.spool_add(octets) <= self.settings.limits.spool_bytes:
            return True
        counters.spool_sub(octets)
        return False
