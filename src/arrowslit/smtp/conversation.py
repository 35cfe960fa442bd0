"""What one connection remembers on the server side, and the octets that wait to be read.

Terms: a step *awaits* its answer; a *queued* event is reported before anything more is read; *output* is what the
engine says by itself. Internal to this room: other rooms use `server.ServerEngine`, a conversation with methods. Never
reads a command itself (`verbs`, `readers`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from arrowslit.smtp import greeting, replies
from arrowslit.smtp.bdat import BdatReader
from arrowslit.smtp.events import BodyEnd, Credentials, Event, Fault
from arrowslit.smtp.message import DataReader
from arrowslit.smtp.offer import Offer
from arrowslit.smtp.sasl import Exchange
from arrowslit.smtp.states import LAST_OF_GROUP, PERMITTED, State, Step

HELD_OCTETS: Final = 65_536
"""What is held while an answer is awaited; who sends more than this and one `receive` is flooding."""
LINE_OCTETS: Final = 16_382
"""A longer line is drained without being kept (16 KiB with its CR LF)."""

_NONE: Final = Step.NONE
_GREETING: Final = State.GREETING
_HANDSHAKE: Final = State.HANDSHAKE


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What stays the same for the whole connection.

    `name` is ours in the EHLO answer; `expect_proxy` demands a PROXY header before anything else.
    """

    name: str
    expect_proxy: bool = False
    command_octets: int = 512
    text_line_octets: int = 65_536


class Conversation:
    """The memory of one connection. `effective` is what is obeyed of the offer: nothing after HELO."""

    __slots__ = (
        "asked_extended", "authenticated", "awaited", "buffer", "chunk_last", "chunk_left", "drain", "effective",
        "exchange", "extended", "normalise", "offer", "output", "overlong", "progress", "queued", "reader", "settings",
        "start", "state", "tls", "utf8",
    )  # fmt: skip

    def __init__(self, settings: ServerSettings, offer: Offer) -> None:
        self.settings = settings
        self.offer = offer
        self.state = State.PROXY if settings.expect_proxy else _GREETING
        self.awaited = _NONE
        self.queued: Fault | Credentials | BodyEnd | None = None
        self.progress = False
        """Something was read that is no event; there may be more."""
        self.buffer = b""
        self.start = 0
        """Where in `buffer` the octets begin that were not read."""
        self.output = b""
        self.overlong = False
        self.drain = 0
        """Octets of a refused BDAT that are still to be dropped."""
        self.tls = False
        self.authenticated = False
        self.extended = False
        self.asked_extended = False
        self.effective = greeting.without_extensions(offer)
        self.utf8 = False
        self.normalise = False
        self.reader: DataReader | BdatReader | None = None
        self.chunk_left = 0
        self.chunk_last = False
        self.exchange: Exchange | None = None

    # -- octets -----------------------------------------------------------------------------------------------------

    @property
    def buffered(self) -> int:
        """Octets taken in and not yet turned into events."""
        return len(self.buffer) - self.start

    def take_unread(self) -> bytes:
        """Octets that no event came of yet, for whoever reads them instead: TLS from the start, or a splice."""
        unread = self.buffer[self.start :]
        self.forget_buffer()
        return unread

    def receive(self, data: bytes) -> None:
        """Take in octets from the client, ending anywhere. Parses nothing yet. Decrypted octets under TLS.

        Plain octets between the 220 to STARTTLS and the handshake are dropped, and so is all after the last answer.
        The transport should stop reading while `buffered` is `HELD_OCTETS` or more.
        """
        if self.state >= _HANDSHAKE or self.queued is replies.FLOOD:
            return
        held = len(self.buffer) - self.start
        if not held:
            self.buffer = data
            self.start = 0
        elif held < HELD_OCTETS or (self.awaited is _NONE and self.state is not _GREETING):
            self.buffer = self.buffer[self.start :] + data
            self.start = 0
        elif self.state is not _GREETING:
            self.queued = replies.FLOOD
            self.forget_buffer()

    def forget_buffer(self) -> None:
        """Drop what was not read."""
        self.buffer = b""
        self.start = 0
        self.overlong = False

    def consume(self, end: int) -> None:
        """All before `end` in the buffer was read."""
        if end >= len(self.buffer):
            self.buffer = b""
            self.start = 0
        else:
            self.start = end

    def read_line(self) -> bytes | Fault | None:
        """The next line without CR LF, a fault for an overlong one, or None where its end has not come."""
        buffer = self.buffer
        start = self.start
        end = buffer.find(b"\r\n", start)
        if end < 0:
            if len(buffer) - start > LINE_OCTETS + 1 or self.overlong:
                self.overlong = True
                self.buffer = b"\r" if buffer.endswith(b"\r") else b""
                self.start = 0
            return None
        self.consume(end + 2)
        if self.overlong:
            self.overlong = False
            return replies.COMMAND_TOO_LONG
        if end - start > LINE_OCTETS:
            return replies.COMMAND_TOO_LONG if buffer[start : start + 1].isalpha() else replies.NOT_SMTP
        return buffer[start:end]

    def drained(self) -> bool:
        """Drop the octets of a refused BDAT; True once all of them have come."""
        taken = min(self.drain, self.buffered)
        self.drain -= taken
        self.consume(self.start + taken)
        return not self.drain

    # -- events -----------------------------------------------------------------------------------------------------

    def emit(self, event: Event, step: Step) -> Event:
        """`event` awaits its answer; a step that ends a group must have nothing behind it."""
        if isinstance(event, Fault):
            return self.fault(event)
        if step in LAST_OF_GROUP and self.start < len(self.buffer):
            return self.fault(replies.BEHIND_TLS if step is Step.STARTTLS else replies.PIPELINING)
        self.awaited = step
        return event

    def fault(self, fault: Fault) -> Fault:
        """`fault` awaits its answer; behind a closing one nothing is read."""
        if fault.close:
            self.forget_buffer()
        self.awaited = Step.CLOSING_FAULT if fault.close else Step.FAULT
        return fault

    def emit_queued(self) -> Event | None:
        """The queued event, which awaits its answer."""
        event = self.queued
        self.queued = None
        if event is None:
            return None
        return self.emit(event, Step.CREDENTIALS if isinstance(event, Credentials) else Step.BODY_END)

    def out_of_sequence(self, verb: str) -> Fault | None:
        """The fault where `verb` may not come in this state."""
        if verb in PERMITTED[self.state]:
            return None
        specific = replies.OUT_OF_SEQUENCE.get((self.state, verb))
        return specific or replies.OUT_OF_SEQUENCE_IN.get(self.state, replies.SEQUENCE)

    # -- moving on --------------------------------------------------------------------------------------------------

    def forget_hello(self) -> None:
        """Back to where EHLO is due."""
        self.state = State.GREETED
        self.extended = False
        self.authenticated = False
        self.effective = greeting.without_extensions(self.offer)

    def end(self) -> None:
        """Nothing is read or reported any more."""
        self.state = State.CLOSED
        self.awaited = _NONE
        self.queued = None
        self.reader = None
        self.forget_buffer()
