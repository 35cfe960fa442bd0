"""Exchange's message tracking (MSGTRK*.LOG), Exchange 2007 to Subscription Edition: the accepted recipients of what
came by SMTP, in UTC. Nothing of it tells of refusals, HELO names, TLS or signing in.

The log has 21 to 30 columns, which its header names; where they are not named nothing can be read. What a row tells:
`tracking_rows`. Source of the columns: Microsoft, "Message tracking".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, ClassVar, Final

from arrowslit.traffic.attempt import Attempt
from arrowslit.traffic.formats.exchange_log import LogReader
from arrowslit.traffic.formats.once import Once
from arrowslit.traffic.formats.tracking_rows import arrivals, is_arrival, is_own
from arrowslit.traffic.reader import Format

_OWN: Final = (
    "mail that Exchange calls its own (Originating) and that came from the server itself is taken as sent by "
    "mailboxes, and left out"
)


class TrackingReader(LogReader):
    """Each row by itself."""

    log_type: ClassVar[str] = "Message Tracking Log"
    needed: ClassVar[tuple[str, ...]] = ("date-time", "client-ip", "source", "event-id", "recipient-address")

    def __init__(self) -> None:
        super().__init__()
        self._once = Once()
        self._said = False

    def new_piece(self) -> None:
        """See `RowReader`."""
        super().new_piece()
        self._said = False

    def record(self, fields: list[str], text: str) -> Iterator[Attempt]:
        """See `LogReader`."""
        value = partial(self.value, fields)
        if not is_arrival(value):
            self.skip()
            return
        if is_own(value):
            self.skip()
            self._say(text)
            return
        try:
            time = self.utc.iso(value("date-time"))
        except ValueError:
            self.puzzled("there is no time in this line", text)
            return
        found = arrivals(value, time, self._once)
        if found:
            self.used()
        else:
            self.skip()
        yield from found

    def _say(self, text: str) -> None:
        if not self._said:
            self.tally.problem(self.piece.name, self.number, _OWN, text)
        self._said = True

    def state(self) -> dict[str, Any]:
        """See `Reader`."""
        return super().state() | {"once": self._once.state(), "said": self._said}

    def resume(self, state: dict[str, Any]) -> None:
        """See `Reader`."""
        super().resume(state)
        self._once, self._said = Once(state["once"]), state["said"]


def _recognise(lines: Sequence[str]) -> int:
    """All lines from the header on."""
    for at, line in enumerate(lines):
        if line.startswith("#Log-type: Message Tracking") or line.startswith("#Fields: date-time,client-ip,"):
            return len(lines) - at
    return 0


EXCHANGE_TRACKING: Final = Format(
    "exchange-tracking",
    "Exchange 2007 and later: message tracking (MSGTRK)",
    _recognise,
    TrackingReader,
    "refusals; HELO names, TLS, signing in; names of clients",
)
