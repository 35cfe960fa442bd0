"""A client's side of a conversation with the server engine: says octets, answers what comes, keeps what was said."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from arrowslit.mail.reply import Reply, reply
from arrowslit.smtp.events import (
    AuthStart,
    BodyChunk,
    BodyEnd,
    Credentials,
    Data,
    Event,
    Fault,
    Hello,
    ProxyHeader,
    StartTls,
    Xclient,
)
from arrowslit.smtp.offer import Offer
from arrowslit.smtp.server import ServerEngine, ServerSettings

OK = reply(250, "2.0.0", "OK")
GO = reply(354, "", "Go on")
READY = reply(220, "", "mx.example.net ESMTP")
REFUSED = reply(550, "5.7.1", "No")
EVERYTHING = Offer(
    smtputf8=True, dsn=True, chunking=True, starttls=True, auth=("PLAIN", "LOGIN"), xclient=True, size=100_000
)

Answer = Callable[[Event], Reply | None]


def agree(event: Event) -> Reply:
    """The answer that lets the conversation go on."""
    match event:
        case Fault(reply=said) | BodyEnd(fault=Fault(reply=said)):
            assert said is not None
            return said
        case Data():
            return GO
        case StartTls() | Xclient():
            return reply(220, "2.0.0", "Ready")
        case Credentials():
            return reply(235, "2.7.0", "Welcome")
        case _:
            return OK


class Dialogue:
    """`events` holds what was reported, chunks of one message joined; `said` what the engine sent."""

    def __init__(self, offer: Offer | None = None, settings: ServerSettings | None = None, greet: bool = True) -> None:
        self.engine = ServerEngine(settings or ServerSettings("mx.example.net"), offer or Offer())
        self.events: list[Event] = []
        self.said = b""
        self.answer: Answer = agree
        if greet:
            self.said += self.engine.greet(READY)

    def hear(self, data: bytes, cuts: Iterable[int] = ()) -> None:
        """Give `data` to the engine cut in pieces, looking for events after each, and answering none."""
        ends = [*sorted({cut for cut in cuts if 0 < cut < len(data)}), len(data)]
        start = 0
        for end in ends:
            self.engine.receive(data[start:end])
            start = end
            self.poll()

    def poll(self) -> list[Event]:
        """Take the events that need no answer, and the next that does."""
        new = []
        while (event := self.engine.next_event()) is not None:
            new.append(event)
            if isinstance(event, BodyChunk) and self.events and isinstance(self.events[-1], BodyChunk):
                self.events[-1] = BodyChunk(self.events[-1] + event)
            else:
                self.events.append(event)
        self.said += self.engine.take_output()
        return new

    def settle(self) -> None:
        """Answer the event that waits and those behind it, until octets are needed."""
        while self._awaits():
            self._answer(self.events[-1])
            self.poll()

    def say(self, data: bytes, cuts: Iterable[int] = ()) -> bytes:
        """One flight of the client and all answers to it; returns what the engine sent meanwhile."""
        before = len(self.said)
        self.hear(data, cuts)
        self.settle()
        return self.said[before:]

    def engine_pieces(self, data: bytes, cuts: Iterable[int]) -> None:
        """As `say`, and the octets come in pieces before the first event is looked for."""
        ends = [*sorted({cut for cut in cuts if 0 < cut < len(data)}), len(data)]
        start = 0
        for end in ends:
            self.engine.receive(data[start:end])
            start = end
        self.poll()
        self.settle()

    def hello(self, line: bytes = b"EHLO client.example.org\r\n") -> Dialogue:
        self.say(line)
        return self

    def transaction(self) -> Dialogue:
        """EHLO, MAIL and RCPT are done."""
        self.hello().say(b"MAIL FROM:<a@example.org>\r\n")
        self.say(b"RCPT TO:<b@example.net>\r\n")
        return self

    def message(self) -> Dialogue:
        """354 was said."""
        self.transaction().say(b"DATA\r\n")
        return self

    @property
    def last(self) -> Event:
        return self.events[-1]

    @property
    def body(self) -> bytes:
        return b"".join(event for event in self.events if isinstance(event, BodyChunk))

    def _awaits(self) -> bool:
        return bool(self.events) and self.engine.awaited != 0 and not isinstance(self.last, BodyChunk | ProxyHeader)

    def _answer(self, event: Event) -> None:
        said = self.answer(event)
        if said is None:
            return
        if isinstance(event, Hello) and said is OK:
            self.said += self.engine.answer_hello("at your service")
        elif isinstance(event, AuthStart) and said is OK:
            self.said += self.engine.proceed_auth()
        else:
            self.said += self.engine.answer(said)
