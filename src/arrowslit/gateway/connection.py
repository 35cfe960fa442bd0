"""One client's connection: does what its session asks for and tells it what came of it.

Terms: actions and the methods that answer them are in `session.actions`. A connection owns the channel and the
deadlines of its client; what becomes of a message is `gateway.carrying`'s. Never decides anything: not who may do
what, and not what a reply says. Rules: gateway-behaviour 1 (Time-outs), 4, 5.
"""

from __future__ import annotations

import contextlib
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from arrowslit.gateway.carrying import Carrying
from arrowslit.gateway.channel import Channel
from arrowslit.gateway.counting import count
from arrowslit.gateway.deadlines import NEVER
from arrowslit.gateway.sender import Identity
from arrowslit.gateway.splice import Splice as SpliceRun
from arrowslit.gateway.state import ListenerParts, WorkerState
from arrowslit.gateway.tls import TlsLayer
from arrowslit.mail.address import IPAddress, source_key
from arrowslit.networks.reverse import client_names
from arrowslit.policy.facts import TEMPORARY_FAILURE, Unknown
from arrowslit.session import actions, replies
from arrowslit.session.actions import Action, Outcome
from arrowslit.session.session import Session
from arrowslit.smtp.events import BodyChunk

_HELD_OCTETS = 16_384
_LINGER = 3.0
_LOOK = 5.0
_UNREAD_REPLIES = 65_536
"""Octets of replies that may wait for the client to read them; beyond, nothing more of it is read."""
_OVERLOADED_COMMAND = 10.0
_LONGEST_ANSWER = 700.0
"""Seconds after which an answer that the session waits for will not come any more: longer than anything may take."""


