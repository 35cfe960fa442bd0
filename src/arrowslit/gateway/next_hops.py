"""Connections to next hops: found in the pool or made, under the node's cap and the circuit breakers.

Terms: a *search* looks for one usable link for a transaction; the *key* is all that must be the same for a link to be
used again (gateway-behaviour 1, Reusing): next hop with its addresses, TLS and AUTH, and the identity mode. A link
that something of a client sticks to (XCLIENT, PROXY v2, a client's AUTH) never enters the pool. The cap is the node's,
counted in memory that all workers share.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from arrowslit.documents.settings import NextHopSettings
from arrowslit.gateway.alarms import RaiseAlarm
from arrowslit.gateway.breaker import Breaker
from arrowslit.gateway.counters import SharedCounters
from arrowslit.gateway.deadlines import Deadlines
from arrowslit.gateway.endpoints import Endpoints
from arrowslit.gateway.link import Link, TlsPlan
from arrowslit.gateway.memory import Memory
from arrowslit.gateway.search import Search, Wanted
from arrowslit.gateway.tls import client_context
from arrowslit.policy.model import NextHop
from arrowslit.session.actions import Outcome
from arrowslit.session.node import Node
from arrowslit.smtp.offer import Capabilities
from arrowslit.smtp.outcomes import Answered, Step
from arrowslit.smtp.outcomes import Outcome as Said

_REMEMBERED = 300.0
_POLL = 0.05


@dataclass(slots=True)
class Services:
    """What links need of the worker."""

    loop: asyncio.AbstractEventLoop
    deadlines: Deadlines
    node: Node
    counters: SharedCounters
    times: NextHopSettings
    passwords: dict[str, str]
    alarm: RaiseAlarm
    over: Callable[[str, str], None]
    """The cause of an alarm, by name and subject, is gone."""
    folder: Path
    """What the files that a policy names are relative to."""


class NextHops:
    """The worker's links, by key, and who waits for one."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.endpoints = Endpoints(services.loop)
        self.breaker = Breaker()
        self.memory = Memory()
        self._idle: dict[object, list[Link]] = {}
        self._waiting: dict[str, deque[Search]] = {}
        self._plans: dict[object, TlsPlan] = {}
        self._offered_at: dict[str, float] = {}
        self._polling = False
        self._down: set[str] = set()

    def search(self, wanted: Wanted, found: Callable[[Link], None], gone: Callable[[Outcome], None]) -> Search:
        """Look for a link; `found` gets one that is ready for MAIL, `gone` the outcome where there is none."""
        search = Search(self, wanted, found, gone)
        if wanted.pooled and not wanted.fresh and (link := self._take(wanted.key)) is not None:
            found(link)
        else:
            self._with_room(search)
        return search

    def release(self, link: Link) -> None:
        """A transaction is done with a healthy link: it goes to whoever waits for one, else into the pool, or ends."""
        link.on_outcome = link.on_drained = None
        times = self.services.times
        if link.closed:
            return
        if link.key is None or self.services.loop.time() - link.opened_at > times.age:
            link.end(polite=True)
            return
        search = self._longest_waiting(link.hop_name)
        if search is None:
            self._idle.setdefault(link.key, []).append(link)
            link.expect(times.idle)
        elif search.suits(link):
            self._waiting[search.hop.name].popleft()
            link.used += 1
            search.take(link)
        else:
            link.end(polite=True)  # it needs the place under the cap

    def _longest_waiting(self, hop_name: str) -> Search | None:
        queue = self._waiting.get(hop_name)
        while queue and queue[0].cancelled:
            queue.popleft()
        return queue[0] if queue else None

    def leave(self, link: Link) -> None:
        """Give up the transaction that is open on `link`: RSET, and into the pool once that is answered 250."""
        link.on_outcome = lambda said: self._left(link, said)
        link.on_drained = None
        if link.closed:
            return
        link.engine.reset()
        link.go(self.services.times.command)

    def _left(self, link: Link, said: Said) -> None:
        if isinstance(said, Answered) and said.step is Step.RSET:
            if said.reply.positive:
                self.release(link)
            else:
                link.on_outcome = None
                link.end()

    def policy_changed(self) -> None:
        """Ask again and read certificates again. Links that carry a transaction go on; their key is an old one."""
        self.memory.clear_refusals()
        self._plans.clear()

    def close_idle(self) -> None:
        """End every link that waits in the pool."""
        for links in tuple(self._idle.values()):  # each link that ends takes itself out
            for link in tuple(links):
                link.end(polite=True)

    def tls_plan(self, hop: NextHop, server_name: str) -> TlsPlan:
        """How to do TLS with a next hop, made once."""
        key = (hop.name, hop.tls, hop.tls_fingerprints, hop.tls_profile, hop.tls_certificate, server_name)
        plan = self._plans.get(key)
        if plan is None:
            files = [str(self.services.folder / name) if name else None for name in (hop.tls_certificate, hop.tls_key)]
            context = client_context(hop.tls, hop.tls_profile, *files)
            pins = hop.tls_fingerprints if hop.tls == "fingerprint" else ()
            plan = self._plans[key] = TlsPlan(context, server_name, pins)
        return plan

    def is_up(self, hop: str) -> bool:
        """False while the last search for it found no way, or every circuit that was tried is open."""
        return hop not in self._down

    def count(self, link: Link, hop: NextHop) -> None:
        """`link` takes over the search's place under the cap until it ends."""
        link.on_end = lambda ended: self._ended(ended, hop.name)

    def give_back(self, hop: str) -> None:
        """A place under the cap is free again."""
        counters = self.services.counters
        counters.release(counters.slot(hop))
        self._serve(hop)

    def no_way(self, hop: str) -> None:
        """A search ended without a link."""
        self._down.add(hop)
        self.give_back(hop)

    def remember(self, hop: str, capabilities: Capabilities) -> None:
        """What a next hop offers, for the EHLO offer; forgotten after 5 minutes (`forget`)."""
        node = self.services.node
        self._down.discard(hop)
        self._offered_at[hop] = self.services.loop.time()
        if node.capabilities.get(hop) != capabilities:
            node.capabilities[hop] = capabilities
            node.capabilities_version += 1

    def forget(self, now: float) -> None:
        """Drop what next hops offered more than 5 minutes ago."""
        for hop, at in tuple(self._offered_at.items()):
            if at + _REMEMBERED < now:
                del self._offered_at[hop]
                self.services.node.capabilities.pop(hop, None)
                self.services.node.capabilities_version += 1

    # --- the pool -----------------------------------------------------------------------------------------------

    def _take(self, key: object) -> Link | None:
        links = self._idle.get(key)
        while links:
            link = links.pop()
            if not link.closed:
                link.used += 1
                return link
        return None

    def _ended(self, link: Link, hop: str) -> None:
        links = self._idle.get(link.key)
        if links and link in links:
            links.remove(link)
        if not links:
            self._idle.pop(link.key, None)
        self.give_back(hop)

    # --- the cap ------------------------------------------------------------------------------------------------

    def _with_room(self, search: Search) -> None:
        hop, counters = search.hop, self.services.counters
        if not self._waiting.get(hop.name) and counters.acquire(counters.slot(hop.name), hop.connections):
            search.start()
            return
        search.give_up_at = self.services.loop.time() + self.services.times.wait
        self._waiting.setdefault(hop.name, deque()).append(search)
        self._poll_later()

    def _serve(self, hop_name: str) -> None:
        queue = self._waiting.get(hop_name)
        hop = self.services.node.policy.next_hops.get(hop_name)
        counters = self.services.counters
        while queue and queue[0].cancelled:
            queue.popleft()
        while queue and hop and counters.acquire(counters.slot(hop_name), hop.connections):
            queue.popleft().start()

    def _poll_later(self) -> None:
        """Places that other workers give back are seen only by looking."""
        if not self._polling:
            self._polling = True
            self.services.loop.call_later(_POLL, self._poll)

    def _poll(self) -> None:
        self._polling = False
        now = self.services.loop.time()
        for name, queue in tuple(self._waiting.items()):
            self._serve(name)
            while queue and queue[0].give_up_at <= now:
                queue.popleft().no_room()
            if not queue:
                del self._waiting[name]
        if self._waiting:
            self._poll_later()
