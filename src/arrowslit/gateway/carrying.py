"""The gateway's half of a mail transaction: where its message lies, and its way to the next hop.

Terms: a message is *taken in* from `start_body` until it is delivered or abandoned; its *pace* is octets since it began
(gateway-behaviour 1, Time-outs: at least 500 a second once 180 s have passed, and never 180 s of silence). A *pinned*
link is one that the client signed in on: it lives as long as the session and carries only that client's mail. Never
answers the client and never asks the policy: outcomes go to whoever asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from arrowslit.gateway import maildir
from arrowslit.gateway.deadlines import NEVER
from arrowslit.gateway.forwarding import Forwarding, Tell
from arrowslit.gateway.link import Link
from arrowslit.gateway.parcel import Parcel
from arrowslit.gateway.records import intent_of
from arrowslit.gateway.sender import Identity
from arrowslit.gateway.spool import Spool
from arrowslit.gateway.state import WorkerState
from arrowslit.mail.reply import Reply
from arrowslit.policy.model import NextHop
from arrowslit.session import actions, replies
from arrowslit.session.actions import Outcome, OutcomeKind
from arrowslit.session.session import Session
from arrowslit.session.verdicts import local
from arrowslit.smtp.events import BodyChunk

_RATE_AFTER = 180.0


class Carrying:
    """Of one connection; one transaction after the other. Octets and seconds throughout."""

    __slots__ = (
        "_body_octets",
        "_body_since",
        "_forwarding",
        "_identity",
        "_maildir",
        "_pinned",
        "_session",
        "_spool",
        "_state",
        "client_gone",
    )

    def __init__(self, state: WorkerState, session: Session, identity: Identity) -> None:
        self._state, self._session, self._identity = state, session, identity
        self._spool: Spool | None = None
        self._forwarding: Forwarding | None = None
        self._maildir: NextHop | None = None
        self._pinned: Link | None = None
        self._body_since = 0.0
        self._body_octets = 0
        self.client_gone = False

    # --- recipients ---------------------------------------------------------------------------------------------

    def verify(self, action: actions.Verify, tell: Tell) -> None:
        """The next hop's verdict on a recipient, to `tell`. A Maildir takes everything."""
        hop = self._session.policy.next_hops[action.next_hop]
        forwarding = self._forwarding
        elsewhere = forwarding is not None and (forwarding.name, forwarding.relay) != (action.next_hop, action.relay)
        if forwarding is not None and elsewhere and not forwarding.has_recipients:
            forwarding.abandon()  # those before were refused, and at another next hop
            self._forwarding = forwarding = None
        if hop.address[0].scheme == "maildir":
            self._maildir = hop
            tell(local(OutcomeKind.ACCEPTED, replies.RECIPIENT_OK, "maildir", hop.name, hop.address[0].target))
            return
        if forwarding is None:
            forwarding = self._forwarding = self._forward(action)
        forwarding.verify(action.rcpt, tell)

    def _forward(self, action: actions.Verify) -> Forwarding:
        policy = self._session.policy
        made = Forwarding(self._state.hops, policy, action.next_hop, action.mail, self._identity, relay=action.relay)
        server = self._state.node.virtual_server(self._session.virtual_server)
        if self._pinned is not None and action.next_hop == server.relay_next_hop:
            made.pin(self._pinned)
        return made

    def verdict_overdue(self) -> None:
        """The verdict took too long: it is that the next hop is too slow."""
        if self._forwarding is not None:
            self._forwarding.verdict_overdue()

    @property
    def holds_link(self) -> bool:
        """Whether a next hop waits for this transaction to go on."""
        return self._forwarding is not None and self._forwarding.holds_link

    def let_link_go(self) -> None:
        """The client is slow: others may use the link meanwhile."""
        if self._forwarding is not None:
            self._forwarding.slow_body()

    # --- the message comes in -----------------------------------------------------------------------------------

    @property
    def taking_in(self) -> bool:
        """Whether a message is here, whole or not."""
        return self._spool is not None

    def start_body(self, now: float) -> None:
        """Make room for a message."""
        limits = self._state.settings.limits
        self._spool = Spool(limits.spool, limits.spool_memory_bytes, self._state.charge_spool)
        self._body_since = now
        self._body_octets = 0
        if self._forwarding is not None:
            self._forwarding.body_started()

    def append(self, chunk: BodyChunk) -> None:
        """Keep a piece of the message."""
        if self._spool is not None:
            self._spool.append(chunk)

    def heard(self, octets: int) -> None:
        """The client sent that many octets of its message."""
        self._body_octets += octets

    def too_slow(self, now: float, silence: float) -> bool:
        """Whether the message comes in too slowly, the client having been silent for `silence` seconds.

        Also lets the next hop go when that is due.
        """
        times = self._state.settings.timeouts
        elapsed = now - self._body_since
        slow = elapsed > _RATE_AFTER and self._body_octets < elapsed * times.minimum_rate
        if slow or silence > times.data_block:
            return True
        if self._forwarding is not None and self._forwarding.release_at <= now:
            self._forwarding.slow_body()
        return False

    # --- the message goes on ------------------------------------------------------------------------------------

    def deliver(self, action: actions.Deliver, tell: Tell, failed: Callable[[Exception], None]) -> None:
        """Send the message on and `tell` the outcome; `failed` hears of a mistake of ours in a thread."""
        if self._spool is None:
            raise AssertionError("a delivery without a message")
        if self._spool.failed:
            self.refuse(replies.SPOOL_FULL, "spool-full", tell, self._spool.problem)
        elif self._forwarding is None:
            self._to_maildir(action, self._spool, tell, failed)
        else:
            self._forwarding.deliver(self._parcel(action, self._spool), lambda outcome: self._told(outcome, tell))

    def refuse(self, reply: Reply, reason: str, tell: Tell, alarm: str = "") -> None:
        """The message goes nowhere, for a reason of ours: the next hop that waits for it is left with RSET."""
        if self._forwarding is not None:
            self._forwarding.abandon()
        self._told(replace(local(OutcomeKind.DEFERRED, reply, reason), alarm=alarm), tell)

    def _parcel(self, action: actions.Deliver, spool: Spool) -> Parcel:
        state, session, transaction = self._state, self._session, self._session.the_transaction()
        return Parcel(
            action.trace,
            spool,
            action.octets,
            action.eight_bit,
            state.loop.time(),
            state.intents,
            lambda hop, address: intent_of(session, transaction, hop, address),
            state.settle,
        )

    def _to_maildir(
        self, action: actions.Deliver, spool: Spool, tell: Tell, failed: Callable[[Exception], None]
    ) -> None:
        state, transaction, hop = self._state, self._session.the_transaction(), self._maildir
        if hop is None:
            raise AssertionError("a delivery that no next hop was asked about")
        folder = state.folder / hop.address[0].target
        unique = f"{int(time.time())}.{transaction.id}.{state.node.name.replace('/', '_')}"

        def blocks() -> Iterator[bytes]:
            yield action.trace
            yield from spool.blocks()

        def written(fault: Reply | None) -> None:
            kind = OutcomeKind.DEFERRED if fault else OutcomeKind.DELIVERED
            reason = "maildir-failed" if fault else "maildir"
            self._told(local(kind, fault or replies.OK, reason, hop.name, str(folder)), tell)

        state.in_thread(lambda: maildir.deliver(folder, unique, blocks()), written, failed)

    def _told(self, outcome: Outcome, tell: Tell) -> None:
        """The outcome is known: forget the message, and name the transaction where it was delivered."""
        state = self._state
        state.tick()
        self._end()
        if outcome.kind is OutcomeKind.DELIVERED:
            outcome = replace(outcome, reply=replies.delivered(self._session.the_transaction().id))
        state.metrics.next_hop_seconds(outcome.next_hop, state.loop.time() - self._body_since)
        tell(outcome)
        if self.client_gone:
            self._unpin()

    # --- the end ------------------------------------------------------------------------------------------------

    def abandon(self) -> None:
        """The transaction is over without a delivery."""
        if self._forwarding is not None:
            self._forwarding.abandon()
        self._end()

    def _end(self) -> None:
        if self._spool is not None:
            self._spool.close()
            self._spool = None
        self._forwarding = self._maildir = None

    def client_left(self) -> None:
        """Nobody waits any more: before our dot nothing goes on, after it the outcome still counts."""
        self.client_gone = True
        if self._forwarding is not None:
            self._forwarding.client_gone = True

    def close(self, *, delivering: bool) -> None:
        """The session is over; a pinned link lives on only while a message is on it."""
        if not delivering:
            self._unpin()

    def pin(self, link: Link) -> None:
        """The client signed in on this link: relay for it goes there."""
        self._unpin()
        link.deadline = NEVER  # it lives as long as the session does
        if self.client_gone:
            link.end(polite=True)
        else:
            self._pinned = link

    def _unpin(self) -> None:
        pinned, self._pinned = self._pinned, None
        if pinned is not None:
            pinned.end(polite=True)
