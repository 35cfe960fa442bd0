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
from dataclasses import dataclass, field

from arrowslit.documents.settings import NextHopSettings
from arrowslit.gateway.breaker import Breaker
from arrowslit.gateway.counters import SharedCounters
from arrowslit.gateway.deadlines import NEVER, Deadlines
from arrowslit.gateway.endpoints import Endpoints
from arrowslit.gateway.link import Endpoint, Link, TlsPlan
from arrowslit.gateway.memory import Memory
from arrowslit.gateway.tls import client_context
from arrowslit.policy.model import NextHop
from arrowslit.session import replies
from arrowslit.session.actions import Outcome, OutcomeKind
from arrowslit.session.node import Node
from arrowslit.session.verdicts import failed, local
from arrowslit.smtp.client import ClientIdentity, ClientSettings, TlsWish
from arrowslit.smtp.offer import Capabilities
from arrowslit.smtp.outcomes import Answered, Broken, Ready, Step
from arrowslit.smtp.outcomes import Outcome as Said

ADDRESSES = 3
"""Addresses of a next hop that are tried for one transaction."""
_REMEMBERED = 300.0
_POLL = 0.05

_WISHES = {"off": TlsWish.OFF, "opportunistic": TlsWish.OFFERED}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a transaction wants of a link. `identity` and `preamble` make it its own; `fresh` avoids the pool."""

    hop: NextHop
    identity: ClientIdentity | None = None
    preamble: bytes = b""
    mode: str = "none"
    fresh: bool = False
    avoid: frozenset[str] = frozenset()
    """Names of endpoints that already failed this transaction."""

    @property
    def pooled(self) -> bool:
        """True where nothing of the client sticks to the link."""
        return self.mode in ("none", "xforward")

    @property
    def key(self) -> object:
        """All that must be the same for a link to be used again."""
        hop = self.hop
        tls = (hop.tls, hop.tls_fingerprints, hop.tls_profile, hop.tls_certificate)
        return (hop.name, hop.address, tls, hop.username, hop.password_file, self.mode)


@dataclass(slots=True)
class Services:
    """What links need of the worker."""

    loop: asyncio.AbstractEventLoop
    deadlines: Deadlines
    node: Node
    counters: SharedCounters
    times: NextHopSettings
    passwords: dict[str, str] = field(default_factory=dict)
    alarm: Callable[[str, str], None] = lambda _name, _text: None


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
            context = client_context(hop.tls, hop.tls_profile, hop.tls_certificate, hop.tls_key)
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


class Search:
    """One walk over a next hop's addresses; it holds a place under the cap until a link takes it over."""

    __slots__ = (
        "_endpoints",
        "_found",
        "_gone",
        "_hops",
        "_link",
        "_tried",
        "_wanted",
        "_worst",
        "cancelled",
        "give_up_at",
    )

    def __init__(
        self, hops: NextHops, wanted: Wanted, found: Callable[[Link], None], gone: Callable[[Outcome], None]
    ) -> None:
        self._hops, self._wanted = hops, wanted
        self._found, self._gone = found, gone
        self._endpoints: list[Endpoint] = []
        self._tried = 0
        self._link: Link | None = None
        self._worst: Outcome | None = None
        self.cancelled = False
        self.give_up_at = 0.0

    @property
    def hop(self) -> NextHop:
        """Whom it looks for."""
        return self._wanted.hop

    def start(self) -> None:
        """There is room: resolve, then try."""
        if self.cancelled:
            self._hops.give_back(self.hop.name)
            return
        self._hops.endpoints.of(self.hop.address, self._resolved)

    def no_room(self) -> None:
        """The cap was reached for too long."""
        if not self.cancelled:
            self._gone(local(OutcomeKind.DEFERRED, replies.NEXT_HOP_BUSY, "next-hop-connections", self.hop.name))

    def suits(self, link: Link) -> bool:
        """Whether a link that another transaction is done with will do."""
        wanted = self._wanted
        return wanted.pooled and not wanted.fresh and wanted.key == link.key

    def take(self, link: Link) -> None:
        """Such a link, in place of one of its own."""
        self._found(link)

    def cancel(self) -> None:
        """Nobody waits for the answer any more. Harmless after the answer."""
        self.cancelled = True
        link, self._link = self._link, None
        if link is not None:
            link.on_outcome = None
            link.end()
            self._hops.give_back(self.hop.name)

    def _resolved(self, endpoints: list[Endpoint]) -> None:
        if self.cancelled:
            self._hops.give_back(self.hop.name)
            return
        self._endpoints = [endpoint for endpoint in endpoints if endpoint.name not in self._wanted.avoid]
        self._next()

    def _next(self) -> None:
        now = self._hops.services.loop.time()
        while self._endpoints and self._tried < ADDRESSES:
            endpoint = self._endpoints.pop(0)
            if self._hops.breaker.allows(endpoint.name, now):
                self._tried += 1
                self._try(endpoint, plain=False)
                return
        self._give_up()

    def _give_up(self) -> None:
        hop = self._wanted.hop
        self._hops.no_way(hop.name)
        down = local(OutcomeKind.DEFERRED, replies.NEXT_HOP_DOWN, "next-hop-down", hop.name)
        self._gone(self._worst or down)

    def _try(self, endpoint: Endpoint, *, plain: bool) -> None:
        hop, services = self._wanted.hop, self._hops.services
        wish = TlsWish.OFF if plain else _WISHES.get(hop.tls, TlsWish.DEMANDED)
        settings = ClientSettings(
            ehlo_name=services.node.name,
            own_name=services.node.name,
            lmtp=hop.address[0].scheme.startswith("lmtp"),
            tls=wish,
            username=hop.username or None,
            password=services.passwords.get(hop.name),
            identity=self._wanted.identity if self._wanted.mode == "xclient" else None,
        )
        try:
            plan = TlsPlan() if wish is TlsWish.OFF else self._hops.tls_plan(hop, _server_name(endpoint))
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            services.alarm(
                "next-hop-certificate", f"next hop {hop.name}: the client certificate can't be used: {error}"
            )
            self._worst = local(
                OutcomeKind.DEFERRED, replies.NEXT_HOP_MISCONFIGURED, "next-hop-misconfigured", hop.name
            )
            self._give_up()
            return
        link = Link(services.loop, services.deadlines, endpoint, settings, plan, services.times, self._wanted.preamble)
        link.key, link.hop_name = (self._wanted.key if self._wanted.pooled else None), hop.name
        link.on_outcome = lambda said: self._said(link, said, plain)
        self._link = link
        link.connect()

    def _said(self, link: Link, said: Said, plain: bool) -> None:
        hop, self._link = self._wanted.hop, None
        if isinstance(said, Ready):
            self._hops.breaker.succeeded(link.endpoint.name)
            self._hops.remember(hop.name, said.capabilities)
            self._hops.count(link, hop)
            link.deadline = NEVER
            link.used = 1
            link.on_outcome = None
            self._found(link)
        elif isinstance(said, Broken):
            link.end()
            if said.step is Step.TLS and hop.tls == "opportunistic" and not hop.username and not plain:
                self._try(link.endpoint, plain=True)
                return
            self._failed(link, said)

    def _failed(self, link: Link, said: Broken) -> None:
        services = self._hops.services
        outcome = failed(said, self._wanted.hop.name, link.endpoint.name)
        if said.step is Step.CONNECT and self._hops.breaker.failed(link.endpoint.name, services.loop.time()):
            services.alarm("next-hop-down", f"next hop {self._wanted.hop.name} ({link.endpoint.name}) does not answer")
        if outcome.alarm:
            services.alarm(outcome.reason, outcome.alarm)
        if self._worst is None or outcome.alarm:
            self._worst = outcome
        self._next()


def _server_name(endpoint: Endpoint) -> str:
    """The name that a certificate is checked against: the configured host name, else the address."""
    name, _, rest = endpoint.name.partition("[")
    return name or rest.partition("]")[0]
