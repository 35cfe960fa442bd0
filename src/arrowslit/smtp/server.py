"""The server side of SMTP, sans-I/O. See the methods; states and transitions are data in `smtp.states`.

A fault of the peer is a value (`Fault`, or `BodyEnd.fault`) and never an exception; `LocalProtocolError` is a mistake
of the code that drives the engine. Answers that are due inside of what is one event (the middle chunks of BDAT, the
second challenge of LOGIN) lie in `take_output`. Never decides who may do what.

Sections: RFC 5321, RFC 2920 (pipelining), RFC 3030 (BDAT), RFC 3207 (STARTTLS), RFC 4954 (AUTH).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from arrowslit.mail.reply import Reply
from arrowslit.smtp import greeting, replies
from arrowslit.smtp.bdat import BdatReader
from arrowslit.smtp.conversation import HELD_OCTETS, Conversation, ServerSettings
from arrowslit.smtp.errors import LocalProtocolError
from arrowslit.smtp.events import Event
from arrowslit.smtp.message import DataReader
from arrowslit.smtp.offer import Offer
from arrowslit.smtp.readers import READERS
from arrowslit.smtp.states import LAST_OF_GROUP, ON_REFUSAL, ON_SUCCESS, SUCCESS, State, Step

__all__ = ["HELD_OCTETS", "ServerEngine", "ServerSettings"]

_NONE: Final = Step.NONE
_FAULT: Final = Step.FAULT


class ServerEngine(Conversation):
    """One connection. Feed octets with `receive`, take events with `next_event`, answer each command once.

    Only methods and properties that are named here, and `receive`, `take_unread` and `buffered`, are for other rooms.
    """

    __slots__ = ()

    @property
    def closed(self) -> bool:
        """True once the last answer of the connection was given (QUIT, 421, a closing fault)."""
        return self.state is State.CLOSED

    @property
    def handshake_due(self) -> bool:
        """True where 220 was said to STARTTLS and the transport has to do the handshake."""
        return self.state is State.HANDSHAKE

    def take_output(self) -> bytes:
        """Octets that the engine wants sent by itself; ask after every `next_event`. Empty where there are none."""
        output = self.output
        if output:
            self.output = b""
        return output

    def next_event(self) -> Event | None:
        """The next event, or None where more octets or an answer are awaited."""
        while self.awaited is _NONE:
            if self.queued is not None:
                return self.emit_queued()
            event = READERS[self.state](self)
            if event is not None:
                return event
            if not self.progress:
                return None
            self.progress = False
        return None

    def greet(self, reply: Reply) -> bytes:
        """The greeting. A 554 or 421 greeting leaves only QUIT understood. Octets received before make the next
        event a `Fault(EARLY_TALKER)`.

        Raises LocalProtocolError where the greeting was said already or a PROXY header is still to come.
        """
        if self.state is not State.GREETING:
            raise LocalProtocolError(f"no greeting is due in state {self.state.name}")
        self.state = State.GREETED if reply.positive else State.REFUSED
        if self.buffered:
            self.queued = replies.EARLY_TALKER
        return reply.encode()

    def answer(self, reply: Reply) -> bytes:
        """Answer the event that awaits it, and move on; returns the octets to send.

        Raises LocalProtocolError where no event awaits an answer, where the code is none for it, and where a message
        that has a fault would be answered with success. The state that follows depends on the code: 2yz to MAIL opens
        a transaction, 354 to DATA starts the message, 220 to STARTTLS forgets EHLO. 421 ends the connection.

        Nothing is returned for a 2yz to `BdatStart` (each BDAT's answer comes after its octets), and where the client
        did not wait for an answer that it must wait for: then the next event is a `Fault` that closes.
        """
        step = self.awaited
        if step is _FAULT:
            self.awaited = _NONE
            return reply.encode() if reply.code != 421 else self.close(reply)
        code = reply.code
        rules = _RULES.get(step)
        if rules is None or code == 421:
            return self._last_answer(step, reply)
        least, most, last_of_group, after = rules
        success = least <= code <= most
        if not success and code < 400:
            raise LocalProtocolError(f"{code} is no answer to {step.name}")
        if last_of_group and (self.start < len(self.buffer) or self.queued is not None):
            return self._not_waited_for(step)
        octets = reply.encode() if after is None else after(self, reply, success)
        self.awaited = _NONE
        state = (ON_SUCCESS if success else ON_REFUSAL).get((self.state, step))
        if state is not None:
            self.state = state
        return octets

    def answer_hello(self, text: str) -> bytes:
        """Answer `Hello` with 250: our name and `text` in the first line, then (EHLO) the offer."""
        if self.awaited is not Step.HELLO:
            raise LocalProtocolError("no EHLO awaits an answer")
        offer = self.offer if self.asked_extended else None
        return self.answer(greeting.hello_reply(self.settings.name, text, offer))

    def proceed_auth(self) -> bytes:
        """Let the SASL exchange of the awaiting `AuthStart` run; returns a 334 challenge or b""."""
        if self.awaited is not Step.AUTH or self.exchange is None:
            raise LocalProtocolError("no AUTH awaits an answer")
        if self.buffered or self.queued is not None:
            return self._not_waited_for(Step.AUTH)
        self.awaited = _NONE
        result = self.exchange.start()
        if isinstance(result, bytes):
            self.state = State.SASL
            return result
        self.queued = result
        return b""

    def close(self, reply: Reply) -> bytes:
        """End the connection with a reply of our own, as 421 after a time-out; returns the octets to send."""
        self.end()
        return reply.encode()

    def set_offer(self, offer: Offer) -> None:
        """Change what the next EHLO offers and what is obeyed from now on."""
        self.offer = offer
        self.effective = offer if self.extended else greeting.without_extensions(offer)

    def tls_started(self) -> None:
        """The handshake is done: EHLO, transaction and buffers are forgotten (RFC 3207 4.2).

        For TLS from the start it may be called before the greeting. Raises LocalProtocolError at any other point.
        """
        self.forget_buffer()
        if self.queued is not None or self.state is State.CLOSED:
            return
        if self.state is State.HANDSHAKE:
            self.forget_hello()
        elif self.state not in (State.GREETING, State.PROXY):
            raise LocalProtocolError("no TLS was agreed on")
        self.tls = True

    def normalise_line_ends(self, wanted: bool) -> None:
        """For the next message: a lone LF becomes CR LF (policy `line_ends`), still only CR LF . CR LF ends it."""
        self.normalise = wanted

    def _last_answer(self, step: Step, reply: Reply) -> bytes:
        if step is _NONE:
            raise LocalProtocolError("no event awaits an answer")
        return self.close(reply)

    def _not_waited_for(self, step: Step) -> bytes:
        self.awaited = _NONE
        self.queued = replies.BEHIND_TLS if step is Step.STARTTLS else replies.PIPELINING
        return b""

    def _after_hello(self, reply: Reply, success: bool) -> bytes:
        if success:
            self.extended = self.asked_extended
            self.effective = self.offer if self.extended else greeting.without_extensions(self.offer)
            self.reader = None
        return reply.encode()

    def _after_data(self, reply: Reply, success: bool) -> bytes:
        if success:
            self.reader = DataReader(self.offer.size, self.settings.text_line_octets, self.normalise)
            self.normalise = False
        return reply.encode()

    def _after_bdat(self, reply: Reply, success: bool) -> bytes:
        if not success:
            self.drain = self.chunk_left
            return reply.encode()
        self.reader = BdatReader(self.offer.size, self.settings.text_line_octets, self.normalise)
        self.normalise = False
        return b""

    def _after_body_end(self, reply: Reply, success: bool) -> bytes:
        if success and self.reader is not None and self.reader.fault() is not None:
            raise LocalProtocolError("a message that broke a rule can't be accepted")
        self.reader = None
        return reply.encode()

    def _after_quit(self, reply: Reply, success: bool) -> bytes:  # noqa: ARG002
        return self.close(reply)

    def _after_credentials(self, reply: Reply, success: bool) -> bytes:
        self.authenticated = success
        return reply.encode()

    def _after_xclient(self, reply: Reply, success: bool) -> bytes:
        if success:
            self.forget_hello()
        return reply.encode()


_AFTER: Final[dict[Step, Callable[[ServerEngine, Reply, bool], bytes]]] = {
    Step.HELLO: ServerEngine._after_hello,
    Step.DATA: ServerEngine._after_data,
    Step.BDAT: ServerEngine._after_bdat,
    Step.BODY_END: ServerEngine._after_body_end,
    Step.QUIT: ServerEngine._after_quit,
    Step.CREDENTIALS: ServerEngine._after_credentials,
    Step.XCLIENT: ServerEngine._after_xclient,
}
"""What a step does besides changing the state."""
_RULES: Final = {
    step: (codes.start, codes.stop - 1, step in LAST_OF_GROUP, _AFTER.get(step)) for step, codes in SUCCESS.items()
}
"""All that an answer needs to know about its step, in one place to look."""
