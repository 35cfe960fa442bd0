"""Exchange Online's message trace, as administrators export it: Get-MessageTrace and Get-MessageTraceV2 as CSV or JSON
(one row a recipient; Graph's exchangeMessageTrace too), and the historical search as CSV: summary (one row a message)
and extended (message tracking with `_` in the names of columns).

A trace tells of mail that was accepted; refusals at the door are not in it. What the organisation sent itself is left
out. Recipients are those that the message came to have: what a group or a forwarding rule added can't be told from
what was addressed. Nothing is told of HELO names, TLS and signing in.

Sources: Microsoft, Get-MessageTraceV2; "Message trace in the modern Exchange admin center".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from arrowslit.traffic.attempt import Attempt
from arrowslit.traffic.formats.csv_rows import RowReader
from arrowslit.traffic.formats.json_rows import Objects, Rows
from arrowslit.traffic.formats.once import Once
from arrowslit.traffic.formats.trace_rows import KINDS, Row, Traces
from arrowslit.traffic.reader import Format

_DOUBT: Final = (
    "whether the day or the month comes first in the dates of this file can't be told, and is taken from the way the "
    "time is written; to be sure, export the time as "
    "@{n='Received';e={$_.Received.ToString('s')+'Z'}}"
)


class TraceReader(RowReader):
    """Each row by itself. A piece whose first line begins with a bracket or a brace is JSON, any other is CSV."""

    def __init__(self) -> None:
        super().__init__()
        self._traces = Traces()
        self._json: bool | None = None
        self._objects = Objects()
        self._doubted = False

    def new_piece(self) -> None:
        """See `RowReader`."""
        super().new_piece()
        self._json, self._doubted = None, False
        self._broken(self._objects.flush())

    def line(self, text: str) -> Iterator[Attempt]:
        """See `LineReader`."""
        if self._json is None and text.strip():
            self._json = text.lstrip()[0] in "{["
        if self._json:
            yield from self._json_line(text)
        else:
            yield from super().line(text)

    def row(self, fields: list[str], text: str) -> Iterator[Attempt]:
        """See `RowReader`."""
        names = [field.strip().casefold() for field in fields]
        if not text.strip() or text.startswith(("#", '"#')):
            self.skip()
        elif any(kind <= set(names) for kind in KINDS):
            self.columns = names
            self.skip()
        elif not self.columns:
            self.puzzled("no header above this line names the columns of a message trace", text)
        elif len(fields) != len(self.columns):
            self.puzzled(f"this line has {len(fields)} columns; the header has {len(self.columns)}", text)
        else:
            yield from self._record(dict(zip(self.columns, fields, strict=True)), text)

    def end(self) -> Iterator[Attempt]:
        """See `Reader`."""
        self._broken(self._objects.flush())
        yield from super().end()

    def _json_line(self, text: str) -> Iterator[Attempt]:
        found = self._objects.take(text)
        self.tally.skipped += found.wrapped
        self._broken(found, text)
        if not found.span:
            return
        attempts, understood = self._attempts(found.objects)
        self._doubt()
        if attempts:
            self.tally.used += found.span
        elif understood:
            self.tally.skipped += found.span
        else:
            self.span = found.span
            self.puzzled("this is no row of a message trace", text)
        yield from attempts

    def _attempts(self, objects: list[dict[str, Any]]) -> tuple[list[Attempt], bool]:
        """What the objects of one line come to, and whether all of them are rows."""
        attempts: list[Attempt] = []
        understood = bool(objects)
        for one in objects:
            row = {name.casefold(): _text(value) for name, value in one.items()}
            try:
                attempts += self._traces.told(row, self.utc)
            except ValueError:
                understood = False
        return attempts, understood

    def _broken(self, found: Rows, text: str = "") -> None:
        if found.broken:
            self.span = found.broken
            self.puzzled("this is no JSON of a message trace, or the end of it is missing", text)

    def _record(self, row: Row, text: str) -> Iterator[Attempt]:
        try:
            attempts = self._traces.told(row, self.utc)
        except ValueError:
            self.puzzled("there is no time in this line, or not in a way that is known", text)
            return
        self._doubt()
        if attempts:
            self.used()
        else:
            self.skip()
        yield from attempts

    def _doubt(self) -> None:
        if self._traces.doubtful and not self._doubted:
            self.tally.problem(self.piece.name, self.number, _DOUBT)
            self._doubted = True
        self._traces.doubtful = False

    def state(self) -> dict[str, Any]:
        """See `Reader`."""
        return super().state() | {
            "once": self._traces.once.state(),
            "json": self._json,
            "waiting_json": self._objects.waiting,
            "depth": self._objects.depth,
            "doubted": self._doubted,
        }

    def resume(self, state: dict[str, Any]) -> None:
        """See `Reader`."""
        super().resume(state)
        self._traces = Traces(Once(state["once"]))
        self._json, self._doubted = state["json"], state["doubted"]
        self._objects = Objects(list(state["waiting_json"]), state["depth"])


def _text(value: Any) -> str:
    """A value of JSON as CSV would have it; PowerShell 5.1 wraps times."""
    if isinstance(value, dict):
        return _text(value.get("value"))
    return "" if value is None else str(value)


def _recognise(lines: Sequence[str]) -> int:
    """All lines from the header of a CSV on; lines of JSON that name a recipient and a sender."""
    for at, line in enumerate(lines):
        names = {name.strip().strip('"').casefold() for name in line.split(",")}
        if any(kind <= names for kind in KINDS):
            return len(lines) - at
    return sum('"recipientaddress"' in line.casefold() or '"senderaddress"' in line.casefold() for line in lines)


EXCHANGE_ONLINE: Final = Format(
    "exchange-online",
    "Exchange Online: message trace (CSV, JSON) and historical search (CSV)",
    _recognise,
    TraceReader,
    "refusals at the door; HELO names, TLS, signing in; names of clients; what was addressed to a group",
)
