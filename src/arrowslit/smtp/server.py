"""The server side of SMTP, sans-I/O. See the methods; states and transitions are data in `smtp.states`.

A fault of the peer is a value (`Fault`, or `BodyEnd.fault`) and never an exception; `LocalProtocolError` is a mistake
of the code that drives the engine. Answers that are due inside of what is one event (the middle chunks of BDAT, the
second challenge of LOGIN) lie in `take_output`. Never decides who may do what.

Sections: RFC 5321, RFC 2920 (pipelining), RFC 3030 (BDAT), RFC 3207 (STARTTLS), RFC 4954 (AUTH).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from arrowslit.mail.reply import Reply
from arrowslit.smtp import commands, greeting, proxy, replies, xclient
from arrowslit.smtp.bdat import BdatReader
from arrowslit.smtp.errors import LocalProtocolError
from arrowslit.smtp.events import (
    AuthStart,
    BdatStart,
    BodyChunk,
    BodyEnd,
    Credentials,
    Data,
    Event,
    Fault,
    Noop,
    Quit,
    Rset,
    StartTls,
    Xclient,
)
from arrowslit.smtp.message import DataReader
from arrowslit.smtp.offer import Offer
from arrowslit.smtp.sasl import Exchange
from arrowslit.smtp.states import LAST_OF_GROUP, ON_REFUSAL, ON_SUCCESS, PERMITTED, SUCCESS, State, Step

HELD_OCTETS: Final = 65_536
"""What is held while an answer is awaited; who sends more than this and one `receive` is flooding."""
LINE_OCTETS: Final = 16_382
"""A longer line is drained without being kept (16 KiB with its CR LF)."""

_DATA: Final = Data()
_BDAT_START: Final = BdatStart()
_RSET: Final = Rset()
_QUIT: Final = Quit()
_START_TLS: Final = StartTls()
_NOOPS: Final = {verb: Noop(verb) for verb in ("NOOP", "VRFY", "EXPN", "HELP")}


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What stays the same for the whole connection.

    `name` is ours in the EHLO answer; `expect_proxy` demands a PROXY header before anything else.
    """

    name: str
    expect_proxy: bool = False
    command_octets: int = 512
    text_line_octets: int = 65_536


