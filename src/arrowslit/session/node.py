"""What all sessions of a worker share, as values that the gateway keeps up to date.

Terms: `Moment` is the time of what is being handled; `Listener` is what a session needs to know of the listener it
came in by; `Node` is the worker's common state: the active policy, what the next hops offer, whether there is room.
Never reads a clock and never changes anything by itself.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from arrowslit.mail.address_set import AddressSet
from arrowslit.mail.mailbox import Mailbox
from arrowslit.policy.facts import Unknown
from arrowslit.policy.model import NextHop, Policy, VirtualServer
from arrowslit.smtp.offer import Capabilities, Offer


@dataclass(slots=True)
class Moment:
    """Now: seconds of a clock that never jumps, the date in UTC, and the date of RFC 5322."""

    monotonic: float
    date: datetime.date
    stamp: str


@dataclass(frozen=True, slots=True)
class Listener:
    """A listener's part in a session. `tls` is "off", "starttls" or "implicit"."""

    address: str
    virtual_server: str
    tls: str = "off"
    expect_proxy: bool = False
    xclient_from: AddressSet | None = None


@dataclass(slots=True)
class Node:
    """The worker's common state. `new_id` gives a transaction id that cannot be guessed (60 bits, printable)."""

    name: str
    policy: Policy
    moment: Moment
    new_id: Callable[[], str]
    message_bytes: int
    recipients_a_message: int
    text_line_octets: int = 65_536
    capabilities: dict[str, Capabilities] = field(default_factory=dict)
    """By next hop, as long as they are remembered; the gateway forgets them after 5 minutes."""
    capabilities_version: int = 0
    sign_in_ready: frozenset[str] = frozenset()
    """Virtual servers whose authentication is set up on this node."""
    spool_full: bool = False
    overloaded: bool = False
    draining: bool = False
    recipient_lists: dict[str, Callable[[Mailbox], bool | Unknown]] = field(default_factory=dict)
    """By next hop, where it has a recipient list."""
    _gone: dict[str, Policy] = field(default_factory=dict)
    """By virtual server that the active policy lacks: the last policy that had it."""
    _offers: dict[tuple[str, bool], tuple[Policy, int, Offer]] = field(default_factory=dict)

    def take(self, policy: Policy) -> None:
        """From now on decide by this policy; sessions of virtual servers that it lacks finish under the last."""
        for name in self.policy.virtual_servers:
            self._gone[name] = self.policy
        for name in policy.virtual_servers:
            self._gone.pop(name, None)
        self.policy = policy

    def policy_of(self, virtual_server: str) -> Policy:
        """The active policy, or the last one that had that virtual server. KeyError where there never was one."""
        policy = self.policy
        return policy if virtual_server in policy.virtual_servers else self._gone[virtual_server]

    def leaves(self, virtual_server: str) -> bool:
        """Whether sessions there are to end once nothing is under way."""
        return self.draining or virtual_server not in self.policy.virtual_servers

    def virtual_server(self, name: str) -> VirtualServer:
        """The virtual server of that name. KeyError is impossible for one that was loaded."""
        return self.policy_of(name).virtual_servers[name]

    def next_hop_of(self, recipient: Mailbox) -> NextHop | None:
        """The next hop of the accepted domain that `recipient` falls under; None where there is none."""
        domain = self.policy.accepted_domain(recipient.domain)
        return self.policy.next_hops.get(domain.next_hop) if domain and domain.next_hop else None

    def recipient_listed(self, recipient: Mailbox) -> bool | Unknown | None:
        """Whether the recipient list of the next hop of its accepted domain has it; None where there is none."""
        if not self.recipient_lists:
            return None
        hop = self.next_hop_of(recipient)
        listed = self.recipient_lists.get(hop.name) if hop else None
        return listed(recipient) if listed else None

    def offer(self, virtual_server: str, *, tls: bool) -> Offer:
        """What EHLO offers there, worked out once for each policy and each change of what the next hops offer."""
        key = (virtual_server, tls)
        known = self._offers.get(key)
        if known is not None and known[0] is self.policy and known[1] == self.capabilities_version:
            return known[2]
        made = self._make_offer(self.virtual_server(virtual_server), tls)
        self._offers[key] = (self.policy, self.capabilities_version, made)
        return made

    def _make_offer(self, server: VirtualServer, tls: bool) -> Offer:
        hops = self._next_hops(server)
        known = [self.capabilities.get(name) for name in hops]
        sizes = [c.size for c in known if c is not None and c.size]
        authentication = server.authentication
        mechanisms = tuple(authentication.mechanisms) if authentication and server.name in self.sign_in_ready else ()
        return Offer(
            size=min([server.message_bytes or self.message_bytes, self.message_bytes, *sizes]),
            smtputf8=bool(hops) and all(c is not None and c.smtputf8 for c in known),
            dsn=bool(hops) and all(c is not None and c.dsn for c in known),
            chunking=True,
            auth=mechanisms if tls else (),
            auth_after_tls=bool(mechanisms),
            one_recipient_domain=len(hops) > 1,
        )

    def _next_hops(self, server: VirtualServer) -> list[str]:
        names = {domain.next_hop for domain in self.policy.accepted_domains.values()}
        names.add(server.relay_next_hop)
        return sorted(name for name in names if name)


def adapted(offer: Offer, starttls: bool, xclient: bool, refused: bool) -> Offer:
    """The virtual server's offer for one session: STARTTLS and XCLIENT where they are for this client.

    `refused`: the client may not connect and hears of it later, so nothing leads it further (policy-semantics).
    """
    if refused:
        offer = replace(offer, auth=(), auth_after_tls=False)
    return replace(offer, starttls=starttls, xclient=xclient)
