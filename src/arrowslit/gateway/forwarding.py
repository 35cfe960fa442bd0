"""One mail transaction at the next hop: verdicts on recipients, then the message, by one link or several in turn.

Terms: *establish* means to find a link and say MAIL and the recipients there; it happens at the first recipient, and
again (a *replay*) where the link was given back or lost before our final dot. After the dot nothing is ever tried
again. How long all may take is looked after by the client's connection, and so is `release_at`, when a link is to be
given back that waits for a slow message. Never answers the client: outcomes go to whoever asked. Rules:
gateway-behaviour 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from arrowslit.gateway.deadlines import NEVER
from arrowslit.gateway.link import Link
from arrowslit.gateway.next_hops import NextHops
from arrowslit.gateway.parcel import Parcel
from arrowslit.gateway.search import Search, Wanted
from arrowslit.gateway.sender import Identity
from arrowslit.mail.mailbox import Mailbox
from arrowslit.mail.reply import Reply
from arrowslit.policy.model import Policy
from arrowslit.session import replies
from arrowslit.session.actions import Outcome, OutcomeKind
from arrowslit.session.verdicts import failed, local, unknown, verdict
from arrowslit.smtp.events import Mail, Rcpt
from arrowslit.smtp.outcomes import Answered, Broken, Fault, Step
from arrowslit.smtp.outcomes import Outcome as Said

SLOW_BODY = 5.0
"""Seconds after which a link is given back while a message is still coming in."""
_TRIES = 3
_REFUSALS = 10
_WINDOW = 262_144

Tell = Callable[[Outcome], None]


class Forwarding:
    """See the module. One at a time asks: `verify` or `deliver`, answered through `tell`."""

    __slots__ = (
        "_accepted",
        "_avoid",
        "_blocks",
        "_candidate",
        "_dotted",
        "_expecting",
        "_fell_back",
        "_fresh",
        "_hops",
        "_identity",
        "_intent",
        "_last",
        "_link",
        "_mail",
        "_mail_answered",
        "_own_link",
        "_parcel",
        "_policy",
        "_search",
        "_tell",
        "_tries",
        "client_gone",
        "hop",
        "name",
        "relay",
        "release_at",
    )

    def __init__(
        self, hops: NextHops, policy: Policy, hop_name: str, mail: Mail, identity: Identity, *, relay: bool
    ) -> None:
        self._hops, self._policy = hops, policy
        self.hop = policy.next_hops[hop_name]
        self.name, self.relay = hop_name, relay  # as it was asked for; `hop` may be its fallback
        self._mail, self._identity = mail, identity
        self._accepted: list[Rcpt] = []
        self._candidate: Rcpt | None = None
        self._expecting: list[Rcpt] = []
        self._link: Link | None = None
        self._own_link: Link | None = None
        self._search: Search | None = None
        self._tell: Tell | None = None
        self._parcel: Parcel | None = None
        self._blocks: Iterator[bytes] | None = None
        self._avoid: set[str] = set()
        self._fresh = False
        self._mail_answered = False
        self._tries = 0
        self._dotted = False
        self._fell_back = False
        self._intent = -1
        self._last: Outcome | None = None
        self.client_gone = False
        self.release_at = NEVER

    # --- what is asked ------------------------------------------------------------------------------------------

    def pin(self, link: Link) -> None:
        """Use this link and no other: the client signed in on it."""
        self._own_link = link

    def verify(self, rcpt: Rcpt, tell: Tell) -> None:
        """The next hop's verdict on one more recipient."""
        known = self._hops.memory.refusal(self._key(rcpt), self._mail.reverse_path.text, self._now())
        if known is not None:
            tell(known)
            return
        self._tell, self._candidate = tell, rcpt
        link = self._link
        if link is not None and not link.closed:
            self._expecting = [rcpt]
            link.engine.rcpt(rcpt.forward_path, rcpt.dsn)
            link.go(self._hops.services.times.command)
        else:
            self._tries = 0
            self._establish()

    def body_started(self) -> None:
        """The client sends its message: after `SLOW_BODY` seconds of that the link is to be given back."""
        self.release_at = self._now() + SLOW_BODY

    @property
    def has_recipients(self) -> bool:
        """Whether the next hop took one."""
        return bool(self._accepted)

    @property
    def holds_link(self) -> bool:
        """Whether a next hop waits for this transaction to go on, and may be let go."""
        return self._link is not None and self._link is not self._own_link

    def slow_body(self) -> None:
        """It takes long: leave the transaction, others may use the link (gateway-behaviour 1)."""
        self.release_at = NEVER
        link, self._link = self._link, None
        if link is not None and link is not self._own_link:
            self._hops.leave(link)

    def deliver(self, parcel: Parcel, tell: Tell) -> None:
        """Send the message on."""
        self._tell, self._parcel, self._candidate = tell, parcel, None
        self._tries = 0
        link = self._link
        if link is not None and not link.closed:
            self._say_data(link)
        else:
            self._establish()

    def verdict_overdue(self) -> None:
        """From connecting to the verdict it took too long."""
        if self._search is not None:
            self._search.cancel()
        self._drop()
        self._answer(local(OutcomeKind.DEFERRED, replies.NEXT_HOP_DOWN, "next-hop-too-slow", self.hop.name))

    def abandon(self) -> None:
        """The transaction is over: leave the next hop with RSET where that is possible, else hang up."""
        self._tell = None
        if self._dotted:
            return
        if self._search is not None:
            self._search.cancel()
        link, self._link = self._link, None
        if link is None or link.closed:
            return
        if self._expecting or self._blocks is not None or self._parcel is not None:
            link.end()
        elif link is not self._own_link:
            self._hops.leave(link)

    # --- establishing -------------------------------------------------------------------------------------------

    def _establish(self) -> None:
        self._mail_answered = False
        self._expecting = [*self._accepted, *([self._candidate] if self._candidate else [])]
        own = self._own_link
        if own is not None:
            self._use_own(own)
            return
        identity = self._identity.said_to(self.hop)
        wanted = Wanted(
            self.hop, identity.client, identity.preamble, identity.mode, self._fresh, frozenset(self._avoid)
        )
        self._search = self._hops.search(wanted, self._found, self._gone)

    def _use_own(self, own: Link) -> None:
        own.used += 1  # so that RSET is said first
        if own.closed:
            lost = local(OutcomeKind.DEFERRED, replies.NEXT_HOP_LOST, "signed-in-connection-lost", self.hop.name)
            self._answer(lost)
        else:
            self._found(own)

    def _found(self, link: Link) -> None:
        self._search = None
        self._link = link
        link.on_outcome = self._said
        if self._cannot_carry(link):
            return
        engine = link.engine
        if link.used > 1:
            engine.reset()
        identity = self._identity.said_to(self.hop)
        if identity.mode == "xforward" and identity.client is not None:
            engine.forward_identity(identity.client)
        first, *others = self._expecting
        engine.mail(self._mail, first.forward_path, first.dsn)
        for rcpt in others:
            engine.rcpt(rcpt.forward_path, rcpt.dsn)
        link.go(self._hops.services.times.command)

    def _cannot_carry(self, link: Link) -> bool:
        """An address that needs SMTPUTF8 at a next hop that lacks it (gateway-behaviour 1, EHLO offer)."""
        paths = [self._mail.reverse_path, *(rcpt.forward_path for rcpt in self._expecting)]
        needs = any(isinstance(path, Mailbox) and path.needs_smtputf8 for path in paths)
        if needs and not link.capabilities.smtputf8:
            self._leave()
            self._answer(local(OutcomeKind.REFUSED, replies.NEEDS_SMTPUTF8, "next-hop-lacks-smtputf8", self.hop.name))
            return True
        return False

    def _gone(self, outcome: Outcome) -> None:
        """No link to be had: the fallback takes recipients that are known to be good, else that is the answer."""
        self._search = None
        if outcome.reason == "next-hop-down" and self._last is not None:
            outcome = self._last
        fallback = self._policy.next_hops.get(self.hop.fallback or "")
        if (
            fallback is not None
            and outcome.reason == "next-hop-down"  # a busy one is not down
            and not self._fell_back
            and not self.client_gone
            and all(self._known_good(rcpt) for rcpt in self._expecting)
        ):
            text = f"next hop {self.hop.name} is down, {fallback.name} takes its mail"
            self._hops.services.alarm("fallback-in-use", text, self.hop.name)
            self._fell_back = True
            self.hop = fallback
            self._avoid.clear()
            self._establish()
            return
        self._answer(outcome)

    def _known_good(self, rcpt: Rcpt) -> bool:
        path = rcpt.forward_path
        if rcpt in self._accepted or self.relay:
            return True
        if isinstance(path, Mailbox) and self._hops.services.node.recipient_listed(path) is True:
            return True
        return self._hops.memory.is_verified(self._key(rcpt), self._now())

    # --- what the next hop says ---------------------------------------------------------------------------------

    def _said(self, said: Said) -> None:
        if isinstance(said, Broken):
            self._broken(said)
        elif isinstance(said, Answered):
            _ANSWERS[said.step](self, said.reply)

    def _reset_answered(self, reply: Reply) -> None:
        """RSET answered 250 first, or the link is not used again."""
        if not reply.positive:
            self._broken(Broken(Step.RSET, Fault.UNEXPECTED, reply))

    def _forwarded(self, _reply: Reply) -> None:
        """XFORWARD is a courtesy: its answer changes nothing."""

    def _mail_answer(self, reply: Reply) -> None:
        if reply.positive:
            self._mail_answered = True
            return
        self._expecting = []
        outcome = verdict(Step.MAIL, reply, self.hop, self._address(), relay=self.relay)
        outcome = outcome if self._parcel is None else self._late(outcome)
        self._leave()
        self._answer(outcome)

    def _rcpt_answer(self, reply: Reply) -> None:
        rcpt = self._expecting.pop(0)
        outcome = verdict(Step.RCPT, reply, self.hop, self._address(), relay=self.relay)
        if outcome.kind is not OutcomeKind.ACCEPTED:
            self._rcpt_refused(rcpt, outcome)
        elif self._is_candidate:
            self._accepted.append(rcpt)
            self._hops.memory.verified(self._key(rcpt), self._now())
            self._pause()
            self._answer(outcome)
        elif not self._expecting and self._parcel is not None and self._link is not None:
            self._say_data(self._link)

    @property
    def _is_candidate(self) -> bool:
        """Whether the answer that just came is the candidate's: its command is the last of a flight.

        Not to be told by the recipient itself, which may be there twice.
        """
        return self._candidate is not None and not self._expecting

    def _rcpt_refused(self, rcpt: Rcpt, outcome: Outcome) -> None:
        if outcome.alarm:
            self._hops.services.alarm(outcome.reason, outcome.alarm, outcome.next_hop)
            outcome = replace(outcome, alarm="")  # raised already
        if not self._is_candidate:
            self._drop()
            self._answer(self._late(outcome))
            return
        if outcome.kind is OutcomeKind.REFUSED:
            self._hops.memory.refused(self._key(rcpt), self._mail.reverse_path.text, outcome, self._now())
        link = self._link
        if link is not None:
            link.refusals += 1
            if link is not self._own_link and link.refusals >= _REFUSALS:
                self._say_goodbye(link)
            elif outcome.said is None or outcome.said.code == 421:
                self._drop()
        self._pause()
        self._answer(outcome)

    def _say_goodbye(self, link: Link) -> None:
        """Before the next hop hangs up over so many errors; recipients that it took are said again on another link."""
        self._link = link.on_outcome = None
        link.end(polite=True)

    def _late(self, outcome: Outcome) -> Outcome:
        """A refusal in a replay: the client has heard 250 already, so the whole transaction comes again."""
        return Outcome(
            OutcomeKind.DEFERRED, replies.LATE_REFUSAL, "refused-late", self.hop.name, self._address(), outcome.said
        )

    def _broken(self, broken: Broken) -> None:
        link, self._link = self._link, None
        address = link.endpoint.name if link is not None else ""
        reused = link is not None and link.used > 1 and not self._mail_answered
        if link is not None:
            link.on_outcome = None
            link.end()
        if self._tell is None and not self._dotted:
            return  # nobody waits: the next step finds the link gone and establishes anew
        if self._dotted:
            self._close_intent()
            outcome = unknown(broken, self.hop.name, address)
            self._hops.services.alarm("outcome-unknown", outcome.alarm, self.hop.name)
            self._answer(replace(outcome, alarm=""))
        elif reused or (self._tries < _TRIES and not self.client_gone):
            self._fresh = True
            self._tries += 0 if reused else 1
            if not reused:
                self._avoid.add(address)
            self._expecting, self._blocks = [], None
            self._last = failed(broken, self.hop.name, address)
            self._establish()
        else:
            self._answer(failed(broken, self.hop.name, address))

    # --- the message --------------------------------------------------------------------------------------------

    def _say_data(self, link: Link) -> None:
        parcel = self._parcel
        if parcel is not None and parcel.eight_bit and not (link.capabilities.eight_bit or self.hop.pass_8bit):
            self._leave()
            self._answer(local(OutcomeKind.REFUSED, replies.NEEDS_8BIT, "next-hop-lacks-8bitmime", self.hop.name))
            return
        link.engine.data()
        link.go(self._hops.services.times.data)

    def _data_answer(self, reply: Reply) -> None:
        if reply.code == 354:
            self._send()
            return
        outcome = verdict(Step.DATA, reply, self.hop, self._address(), relay=self.relay)
        self._leave()
        self._answer(outcome)

    def _send(self) -> None:
        link, parcel = self._link, self._parcel
        if link is None or parcel is None or link.channel is None:
            raise AssertionError("a message to send without a link")
        if parcel.spool.in_memory:
            if self._may_finish(parcel):
                self._finish(link, parcel, parcel.trace + parcel.spool.whole())
            return
        link.channel.write(parcel.trace)
        self._blocks = parcel.spool.blocks()
        link.on_drained = self._pump
        self._pump()

    def _pump(self) -> None:
        """Blocks of the file, as fast as the next hop takes them."""
        link, parcel = self._link, self._parcel
        if link is None or parcel is None or self._blocks is None or link.channel is None:
            return
        if (self.client_gone or not parcel.young(self._now())) and not self._may_finish(parcel):
            return
        link.expect(self._hops.services.times.block)
        while link.channel.backlog < _WINDOW:
            try:
                block = next(self._blocks, None)
            except OSError as error:
                self._unreadable(error)
                return
            if block is None:
                self._blocks, link.on_drained = None, None
                if self._may_finish(parcel):
                    self._finish(link, parcel, b"")
                return
            link.channel.write(block)

    def _unreadable(self, error: OSError) -> None:
        """The spool's file can't be read back: no dot goes out."""
        self._hops.services.alarm("spool-unreadable", f"a message can't be read back: {error.strerror or error}")
        self._drop()
        self._answer(local(OutcomeKind.DEFERRED, replies.SPOOL_FULL, "spool-unreadable", self.hop.name))

    def _may_finish(self, parcel: Parcel) -> bool:
        """Before the dot: the client is still there, and its own dot is young enough."""
        if not self.client_gone and parcel.young(self._now()):
            return True
        reason = "client-gone" if self.client_gone else "waited-too-long"
        self._drop()
        self._answer(local(OutcomeKind.DEFERRED, replies.TOO_LATE, reason, self.hop.name))
        return False

    def _finish(self, link: Link, parcel: Parcel, rest: bytes) -> None:
        """The point of no return: the intent is on record before the dot goes out (decisions 18)."""
        dot = link.engine.dot()
        if not dot or link.channel is None:
            link.turn()  # the next hop broke the dialogue meanwhile, and that comes out now
            return
        self._intent = parcel.open_intent(self.hop.name, link.endpoint.name)
        self._dotted = True
        link.expect(parcel.wait_left(self._now(), self._hops.services.times.dot))
        link.channel.write(rest + dot)

    def _dot_answer(self, reply: Reply) -> None:
        link, self._link = self._link, None
        self._close_intent()
        outcome = verdict(Step.DOT, reply, self.hop, link.endpoint.name if link else "", relay=self.relay)
        self._dotted = False
        if link is not None:
            link.deadline = NEVER
        if link is not None and link is not self._own_link:
            if reply.code == 421 or link.refusals >= _REFUSALS:
                link.on_outcome = None
                link.end(polite=True)
            else:
                self._hops.release(link)
        self._answer(outcome)

    # --- small change -------------------------------------------------------------------------------------------

    def _pause(self) -> None:
        """The client has the word: the next hop need not answer anything."""
        if self._link is not None:
            self._link.deadline = NEVER

    def _answer(self, outcome: Outcome) -> None:
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(outcome)

    def _leave(self) -> None:
        link, self._link = self._link, None
        if link is not None and link is not self._own_link:
            self._hops.leave(link)

    def _drop(self) -> None:
        """Hang up without a dot, so that nothing of the message stays."""
        link, self._link = self._link, None
        self._expecting, self._blocks = [], None
        if link is not None:
            link.on_outcome = None
            link.end()

    def _close_intent(self) -> None:
        if self._intent >= 0 and self._parcel is not None:
            self._parcel.close_intent(self._intent)
            self._intent = -1

    def _address(self) -> str:
        return self._link.endpoint.name if self._link is not None else ""

    def _key(self, rcpt: Rcpt) -> tuple[str, str]:
        return (self.hop.name, rcpt.forward_path.text.lower())

    def _now(self) -> float:
        return self._hops.services.loop.time()


_ANSWERS: dict[Step, Callable[[Forwarding, Reply], None]] = {
    Step.RSET: Forwarding._reset_answered,
    Step.XFORWARD: Forwarding._forwarded,
    Step.MAIL: Forwarding._mail_answer,
    Step.RCPT: Forwarding._rcpt_answer,
    Step.DATA: Forwarding._data_answer,
    Step.DOT: Forwarding._dot_answer,
}