class ServerEngine:
    """One connection. Feed octets with `receive`, take events with `next_event`, answer each command once."""

    __slots__ = (
        "_authenticated", "_awaited", "_buffer", "_chunk_last", "_chunk_left", "_drain", "_effective", "_exchange",
        "_extended", "_normalise", "_offer", "_output", "_overlong", "_progress", "_queued", "_reader", "_settings",
        "_start", "_state", "_tls", "_utf8",
    )  # fmt: skip

    def __init__(self, settings: ServerSettings, offer: Offer) -> None:
        self._settings = settings
        self._offer = offer
        self._effective = offer
        self._state = State.PROXY if settings.expect_proxy else State.GREETING
        self._awaited = Step.NONE
        self._queued: Fault | Credentials | BodyEnd | None = None
        self._buffer = b""
        self._start = 0
        self._output = b""
        self._overlong = False
        self._progress = False
        self._drain = 0
        self._extended = False
        self._tls = False
        self._authenticated = False
        self._utf8 = False
        self._normalise = False
        self._reader: DataReader | BdatReader | None = None
        self._chunk_left = 0
        self._chunk_last = False
        self._exchange: Exchange | None = None

    # -- octets in and out ------------------------------------------------------------------------------------------

    @property
    def buffered(self) -> int:
        """Octets taken in and not yet turned into events."""
        return len(self._buffer) - self._start

    @property
    def closed(self) -> bool:
        """True once the last answer of the connection was given (QUIT, 421, a closing fault)."""
        return self._state is State.CLOSED

    @property
    def handshake_due(self) -> bool:
        """True where 220 was said to STARTTLS and the transport has to do the handshake."""
        return self._state is State.HANDSHAKE

    def receive(self, data: bytes) -> None:
        """Take in octets from the client, ending anywhere. Parses nothing yet. Decrypted octets under TLS.

        Plain octets between the 220 to STARTTLS and the handshake are dropped, and so is all after the last answer.
        The transport should stop reading while `buffered` is `HELD_OCTETS` or more.
        """
        held = len(self._buffer) - self._start
        if self._state >= State.HANDSHAKE:
            return
        if not held:
            self._buffer = data
            self._start = 0
        elif held < HELD_OCTETS or (self._awaited is Step.NONE and self._state is not State.GREETING):
            self._buffer = self._buffer[self._start :] + data
            self._start = 0
        elif self._state is not State.GREETING and self._queued is None:
            self._queued = replies.FLOOD

    def take_output(self) -> bytes:
        """Octets that the engine wants sent by itself; ask after every `next_event`. Empty where there are none."""
        output = self._output
        if output:
            self._output = b""
        return output

    def next_event(self) -> Event | None:
        """The next event, or None where more octets or an answer are awaited."""
        while self._awaited is Step.NONE:
            if self._queued is not None:
                return self._emit_queued()
            event = _READERS[self._state](self)
            if event is not None:
                return event
            if not self._progress:
                return None
            self._progress = False
        return None

    # -- what the session says --------------------------------------------------------------------------------------

    def greet(self, reply: Reply) -> bytes:
        """The greeting. A 554 or 421 greeting leaves only QUIT understood. Octets received before make the next
        event a `Fault(EARLY_TALKER)`.

        Raises LocalProtocolError where the greeting was said already or a PROXY header is still to come.
        """
        if self._state is not State.GREETING:
            raise LocalProtocolError(f"no greeting is due in state {self._state.name}")
        self._state = State.GREETED if reply.positive else State.REFUSED
        if self.buffered:
            self._queued = replies.EARLY_TALKER
        return reply.encode()

    def answer(self, reply: Reply) -> bytes:
        """Answer the event that awaits it, and move on; returns the octets to send.

        Raises LocalProtocolError where no event awaits an answer, where the code is none for it, and where a message
        that has a fault would be answered with success. The state that follows depends on the code: 2yz to MAIL opens
        a transaction, 354 to DATA starts the message, 220 to STARTTLS forgets EHLO. 421 ends the connection.

        Nothing is returned for a 2yz to `BdatStart` (each BDAT's answer comes after its octets), and where the client
        did not wait for an answer that it must wait for: then the next event is a `Fault` that closes.
        """
        step = self._awaited
        if step is Step.NONE:
            raise LocalProtocolError("no event awaits an answer")
        code = reply.code
        if code == 421 or step is Step.CLOSING_FAULT:
            return self._close(reply)
        if step is Step.FAULT:
            self._awaited = Step.NONE
            return reply.encode()
        success = code in SUCCESS[step]
        if not success and code < 400:
            raise LocalProtocolError(f"{code} is no answer to {step.name}")
        if step is Step.BODY_END:
            self._end_message(success)
        elif step in LAST_OF_GROUP and self._start < len(self._buffer):
            return self._not_waited_for(step)
        self._awaited = Step.NONE
        transitions = ON_SUCCESS if success else ON_REFUSAL
        self._state = transitions.get((self._state, step), self._state)
        after = _AFTER.get(step)
        return reply.encode() if after is None else after(self, reply, success)

    def answer_hello(self, text: str) -> bytes:
        """Answer `Hello` with 250: our name and `text` in the first line, then (EHLO) the offer."""
        if self._awaited is not Step.HELLO:
            raise LocalProtocolError("no EHLO awaits an answer")
        name = self._settings.name
        return self.answer(greeting.hello_reply(name, text, self._offer if self._extended else None))

    def proceed_auth(self) -> bytes:
        """Let the SASL exchange of the awaiting `AuthStart` run; returns a 334 challenge or b""."""
        if self._awaited is not Step.AUTH or self._exchange is None:
            raise LocalProtocolError("no AUTH awaits an answer")
        if self.buffered:
            return self._not_waited_for(Step.AUTH)
        self._awaited = Step.NONE
        result = self._exchange.start()
        if isinstance(result, bytes):
            self._state = State.SASL
            return result
        self._queued = result
        return b""

    def set_offer(self, offer: Offer) -> None:
        """Change what the next EHLO offers and what is obeyed from now on."""
        self._offer = offer
        self._effective = offer if self._extended else greeting.without_extensions(offer)

    def tls_started(self) -> None:
        """The handshake is done: EHLO, transaction and buffers are forgotten (RFC 3207 4.2).

        For TLS from the start it may be called before the greeting.
        """
        self._forget_buffer()
        if self._queued is not None or self._state is State.CLOSED:
            return
        if self._state is State.HANDSHAKE:
            self._forget_hello()
        elif self._state not in (State.GREETING, State.PROXY):
            raise LocalProtocolError("no TLS was agreed on")
        self._tls = True

    def normalise_line_ends(self, wanted: bool) -> None:
        """For the next message: a lone LF becomes CR LF (policy `line_ends`), still only CR LF . CR LF ends it."""
        self._normalise = wanted

    # -- moving on --------------------------------------------------------------------------------------------------

    def _close(self, reply: Reply) -> bytes:
        self._awaited = Step.NONE
        self._queued = None
        self._reader = None
        self._state = State.CLOSED
        self._forget_buffer()
        return reply.encode()

    def _forget_buffer(self) -> None:
        self._buffer = b""
        self._start = 0

    def _forget_hello(self) -> None:
        self._state = State.GREETED
        self._extended = False
        self._authenticated = False
        self._effective = greeting.without_extensions(self._offer)

    def _not_waited_for(self, step: Step) -> bytes:
        self._awaited = Step.NONE
        self._queued = replies.BEHIND_TLS if step is Step.STARTTLS else replies.PIPELINING
        return b""

    def _end_message(self, success: bool) -> None:
        reader = self._reader
        if success and reader is not None and reader.fault() is not None:
            raise LocalProtocolError("a message that broke a rule can't be accepted")
        self._reader = None

    def _after_hello(self, reply: Reply, success: bool) -> bytes:
        if not success:
            self._extended = False
        self._effective = self._offer if self._extended else greeting.without_extensions(self._offer)
        return reply.encode()

    def _after_data(self, reply: Reply, success: bool) -> bytes:
        if success:
            self._reader = DataReader(self._offer.size, self._settings.text_line_octets, self._normalise)
            self._normalise = False
        return reply.encode()

    def _after_bdat(self, reply: Reply, success: bool) -> bytes:
        if not success:
            self._drain = self._chunk_left
            return reply.encode()
        self._reader = BdatReader(self._offer.size, self._settings.text_line_octets, self._normalise)
        self._normalise = False
        return b""

    def _after_reset(self, reply: Reply, success: bool) -> bytes:
        if success:
            self._reader = None
        return reply.encode()

    def _after_quit(self, reply: Reply, success: bool) -> bytes:
        return self._close(reply)

    def _after_credentials(self, reply: Reply, success: bool) -> bytes:
        self._authenticated = success
        return reply.encode()

    def _after_xclient(self, reply: Reply, success: bool) -> bytes:
        if success:
            self._forget_hello()
        return reply.encode()

    # -- events -----------------------------------------------------------------------------------------------------

    def _emit(self, event: Event, step: Step) -> Event:
        """`event` awaits its answer; a step that ends a group must have nothing behind it."""
        if isinstance(event, Fault):
            return self._fault(event)
        if step in LAST_OF_GROUP and self._start < len(self._buffer):
            return self._fault(replies.BEHIND_TLS if step is Step.STARTTLS else replies.PIPELINING)
        self._awaited = step
        return event

    def _fault(self, fault: Fault) -> Fault:
        self._awaited = Step.CLOSING_FAULT if fault.close else Step.FAULT
        if fault.close:
            self._forget_buffer()
        return fault

    def _emit_queued(self) -> Event:
        event = self._queued
        assert event is not None
        self._queued = None
        return self._emit(event, Step.CREDENTIALS if isinstance(event, Credentials) else Step.BODY_END)

    # -- reading ----------------------------------------------------------------------------------------------------

    def _read_nothing(self) -> Event | None:
        return None

    def _read_proxy(self) -> Event | None:
        if not self.buffered:
            return None
        try:
            parsed = proxy.parse(self._buffer)
        except ValueError:
            self._state = State.CLOSED
            self._forget_buffer()
            return replies.BAD_PROXY
        if parsed is None:
            return None
        self._state = State.GREETING
        self._consume(parsed[1])
        return parsed[0]

    def _read_body(self) -> Event | None:
        reader = self._reader
        assert isinstance(reader, DataReader)
        if self._start >= len(self._buffer):
            return None
        data = self._buffer[self._start :]
        self._buffer = b""
        self._start = 0
        chunk, behind = reader.feed(data)
        if behind >= 0:
            if behind:
                self._buffer = data[-behind:]
            self._queued = BodyEnd(reader.octets, reader.eight_bit, reader.fault())
            self._progress = True
        return BodyChunk(chunk) if chunk else None

    def _read_chunk(self) -> Event | None:
        reader = self._reader
        assert isinstance(reader, BdatReader)
        data = self._buffer[self._start : self._start + self._chunk_left]
        if self._chunk_left and not data:
            return None
        self._consume(self._start + len(data))
        self._chunk_left -= len(data)
        passed_on = reader.feed(data)
        if not self._chunk_left:
            passed_on += self._end_chunk(reader)
        return BodyChunk(passed_on) if passed_on else None

    def _end_chunk(self, reader: BdatReader) -> bytes:
        self._progress = True
        if not self._chunk_last:
            self._state = State.CHUNKS
            self._output += replies.CHUNK_TAKEN.encode()
            return b""
        missing = reader.finish()
        self._queued = BodyEnd(reader.octets, reader.eight_bit, reader.fault())
        return missing

    def _consume(self, end: int) -> None:
        if end >= len(self._buffer):
            self._buffer = b""
            self._start = 0
        else:
            self._start = end

    def _read_line(self) -> bytes | Fault | None:
        """The next line without CR LF, or None where it is not complete."""
        buffer = self._buffer
        start = self._start
        if start >= len(buffer):
            return None
        end = buffer.find(b"\r\n", start)
        if end < 0:
            if len(buffer) - start > LINE_OCTETS + 1 or self._overlong:
                self._overlong = True
                self._buffer = b"\r" if buffer.endswith(b"\r") else b""
                self._start = 0
            return None
        self._consume(end + 2)
        if self._overlong or end - start > LINE_OCTETS:
            self._overlong = False
            return replies.COMMAND_TOO_LONG
        return buffer[start:end]

    def _read_command(self) -> Event | None:
        if self._drain and not self._drained():
            return None
        if self._start < len(self._buffer) and not self._overlong and self._is_no_command():
            return self._fault(replies.NOT_SMTP)
        line = self._read_line()
        if line is None:
            return None
        if isinstance(line, Fault):
            return self._fault(line)
        verb, _, argument = line.partition(b" ")
        command = _COMMANDS.get(verb) or _COMMANDS.get(verb.upper())
        if command is None:
            return self._fault(self._unknown(line, verb))
        name, allowance, read = command
        if len(line) + 2 > allowance + self._settings.command_octets:
            return self._fault(replies.COMMAND_TOO_LONG)
        if b"\r" in line or b"\n" in line or b"\0" in line:
            return self._fault(replies.BARE_LINE_END_IN_COMMAND)
        return read(self, name, argument.rstrip(b" ") if argument.endswith(b" ") else argument)

    def _is_no_command(self) -> bool:
        """True where the first octet of a line is no letter, an empty line apart."""
        buffer = self._buffer
        start = self._start
        if buffer[start : start + 1].isalpha():
            return False
        return not b"\r\n".startswith(buffer[start : start + 2])

    def _drained(self) -> bool:
        """Drop the octets of a refused BDAT; True once all of them have come."""
        taken = min(self._drain, self.buffered)
        self._drain -= taken
        self._consume(self._start + taken)
        return not self._drain

    def _unknown(self, line: bytes, verb: bytes) -> Fault:
        if not line:
            return replies.EMPTY
        label = verb.partition(b":")[0]
        if verb.decode("latin-1").upper() in commands.HTTP_VERBS or (label != verb and label.isascii()):
            return replies.NOT_SMTP
        if verb == b"PROXY":
            return replies.UNWANTED_PROXY
        if len(line) + 2 > self._settings.command_octets:
            return replies.COMMAND_TOO_LONG
        if b"\r" in line or b"\n" in line or b"\0" in line:
            return replies.BARE_LINE_END_IN_COMMAND
        return replies.UNRECOGNISED

    def _out_of_sequence(self, name: str) -> Fault | None:
        """The fault where the verb may not come in this state."""
        if name in PERMITTED[self._state]:
            return None
        specific = replies.OUT_OF_SEQUENCE.get((self._state, name))
        return specific or replies.OUT_OF_SEQUENCE_IN.get(self._state, replies.SEQUENCE)

    def _hello(self, name: str, argument: bytes) -> Event:
        fault = self._out_of_sequence(name)
        if fault is not None:
            return self._fault(fault)
        event = commands.hello(argument, name == "EHLO")
        emitted = self._emit(event, Step.HELLO)
        if emitted is event and not isinstance(event, Fault):
            self._extended = event.extended
        return emitted

    def _mail(self, name: str, argument: bytes) -> Event:
        if self._state is not State.READY:
            return self._fault(self._out_of_sequence(name) or replies.SEQUENCE)
        event = commands.mail(argument, self._effective)
        if isinstance(event, Fault):
            return self._fault(event)
        self._utf8 = event.smtputf8
        self._awaited = Step.MAIL
        return event

    def _rcpt(self, name: str, argument: bytes) -> Event:
        if "RCPT" not in PERMITTED[self._state]:
            return self._fault(self._out_of_sequence(name) or replies.SEQUENCE)
        return self._emit(commands.rcpt(argument, self._effective, self._utf8), Step.RCPT)

    def _data(self, name: str, argument: bytes) -> Event:
        fault = self._out_of_sequence(name) or (replies.NO_ARGUMENT if argument else None)
        # What lies behind a DATA that we refuse ourselves is a message that was sent without waiting.
        if fault is not None and not self.buffered:
            return self._fault(fault)
        return self._emit(_DATA, Step.DATA)

    def _bdat(self, name: str, argument: bytes) -> Event | None:
        parsed = commands.bdat(argument)
        if isinstance(parsed, Fault):
            return self._fault(parsed)
        fault = self._out_of_sequence(name) if self._effective.chunking else replies.NOT_IMPLEMENTED
        if fault is not None:
            self._drain = parsed[0]
            return self._fault(fault)
        self._chunk_left, self._chunk_last = parsed
        if self._state is State.RCPT:
            return self._emit(_BDAT_START, Step.BDAT)
        self._state = State.CHUNK
        self._progress = True
        return None

    def _simple(self, name: str, _argument: bytes) -> Event:
        fault = self._out_of_sequence(name)
        if fault is not None:
            return self._fault(fault)
        if name == "RSET":
            return self._emit(_RSET, Step.RSET)
        return self._emit(_QUIT, Step.QUIT) if name == "QUIT" else self._emit(_NOOPS[name], Step.NOOP)

    def _starttls(self, name: str, argument: bytes) -> Event:
        if not self._offer.starttls:
            return self._fault(replies.TLS_ALREADY if self._tls else replies.NOT_IMPLEMENTED)
        fault = self._extension_fault(name) or (replies.NO_ARGUMENT if argument else None)
        return self._emit(fault or _START_TLS, Step.STARTTLS)

    def _auth(self, name: str, argument: bytes) -> Event:
        if not self._offer.auth:
            needs_tls = self._offer.starttls and self._offer.auth_after_tls
            return self._fault(replies.AUTH_NEEDS_TLS if needs_tls else replies.NOT_IMPLEMENTED)
        fault = replies.AUTH_TWICE if self._authenticated else self._extension_fault(name)
        if fault is not None:
            return self._fault(fault)
        exchange = commands.auth(argument, self._offer.auth)
        if isinstance(exchange, Fault):
            return self._fault(exchange)
        self._exchange = exchange
        return self._emit(AuthStart(exchange.mechanism), Step.AUTH)

    def _extension_fault(self, name: str) -> Fault | None:
        return self._out_of_sequence(name) or (None if self._extended else replies.HELLO_FIRST)

    def _xclient(self, name: str, argument: bytes) -> Event:
        if not self._offer.xclient:
            return self._fault(replies.UNRECOGNISED)
        fault = self._out_of_sequence(name)
        event: Xclient | Fault = fault if fault is not None else xclient.parse(argument)
        return self._emit(event, Step.XCLIENT)

    def _not_implemented(self, _name: str, _argument: bytes) -> Event:
        return self._fault(replies.NOT_IMPLEMENTED)

    def _read_sasl(self) -> Event | None:
        line = self._read_line()
        if line is None:
            return None
        if isinstance(line, Fault) or len(line) + 2 > commands.AUTH_OCTETS:
            self._state = State.READY
            return self._fault(replies.SASL_TOO_LONG)
        assert self._exchange is not None
        result = self._exchange.line(line)
        if not isinstance(result, bytes):
            self._state = State.READY
            return self._emit(result, Step.CREDENTIALS)
        if self.buffered:
            return self._fault(replies.PIPELINING)
        self._output += result
        return None


