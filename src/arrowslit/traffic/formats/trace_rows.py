"""One row of an export of Exchange Online's message trace, as attempts.

Terms: a *trace* is of one recipient (Get-MessageTrace, Get-MessageTraceV2, Graph); a *summary* of one message with the
outcome of each recipient (`a##Receive, Deliver;b##...`); an *extended* row is one of message tracking, with `_` in the
names of its columns. `FromIP` is empty for what the organisation sent itself. Pages of a trace overlap, and the id of a
trace is that of the message in the other kinds: so a message and its recipient count once, whichever tells of them.
"""

from __future__ import annotations

from typing import Final

from arrowslit.traffic.attempt import NOT_TOLD, PERMITTED, REFUSED_OTHERWISE, REPLY, Attempt
from arrowslit.traffic.formats.once import Once, same
from arrowslit.traffic.formats.smtp_text import address_of
from arrowslit.traffic.formats.trace_times import Moment, moment
from arrowslit.traffic.formats.tracking_rows import RECIPIENTS, arrivals, is_arrival, reverse_path_of
from arrowslit.traffic.stamps import Clock

_TRACE: Final = frozenset({"senderaddress", "recipientaddress", "fromip"})
_SUMMARY: Final = frozenset({"sender_address", "recipient_status", "original_client_ip", "directionality"})
_EXTENDED: Final = frozenset({"source", "event_id", "recipient_address", "directionality"})
KINDS: Final = (_EXTENDED, _SUMMARY, _TRACE)
"""Columns by which each kind of export is known."""
_TOLD: Final = {
    "delivered": PERMITTED,
    "expanded": PERMITTED,
    "resolved": PERMITTED,
    "quarantined": PERMITTED,
    "filteredasspam": PERMITTED,
    "pending": PERMITTED,
    "gettingstatus": PERMITTED,
    "failed": REFUSED_OTHERWISE,
}
"""What was let in stays so, whatever became of it later; what failed did so behind the door."""
_INCOMING: Final = frozenset({"incoming", "1"})
_NONE: Final = frozenset({"", "null", "255.255.255.255"})

Row = dict[str, str]
"""Names of columns in lower case, and what stands there."""


class Traces:
    """Makes attempts of rows. `doubtful` is set where a date could be read in two ways."""

    def __init__(self, once: Once | None = None) -> None:
        self.once = once or Once()
        self.doubtful = False

    def told(self, row: Row, utc: Clock) -> list[Attempt]:
        """The attempts of a row. Raises ValueError where it has no time, or is no row."""
        names = row.keys()
        if names >= _EXTENDED:
            return self._extended(row, utc)
        return self._summary(row, utc) if names >= _SUMMARY else self._trace(row, utc)

    def _trace(self, row: Row, utc: Clock) -> list[Attempt]:
        time = self._moment(row, utc, "received", "receiveddatetime")
        client = address_of(row.get("fromip", ""))
        recipient, trace = row.get("recipientaddress", ""), row.get("messagetraceid") or row.get("id", "")
        if not recipient:
            raise ValueError("no recipient")
        if (
            client is None
            or client.casefold() in _NONE
            or (trace and not self.once.new(same(trace), recipient.casefold()))
        ):
            return []
        status = row.get("status", "")
        attempt = Attempt(
            time,
            client,
            _TOLD.get(status.replace(" ", "").casefold(), NOT_TOLD),
            trace,
            not trace or self.once.new(same(trace)),
            reverse_path=reverse_path_of(row.get("senderaddress", "")),
            forward_path=recipient,
            message_bytes=_size(row.get("size", "")),
            reply=status[:REPLY],
        )
        return [attempt]

    def _summary(self, row: Row, utc: Clock) -> list[Attempt]:
        time = self._moment(row, utc, "origin_timestamp_utc", "origin_timestamp")
        message = row.get("network_message_id", "")
        attempts: list[Attempt] = []
        if row["directionality"].casefold() not in _INCOMING:
            return attempts
        for part in row["recipient_status"].split(";")[:RECIPIENTS]:
            recipient, mark, status = part.strip().rpartition("##")
            if not mark or (message and not self.once.new(same(message), recipient.casefold())):
                continue
            attempt = Attempt(
                time,
                address_of(row["original_client_ip"]),
                _summed_up(status),
                message,
                not attempts,
                service=row.get("connector_id") or None,
                reverse_path=reverse_path_of(row["sender_address"]),
                forward_path=recipient.strip("<>") or None,
                message_bytes=_size(row.get("total_bytes", "")),
                reply=status[:REPLY],
            )
            attempts.append(attempt)
        return attempts

    def _extended(self, row: Row, utc: Clock) -> list[Attempt]:
        def value(column: str) -> str:
            return row.get(column.replace("-", "_"), "")

        if not is_arrival(value) or row["directionality"].casefold() not in _INCOMING:
            return []
        return arrivals(value, self._moment(row, utc, "date_time_utc", "date_time"), self.once)

    def _moment(self, row: Row, utc: Clock, *columns: str) -> float:
        found: Moment = moment(next((row[name] for name in columns if row.get(name)), ""), utc)
        self.doubtful = self.doubtful or found.doubtful
        return found.time


def _size(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 16 else None


def _summed_up(status: str) -> str:
    """All that happened to a recipient, as one outcome."""
    steps = {step.strip().casefold() for step in status.split(",")}
    if steps & {"fail", "failed"} and not steps & {"deliver", "delivered", "send"}:
        return REFUSED_OTHERWISE
    return PERMITTED if steps - {"", "none"} else NOT_TOLD
