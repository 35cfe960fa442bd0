"""The log of Windows' SMTP service, which is also the protocol log of Exchange 2000 and 2003 (SMTPSVC1\\ex*.log).

It has a line for each command with the number of its reply, and no words. Nothing is told of TLS and signing in; the
column that is called `cs-username` is the name from HELO. Lines of mail that goes out (`OutboundConnection...`) bear
the other server as client, and are left out. No line names its session: see `iis_clients`.

The set of columns that is logged by default has no `cs-uri-query`: senders and recipients are not told, and nothing
can be rehearsed from it.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Final

from arrowslit.traffic.attempt import Attempt
from arrowslit.traffic.formats import iis_lines
from arrowslit.traffic.formats.iis_clients import SILENCE, Client, mail, other, rcpt
from arrowslit.traffic.formats.iis_lines import OUTGOING, Line
from arrowslit.traffic.reader import Format, Piece, SessionReader
from arrowslit.traffic.stamps import Clock

_NEEDED: Final = ("date", "time", "c-ip", "cs-method", "sc-status")
_QUERY: Final = "cs-uri-query"
_NO_QUERY: Final = (
    "this log has no column cs-uri-query, so no sender and no recipient: nothing can be rehearsed from it; switch on "
    "'URI Query' under Logging, Properties, Advanced of the SMTP virtual server, and wait for new lines"
)


class _ShapeError(ValueError):
    """A line that has not the shape that its log has."""


class IisReader(SessionReader[Client]):
    """`open` holds clients by address and service."""

    kind: ClassVar[type[Client]] = Client

    def __init__(self) -> None:
        super().__init__()
        self._utc = Clock(0.0, datetime.UTC)
        self._of = ""
        self._columns: list[str] = []
        self._at: dict[str, int] = {}

    def begin(self, piece: Piece) -> None:
        """See `Reader`."""
        if piece.name != self._of:
            self._place([])
        self._of = piece.name
        super().begin(piece)
        self._utc = Clock(piece.reference, datetime.UTC)

    def line(self, text: str) -> Iterator[Attempt]:
        """See `LineReader`."""
        text = text.rstrip("\r")
        if text.startswith("#") or not text.strip():
            self.tally.skipped += 1
            self._header(text)
            return
        if self._columns and _QUERY not in self._at:
            self.tally.skipped += 1
            return
        try:
            line = self._parsed(text)
        except ValueError as error:
            self.puzzled(str(error) if isinstance(error, _ShapeError) else "there is no time in this line", text)
            return
        if line.name.casefold() in OUTGOING or not iis_lines.is_smtp(line.verb):
            self.tally.skipped += 1
        else:
            self.tally.used += 1
            yield from self._said(line)

    def _parsed(self, text: str) -> Line:
        if not self._columns:
            line = iis_lines.ncsa(text, self.clock) or iis_lines.iis(text, self.clock)
            if line is None:
                raise _ShapeError("this is no line of an SMTP log in W3C, NCSA or IIS form")
            return line
        missing = [name for name in _NEEDED if name not in self._at]
        if missing:
            raise _ShapeError(f"the header names no column {missing[0]}")
        values = text.split(" ")
        if len(values) != len(self._columns):
            raise _ShapeError(f"this line has {len(values)} columns; the header has {len(self._columns)}")
        return iis_lines.w3c(values, self._at, self._utc)

    def _said(self, line: Line) -> Iterator[Attempt]:
        key = f"{line.client} {line.name} {line.site or ''}"
        client = self.open.get(key)
        if client is None or line.time - client.time > SILENCE:
            client = Client(line.time)
            yield from self.keep(key, client)
        client.time = max(client.time, line.time)
        if line.verb == "MAIL":
            yield from mail(client, line)
        elif line.verb == "RCPT":
            yield rcpt(client, line)
        else:
            other(client, line)

    def give_up(self, key: str, session: Client) -> Iterator[Attempt]:  # noqa: ARG002
        """See `SessionReader`: each recipient was told at once."""
        return iter(())

    def _header(self, text: str) -> None:
        name, _, value = text[1:].partition(":")
        if name.casefold() != "fields":
            return
        self._place(value.casefold().split())
        if _QUERY not in self._at:
            self.tally.problem(self.piece.name, self.number, _NO_QUERY, text)

    def _place(self, columns: list[str]) -> None:
        self._columns = columns
        self._at = {name: place for place, name in enumerate(columns)}

    def state(self) -> dict[str, Any]:
        """See `Reader`."""
        return super().state() | {"of": self._of, "columns": self._columns}

    def resume(self, state: dict[str, Any]) -> None:
        """See `Reader`."""
        super().resume(state)
        self._of = state["of"]
        self._place(list(state["columns"]))


_LINE_SHAPES: Final = (
    re.compile(r'[^\s,]+ \S+ \S+ \[\d\d/[A-Z][a-z]{2}/\d{4}:[^\]]*\] "\S+ -(?:\?\S*)? SMTP" '),
    re.compile(r"[^\s,]+, [^,]*, \d{1,2}/\d{1,2}/\d{2,4}, \d{1,2}:\d\d:\d\d, SMTPSVC\d+, "),
)


def _recognise(lines: Sequence[str]) -> int:
    """Lines in NCSA or IIS form; of W3C those with a verb of SMTP where the header has the method: a web server's log
    has the same header.
    """
    counted, place, width = 0, -1, 0
    for line in lines:
        if line.startswith("#Fields:"):
            columns = line[8:].casefold().split()
            place, width = columns.index("cs-method") if "cs-method" in columns else -1, len(columns)
        elif place >= 0:
            values = line.split(" ")
            counted += len(values) == width and iis_lines.is_smtp(values[place]) and values[place] != "-"
        else:
            counted += any(shape.match(line) for shape in _LINE_SHAPES)
    return counted


IIS_SMTP: Final = Format(
    "iis-smtp",
    "SMTP service of Windows, Exchange 2000 and 2003: protocol log (W3C, NCSA, IIS)",
    _recognise,
    IisReader,
    "why a recipient was refused; TLS, signing in; names of clients; with the default columns also all addresses",
)
