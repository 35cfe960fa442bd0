"""One search for a link to a next hop: a walk over its addresses, at most three, under the circuit breakers.

Terms: `Wanted` is what a transaction asks for; a search holds a place under the cap from `start` until a link takes it
over. Who may search at all, and when, is `gateway.next_hops`. Rules: gateway-behaviour 1 (Replies, Bounds, Reusing).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from arrowslit.gateway.deadlines import NEVER
from arrowslit.gateway.link import Endpoint, Link, TlsPlan
from arrowslit.policy.model import NextHop
from arrowslit.session import replies
from arrowslit.session.actions import Outcome, OutcomeKind
from arrowslit.session.verdicts import failed, local
from arrowslit.smtp.client import ClientIdentity, ClientSettings, TlsWish
from arrowslit.smtp.outcomes import Broken, Ready, Step
from arrowslit.smtp.outcomes import Outcome as Said

if TYPE_CHECKING:
    from arrowslit.gateway.next_hops import NextHops

ADDRESSES = 3
"""Addresses of a next hop that are tried for one transaction."""

WISHES = {"off": TlsWish.OFF, "opportunistic": TlsWish.OFFERED}


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
        wish = TlsWish.OFF if plain else WISHES.get(hop.tls, TlsWish.DEMANDED)
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
            plan = TlsPlan() if wish is TlsWish.OFF else self._hops.tls_plan(hop, server_name(endpoint))
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            services.alarm(
                "next-hop-certificate", f"next hop {hop.name}: the client certificate can't be used: {error}", hop.name
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
            if self._hops.breaker.succeeded(link.endpoint.name):
                self._hops.services.over("next-hop-down", link.endpoint.name)
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
            text = f"next hop {self._wanted.hop.name} ({link.endpoint.name}) does not answer"
            services.alarm("next-hop-down", text, link.endpoint.name)
        if outcome.alarm:
            services.alarm(outcome.reason, outcome.alarm, outcome.next_hop)
        if self._worst is None or outcome.alarm:
            self._worst = replace(outcome, alarm="")  # raised already
        self._next()


def server_name(endpoint: Endpoint) -> str:
    """The name that a certificate is checked against: the configured host name, else the address."""
    name, _, rest = endpoint.name.partition("[")
    return name or rest.partition("]")[0]