class Connection:
    """See the module. `deadline` is looked after by the worker's `Deadlines`; `octets` came from the client so far."""

    __slots__ = (
        "_carrying",
        "_channel",
        "_client_gone",
        "_doing",
        "_identity",
        "_input_ended",
        "_last_octets",
        "_lingering",
        "_parts",
        "_source",
        "_state",
        "_todo",
        "begun",
        "deadline",
        "octets",
        "session",
    )

    def __init__(
        self,
        state: WorkerState,
        parts: ListenerParts,
        sock: socket.socket,
        peer: tuple[IPAddress, int],
        local_end: tuple[IPAddress, int],
    ) -> None:
        self._state, self._parts = state, parts
        self._channel = Channel(state.loop, sock, self)
        self._source: bytes | None = None
        self._last_octets = 0.0
        self._lingering = False
        self._client_gone = False
        self._input_ended = False
        self._doing = False
        self._todo: deque[Action] = deque()
        self.deadline = NEVER
        self.begun = state.loop.time()
        self.octets = 0
        open_now = 1 if parts.listener.expect_proxy else self._count(peer[0])
        self.session = Session(state.node, parts.listener, peer, open_now)
        self._identity = Identity(self.session, local_end)
        self._carrying = Carrying(state, self.session, self._identity)

    @property
    def taking_in(self) -> bool:
        """Whether a message comes in."""
        return self._carrying.taking_in

    # --- the beginning and the end ------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin the conversation."""
        state = self._state
        state.connections.add(self)
        state.deadlines.watch(self)
        state.counters.session_opened()
        try:
            self._channel.start_reading()
            if not self._parts.listener.expect_proxy:
                self._await_command(state.loop.time())
                self._begin()
            else:
                self.deadline = state.loop.time() + state.settings.timeouts.proxy_header
        except Exception as error:
            self._broken(error)

    def _begin(self) -> None:
        """Whoever has spoken by now spoke before the greeting (implicit TLS begins with the client's hello)."""
        if self._parts.listener.tls != "implicit":
            early = self._channel.read_early()
            if early:
                self.octets += len(early)
                self._do(self.session.receive(early))
        self._do(self.session.open())

    def _count(self, address: IPAddress) -> int:
        self._source = source_key(address)
        return self._state.counters.open(self._source)

    def drain(self) -> None:
        """The node is to stop: an idle client hears 421 at its next command, or when this is called again idle."""
        if not self.session.awaiting and self.session.transaction is None and not self.session.closed:
            self.deadline = min(self.deadline, self._state.loop.time() + _LOOK)

    def kill(self) -> None:
        """End at once (the worker stops)."""
        self._gone()
        self._channel.abort()

    def _gone(self) -> None:
        """Everything that this connection held is given back, once."""
        state = self._state
        if self not in state.connections:
            return
        state.connections.discard(self)
        state.deadlines.forget(self)
        state.counters.session_closed()
        if self._source is not None:
            state.counters.close(self._source)
        self._client_gone = True
        self._carrying.client_left()
        self._do(self.session.lost())
        self._carrying.close(delivering=self.session.awaiting == "deliver")

    def _broken(self, error: Exception) -> None:
        """A mistake of ours in one session ends that session, with 421 and on record, and no other."""
        state = self._state
        state.hops.services.alarm("session-fault", f"{type(error).__name__} in a session; it was ended")
        state.metrics.add("arrowslit_faults", ("session-fault",))
        self._todo.clear()
        self._doing = False
        with contextlib.suppress(Exception):
            self._channel.write(replies.FAULT.encode())
        self.session.closed = True
        for work in (self._gone, self._carrying.abandon):
            with contextlib.suppress(Exception):
                work()
        self._carrying.close(delivering=False)
        self._channel.close()
        state.loop.call_later(_LINGER, self._channel.abort)
        state.loop.call_exception_handler({"message": "a session was ended by a fault of ours", "exception": error})

    # --- what the channel says ----------------------------------------------------------------------------------

    def received(self, data: bytes) -> None:
        """Octets of the client."""
        try:
            self._received(data)
        except Exception as error:
            self._broken(error)

    def _received(self, data: bytes) -> None:
        state, session = self._state, self.session
        if session.closed:
            return
        now = state.tick()
        self._last_octets = now
        self.octets += len(data)
        if self._carrying.taking_in:
            self._carrying.heard(len(data))
        todo = session.receive(data)
        self._do(todo)
        if session.engine.buffered > _HELD_OCTETS or self._channel.backlog > _UNREAD_REPLIES:
            self._channel.pause_reading()
        if todo and not self._carrying.taking_in and not session.awaiting and not session.closed:
            self._await_command(now)  # half a command puts nothing off

    def lost(self, _why: str) -> None:
        """The client is gone."""
        try:
            self._gone()
        except Exception as error:
            self._broken(error)

    def ended(self) -> bool:
        """The client sends nothing more. Where commands of it still wait, it reads their answers (Exim pipelines QUIT
        and then ends its side); where none do, it is gone."""
        session = self.session
        self._input_ended = bool(session.awaiting) and not session.closed and session.engine.buffered > 0
        return self._input_ended

    def tls_started(self, layer: TlsLayer) -> None:
        """The handshake is done."""
        self._resume(self.session.tls_started(layer.description, layer.peer_certificate))

    def drained(self) -> None:
        """Replies that waited have gone out: go on reading."""
        session = self.session
        if not session.awaiting and not session.closed and session.engine.buffered <= _HELD_OCTETS:
            self._channel.start_reading()

    def expired(self) -> None:
        """A deadline has passed."""
        try:
            self._expired()
        except Exception as error:
            self._broken(error)

    def _expired(self) -> None:
        """Whose deadline was it?"""
        now = self._state.tick()
        if self._lingering:
            self._gone()
            self._channel.abort()
        elif self.session.awaiting == "verify":
            self._carrying.verdict_overdue()
        elif self._carrying.taking_in and not self.session.awaiting:
            self._look_at_body(now)
        elif self.session.awaiting in ("", "tls", "count") and not self.session.closed:
            if self.session.awaiting == "tls" or (self._parts.listener.expect_proxy and not self.session.greeted):
                self._gone()
                self._channel.abort()
            else:
                self._look_at_silence()
        elif self.session.awaiting and not self._client_gone:
            raise TimeoutError(f"no answer to {self.session.awaiting}")

    def _look_at_silence(self) -> None:
        """The client says nothing: let the next hop go, and in the end the client too."""
        if self._carrying.holds_link:
            self._carrying.let_link_go()
            self.deadline = self._last_octets + self._patience()
        else:
            self._do(self.session.timed_out())

    def _look_at_body(self, now: float) -> None:
        """Every few seconds while a message comes in: is it too slow, and should the next hop be let go?"""
        if self._carrying.too_slow(now, now - self._last_octets):
            self._do(self.session.timed_out(slow_body=True))
        else:
            self.deadline = now + _LOOK

    # --- doing --------------------------------------------------------------------------------------------------

    def _resume(self, todo: list[Action]) -> None:
        """Go on after an answer; reading may have been paused meanwhile."""
        try:
            self._do(todo)
        except Exception as error:
            self._broken(error)
            return
        session = self.session
        if self._input_ended and not self._client_gone and not session.awaiting and not session.closed:
            self._channel.abort()
            self.lost("")
        elif not self._client_gone and not session.awaiting and not session.closed:
            if session.engine.buffered <= _HELD_OCTETS and self._channel.backlog <= _UNREAD_REPLIES:
                self._channel.start_reading()
            if not self._carrying.taking_in:
                self._await_command(self._state.loop.time())

    def _await_command(self, now: float) -> None:
        """The client has the word; a next hop that waits with it is let go before long."""
        self.deadline = now + (_LOOK if self._carrying.holds_link else self._patience())

    def _patience(self) -> float:
        """Seconds that the client has for a command; little under overload (gateway-behaviour 5)."""
        command = self._state.settings.timeouts.command
        return min(command, _OVERLOADED_COMMAND) if self._state.node.overloaded else command

    def _do(self, todo: list[Action]) -> None:
        """Do these, in order. What is answered at once while something is being done comes behind it."""
        self._todo.extend(todo)
        if self._doing:
            return
        self._doing = True
        self._do_all()
        self._doing = False

    def _do_all(self) -> None:
        waiting = self._todo
        replies_: list[bytes] = []
        while waiting:
            action = waiting.popleft()
            kind = type(action)
            if kind is bytes:
                replies_.append(cast(bytes, action))
            elif kind is BodyChunk:
                self._carrying.append(cast(BodyChunk, action))
            else:
                if replies_ and kind in _FLUSH_BEFORE:
                    self._channel.write(b"".join(replies_))
                    replies_.clear()
                if self._client_gone and kind in _FOR_A_CLIENT:
                    continue
                _DOERS[kind](self, action)
        if replies_:
            self._channel.write(replies_[0] if len(replies_) == 1 else b"".join(replies_))

    def _close(self, action: actions.Close) -> None:
        if action.drop:
            self._channel.abort()
            self._gone()
        elif action.linger:
            self._lingering = True
            self.deadline = self._state.loop.time() + _LINGER
            self._channel.close(linger=True)
        elif self._channel.close():
            self._gone()
        else:
            self._lingering = True
            self.deadline = self._state.loop.time() + _LINGER

    def _pause(self, action: actions.Pause) -> None:
        self.deadline = self._state.loop.time() + _LONGEST_ANSWER
        self._state.loop.call_later(action.seconds, self._paused)

    def _paused(self) -> None:
        self._state.tick()
        if not self._client_gone:
            self._resume(self.session.paused())

    def _count_source(self, action: actions.CountSource) -> None:
        self._resume(self.session.counted(self._count(action.client_address)))

    def _start_tls(self, _action: actions.StartTls) -> None:
        new_tls = self._parts.new_tls
        if new_tls is None:
            raise AssertionError("STARTTLS was offered on a listener without TLS")
        self.deadline = self._state.loop.time() + self._state.settings.timeouts.handshake
        self._channel.start_tls(new_tls(), self.session.engine.take_unread())

    def _look_up(self, action: actions.LookUp) -> None:
        state = self._state
        self.deadline = state.loop.time() + _LONGEST_ANSWER

        async def ask() -> None:
            reverse: str | Unknown | None = TEMPORARY_FAILURE
            name: str | Unknown | None = TEMPORARY_FAILURE
            try:
                reverse, name = await client_names(action.client_address, state.resolver, state.settings.dns.timeout)
            except Exception as error:
                state.hops.services.alarm("dns-fault", f"{type(error).__name__} while a client's name was looked up")
            state.tick()
            if not self._client_gone:
                self._resume(self.session.looked_up(reverse, name))

        state.spawn(ask())

    def _note(self, action: actions.Note) -> None:
        state = self._state
        record = state.recorder.of(self.session, action)
        state.writer.write(record)
        count(state.metrics, record)
        if action.outcome is not None and action.outcome.alarm:
            state.hops.services.alarm(action.outcome.reason, action.outcome.alarm, action.outcome.next_hop)

    # --- signing in and recipients ------------------------------------------------------------------------------

    def _check_credentials(self, action: actions.CheckCredentials) -> None:
        self.deadline = self._state.loop.time() + _LONGEST_ANSWER
        self._state.desk.check(self.session, self._identity, action.credentials, self._carrying.pin, self._signed_in)

    def _signed_in(self, answer: actions.SignIn) -> None:
        self._state.tick()
        if not self._client_gone:
            self._resume(self.session.signed_in(answer))

    def _check_recipient(self, action: actions.CheckRecipient) -> None:
        self.deadline = self._state.loop.time() + _LONGEST_ANSWER
        hop = self._state.node.next_hop_of(action.recipient)
        if hop is None:
            self._recipient_checked(TEMPORARY_FAILURE)
        else:
            address = f"{action.recipient.local_part}@{action.recipient.domain}"
            self._state.desk.has_recipient(hop, address, self._recipient_checked)

    def _recipient_checked(self, listed: bool | Unknown) -> None:
        self._state.tick()
        if not self._client_gone:
            self._resume(self.session.recipient_checked(listed))

    # --- the message --------------------------------------------------------------------------------------------

    def _verify(self, action: actions.Verify) -> None:
        self.deadline = self._state.loop.time() + self._state.hops.services.times.verdict
        self._carrying.verify(action, self._verified)

    def _verified(self, verdict: Outcome) -> None:
        self._state.tick()
        if not self._client_gone:
            self._resume(self.session.verified(verdict))

    def _start_body(self, _action: actions.StartBody) -> None:
        now = self._state.loop.time()
        self._carrying.start_body(now)
        self.deadline = now + _LOOK

    def _deliver(self, action: actions.Deliver) -> None:
        self.deadline = self._state.loop.time() + _LONGEST_ANSWER
        if self._input_ended and not self.session.engine.buffered:  # not even QUIT waits: nobody reads the answer
            self._carrying.refuse(replies.TOO_LATE, "client-gone", self._delivered)
        else:
            self._carrying.deliver(action, self._delivered, self._broken)

    def _delivered(self, outcome: Outcome) -> None:
        self._resume(self.session.delivered(outcome))

    def _abandon(self, _action: actions.Abandon) -> None:
        self._carrying.abandon()

    def _splice(self, action: actions.Splice) -> None:
        state = self._state
        first = self._identity.proxy_header() if action.proxy else b""
        first += self.session.engine.take_unread()
        sock = self._channel.detach()
        state.deadlines.forget(self)
        self.deadline = NEVER
        run = SpliceRun(state.loop, state.deadlines, sock, first, self._gone)
        state.splice(action.target, run)


