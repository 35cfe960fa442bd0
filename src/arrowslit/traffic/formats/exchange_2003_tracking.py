"""Message tracking of Exchange 2000 and 2003 (SERVER.log, one file a day): tab-separated, in GMT, one line for each
accepted recipient.

An *arrival* is event 1019 (the SMTP service hands a message to its queue) with a client address; 1027 comes from the
store, 1020 and 1031 go out. The event may come again for one message and recipient: it counts once for one client,
since the message id is a stranger's word and must not hide what another sends. A hyphen is an empty field.
Source of the columns: the header of the log itself; Microsoft, "Message tracking event ids in Exchange 2003".
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from arrowslit.traffic.attempt import PERMITTED, Attempt
from arrowslit.traffic.formats.once import Once
from arrowslit.traffic.formats.smtp_text import address_of, is_loopback
from arrowslit.traffic.formats.tracking_rows import reverse_path_of
from arrowslit.traffic.reader import Format, LineReader, Piece
from arrowslit.traffic.stamps import Clock

_COLUMNS: Final = (
    "date",
    "time",
    "client-ip",
    "client-hostname",
    "partner-name",
    "server-hostname",
    "server-ip",
    "recipient-address",
    "event-id",
    "msgid",
    "priority",
    "recipient-report-status",
    "total-bytes",
    "number-recipients",
    "origination-time",
    "encryption",
    "service-version",
    "linked-msgid",
    "message-subject",
    "sender-address",
)
"""What the log has since Exchange 2000, where the header of a piece is missing."""
_NEEDED: Final = ("date", "time", "client-ip", "recipient-address", "event-id", "msgid")
_ARRIVAL: Final = "1019"
_DATE: Final = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
_TIME: Final = re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2})(?: GMT)?")
_SHAPE: Final = re.compile(r"\d{4}-\d{1,2}-\d{1,2}\t\d{1,2}:\d{1,2}:\d{1,2} GMT\t(?:[^\t]*\t){6}\d{3,4}\t")


class OldTrackingReader(LineReader):
    """Each line by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.utc = Clock(0.0, datetime.UTC)
        self._once = Once()
        self._of = ""
        self._place(_COLUMNS)

    def begin(self, piece: Piece) -> None:
        """See `Reader`."""
        if piece.name != self._of:
            self._place(_COLUMNS)
        self._of = piece.name
        super().begin(piece)
        self.utc = Clock(piece.reference, datetime.UTC)

    def line(self, text: str) -> Iterator[Attempt]:
        """See `LineReader`."""
        text = text.rstrip("\r")
        fields = text.split("\t")
        if text.startswith("#") or not text.strip():
            self.tally.skipped += 1
            self._header(text)
        elif len(fields) < self._least:
            self.puzzled("this line has too few columns", text)
        elif self._value(fields, "event-id") != _ARRIVAL:
            self.tally.skipped += 1
        else:
            yield from self._arrival(fields, text)

    def _arrival(self, fields: list[str], text: str) -> Iterator[Attempt]:
        client = address_of(self._value(fields, "client-ip"))
        if client is None or is_loopback(client) or client == address_of(self._value(fields, "server-ip")):
            self.tally.skipped += 1
            return
        try:
            time = self._time(fields)
        except ValueError:
            self.puzzled("there is no time in this line", text)
            return
        message, recipient = self._value(fields, "msgid"), self._value(fields, "recipient-address")
        if message and not self._once.new("recipient", message, recipient, client):
            self.tally.skipped += 1
            return
        self.tally.used += 1
        size = self._value(fields, "total-bytes")
        yield Attempt(
            time,
            client,
            PERMITTED,
            message,
            not message or self._once.new("message", message, client),
            reverse_path=self._reverse_path(fields),
            forward_path=recipient or None,
            message_bytes=int(size) if size.isdecimal() and len(size) < 16 else None,
        )

    def _reverse_path(self, fields: list[str]) -> str | None:
        """A tab in the subject would move the columns behind it: then nothing is told."""
        more = fields[len(self._columns) :]
        return (
            None
            if any(one.strip() not in {"", "-"} for one in more)
            else reverse_path_of(self._value(fields, "sender-address"))
        )

    def _time(self, fields: list[str]) -> float:
        date = _DATE.fullmatch(self._value(fields, "date"))
        time = _TIME.fullmatch(self._value(fields, "time"))
        if date is None or time is None:
            raise ValueError("no time")
        return self.utc.parts(*(int(part) for part in (*date.groups(), *time.groups())))

    def _value(self, fields: list[str], column: str) -> str:
        """The field of that column; "" where there is none, or a hyphen."""
        place = self._at.get(column)
        value = "" if place is None or place >= len(fields) else fields[place].strip()
        return "" if value == "-" else value

    def _header(self, text: str) -> None:
        columns = [name.strip().casefold() for name in text.lstrip("#").split("\t")]
        if all(name in columns for name in _NEEDED):
            self._place(columns)

    def _place(self, columns: Sequence[str]) -> None:
        self._columns = list(columns)
        self._at = {name: place for place, name in enumerate(columns)}
        self._least = 1 + max(self._at[name] for name in _NEEDED)

    def state(self) -> dict[str, Any]:
        """See `Reader`."""
        return {"of": self._of, "columns": self._columns, "once": self._once.state()}

    def resume(self, state: dict[str, Any]) -> None:
        """See `Reader`."""
        self._of, self._once = state["of"], Once(state["once"])
        self._place(state["columns"])


def _recognise(lines: Sequence[str]) -> int:
    """Lines of the log, and its header."""
    headers = sum(line.startswith("#") and "\trecipient-address\tevent-id\t" in line.casefold() for line in lines)
    headers += sum(line.startswith("# Message Tracking Log File") for line in lines)
    return headers + sum(_SHAPE.match(line) is not None for line in lines)


EXCHANGE_2003_TRACKING: Final = Format(
    "exchange-2003-tracking",
    "Exchange 2000 and 2003: message tracking",
    _recognise,
    OldTrackingReader,
    "refusals; HELO names, TLS, signing in; names of clients; which of several SMTP virtual servers it was",
)