_READERS: Final[dict[State, Callable[[ServerEngine], Event | None]]] = {
    **dict.fromkeys(PERMITTED, ServerEngine._read_command),
    State.PROXY: ServerEngine._read_proxy,
    State.GREETING: ServerEngine._read_nothing,
    State.BODY: ServerEngine._read_body,
    State.CHUNK: ServerEngine._read_chunk,
    State.SASL: ServerEngine._read_sasl,
    State.HANDSHAKE: ServerEngine._read_nothing,
    State.CLOSED: ServerEngine._read_nothing,
}
_AFTER: Final[dict[Step, Callable[[ServerEngine, Reply, bool], bytes]]] = {
    Step.HELLO: ServerEngine._after_hello,
    Step.DATA: ServerEngine._after_data,
    Step.BDAT: ServerEngine._after_bdat,
    Step.RSET: ServerEngine._after_reset,
    Step.QUIT: ServerEngine._after_quit,
    Step.CREDENTIALS: ServerEngine._after_credentials,
    Step.XCLIENT: ServerEngine._after_xclient,
}
_Read = Callable[[ServerEngine, str, bytes], Event | None]


def _command(verb: str, read: _Read) -> tuple[str, int, _Read]:
    return verb, commands.ALLOWANCE.get(verb, 0), read


_COMMANDS: Final[dict[bytes, tuple[str, int, _Read]]] = {
    verb.encode(): _command(verb, read)
    for verbs, read in (
        (("EHLO", "HELO"), ServerEngine._hello),
        (("MAIL",), ServerEngine._mail),
        (("RCPT",), ServerEngine._rcpt),
        (("DATA",), ServerEngine._data),
        (("BDAT",), ServerEngine._bdat),
        (("RSET", "QUIT", "NOOP", "VRFY", "EXPN", "HELP"), ServerEngine._simple),
        (("STARTTLS",), ServerEngine._starttls),
        (("AUTH",), ServerEngine._auth),
        (("XCLIENT",), ServerEngine._xclient),
        (("ETRN", "TURN", "SEND", "SOML", "SAML"), ServerEngine._not_implemented),
    )
    for verb in verbs
}
