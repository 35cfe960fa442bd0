"""Exchange's protocol log of what it receives (SmtpReceive, RECV*.LOG), Exchange 2007 to Subscription Edition.

It tells all but names of the client: address, HELO name, TLS, who signed in, paths, and each reply, in UTC. The
connector is the service. What a session may do ("Set Session Permissions") is told there too, and is not needed: it
shows in the replies.

From Exchange 2013 on strangers meet the front end, which passes their mail to the hub; the hub's own protocol log
names the front end's session (XPROXYFROM). So what both logs tell counts once, whichever is read first. What the
organisation's own servers hand each other is left out, so are the health checks of Exchange; a connection in which
nothing was asked comes to nothing, as the checks of a balancer do. The log of what Exchange sends (SmtpSend) has the
same columns, and is left out with a word.

The columns and events: Microsoft, "Protocol logging".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, Final

from arrowslit.traffic.attempt import Attempt
from arrowslit.traffic.formats import exchange_dialogue, exchange_session
from arrowslit.traffic.formats.exchange_log import LogReader
from arrowslit.traffic.formats.exchange_session import Session
from arrowslit.traffic.formats.once import Pairs
from arrowslit.traffic.formats.smtp_text import address_of
from arrowslit.traffic.reader import Format, SessionReader

_COLUMNS: Final = (
    "date-time",
    "connector-id",
    "session-id",
    "sequence-number",
    "local-endpoint",
    "remote-endpoint",
    "event",
    "data",
    "context",
)
_SHAPE: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z,[^,]*,[0-9A-F]{16},\d+,[^,]*:\d+,[^,]*:\d+,[-+<>*],"
)


class ReceiveReader(LogReader, SessionReader[Session]):
    """`open` holds sessions by session id and remote endpoint."""

    kind = Session
    log_type: ClassVar[str] = "SMTP Receive Protocol Log"
    needed: ClassVar[tuple[str, ...]] = ("date-time", "session-id", "remote-endpoint", "event", "data")
    usual: ClassVar[tuple[str, ...]] = _COLUMNS

    def __init__(self) -> None:
        super().__init__()
        self._pairs = Pairs()

    def record(self, fields: list[str], text: str) -> Iterator[Attempt]:
        """See `LogReader`."""
        try:
            time = self.utc.iso(self.value(fields, "date-time"))
        except ValueError:
            self.puzzled("there is no time in this line", text)
            return
        event = self.value(fields, "event")
        if event not in _EVENTS:
            self.puzzled("there is no event (+ - < > *) in this line", text)
            return
        yield from self._event(event, time, fields)

    def _event(self, event: str, time: float, fields: list[str]) -> Iterator[Attempt]:
        key = f"{self.value(fields, 'session-id')} {self.value(fields, 'remote-endpoint')}"
        if event == "+":
            self.used()
            yield from self._closed(key)
            session = self._session(fields)
            exchange_session.opened(session)
            yield from self.keep(key, session)
            return
        if event == "-":
            self.used()
            yield from self._closed(key)
            return
        session = self.open.get(key) or self._session(fields)
        if key not in self.open:
            yield from self.keep(key, session)
        yield from self._told(session, self._said(session, event, time, fields))

    def _said(self, session: Session, event: str, time: float, fields: list[str]) -> list[Attempt]:
        data, context = self.value(fields, "data"), self.value(fields, "context")
        line = f"{self.value(fields, 'sequence-number')} {event} {data[:500]} {context[:500]}"
        if line == session.last:
            self.skip()
            return []
        attempts: list[Attempt] = []
        useful = True
        if event == "<":
            attempts = exchange_dialogue.command(session, data, time)
        elif event == ">":
            if not session.last and data.startswith("220"):
                exchange_session.opened(session)
            attempts = exchange_dialogue.reply(session, data, time)
        else:
            useful = exchange_dialogue.note(session, data, context)
        session.last = line
        if useful:
            self.used()
        else:
            self.skip()
        return attempts

    def _session(self, fields: list[str]) -> Session:
        return Session(
            self.value(fields, "session-id"),
            self.value(fields, "connector-id") or None,
            address_of(self.value(fields, "remote-endpoint")),
            address_of(self.value(fields, "local-endpoint")) or "",
        )

    def _closed(self, key: str) -> Iterator[Attempt]:
        session = self.open.pop(key, None)
        if session is not None:
            yield from self.give_up(key, session)

    def give_up(self, key: str, session: Session) -> Iterator[Attempt]:  # noqa: ARG002
        """See `SessionReader`."""
        yield from self._told(session, exchange_session.closed(session))

    def _told(self, session: Session, attempts: Iterable[Attempt]) -> Iterator[Attempt]:
        for attempt in attempts:
            if exchange_session.is_own(session, attempt):
                continue
            from_front = session.of_front or session.key
            if attempt.forward_path is None or self._pairs.new(not session.of_front, from_front, attempt.forward_path):
                yield attempt

    def state(self) -> dict[str, Any]:
        """See `Reader`."""
        return super().state() | {"pairs": self._pairs.state()}

    def resume(self, state: dict[str, Any]) -> None:
        """See `Reader`."""
        super().resume(state)
        self._pairs = Pairs(state["pairs"])


_EVENTS: Final = frozenset("+-<>*")


def _recognise(lines: Sequence[str]) -> int:
    """Lines of the log, and its header; that of what is sent too, to say that it is left out."""
    headers = sum(line.startswith(("#Log-type: SMTP Receive", "#Log-type: SMTP Send")) for line in lines)
    return headers + sum(_SHAPE.match(line) is not None for line in lines)


EXCHANGE_RECEIVE: Final = Format(
    "exchange-receive",
    "Exchange 2007 and later: protocol log of what is received (SmtpReceive)",
    _recognise,
    ReceiveReader,
    "connectors of which protocol logging is off; names of clients; mail between the organisation's Exchange servers",
)