_DOERS: dict[type, Callable[[Connection, Any], None]] = {
    actions.Close: Connection._close,
    actions.Pause: Connection._pause,
    actions.CountSource: Connection._count_source,
    actions.StartTls: Connection._start_tls,
    actions.LookUp: Connection._look_up,
    actions.CheckCredentials: Connection._check_credentials,
    actions.CheckRecipient: Connection._check_recipient,
    actions.Verify: Connection._verify,
    actions.StartBody: Connection._start_body,
    actions.Deliver: Connection._deliver,
    actions.Abandon: Connection._abandon,
    actions.Splice: Connection._splice,
    actions.Note: Connection._note,
}

_FLUSH_BEFORE = frozenset(
    {
        actions.Close,
        actions.StartTls,
        actions.Pause,
        actions.Verify,
        actions.Deliver,
        actions.CountSource,
        actions.Splice,
    }
)
"""Replies written so far go out before these; the others change nothing that the client sees."""

_FOR_A_CLIENT = frozenset(
    {
        actions.Pause,
        actions.CountSource,
        actions.StartTls,
        actions.LookUp,
        actions.CheckCredentials,
        actions.CheckRecipient,
        actions.Verify,
        actions.StartBody,
        actions.Deliver,
        actions.Splice,
    }
)
"""Not done any more for a client that went while what stands before them was done."""
