"""Writing records beside the mail's path: the decision log (JSON lines) and, where wanted, a Postfix-shaped mail log.

Terms: a *flood* is more refusals of one client for one reason within a second than are worth a record each; the rest
of that second becomes one record with a count. Never raises and never waits: what goes wrong with a log is counted,
named in `problems`, and tried again.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from arrowslit.observe.journal import JournalSink
from arrowslit.observe.metrics import Metrics
from arrowslit.observe.postfix_line import postfix_lines
from arrowslit.observe.record import Record, to_json
from arrowslit.observe.sinks import FileSink, Sink, StreamSink, SyslogSink

_FLOOD: Final = 10
_FLOODS: Final = 10_000
_MAIL_INFO: Final = 22  # facility mail (2), severity info (6)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class DecisionWriter:
    """Takes records, and writes them at `flush`, which the worker's loop calls a few times a second.

    `decisions` is the path of the JSON lines, None for none; `mail_log` is "stderr", "syslog", a path, or None.
    `journal` is the folder from which the store takes the same lines (`observe.journal`), None for none.
    `flood` is how many refusals of a client for one reason get a record of their own within a second.
    """

    def __init__(
        self,
        decisions: Path | None,
        mail_log: str | None = None,
        *,
        journal: Path | None = None,
        metrics: Metrics | None = None,
        flood: int = _FLOOD,
        syslog_name: str = "postfix",
    ) -> None:
        self._decisions = FileSink("decisions", decisions) if decisions is not None else None
        self._journal = JournalSink(journal) if journal is not None else None
        self._lines = tuple(sink for sink in (self._decisions, self._journal) if sink is not None)
        self._mail, self._stamped = _mail_sink(mail_log)
        self._metrics = metrics or Metrics()
        self._flood = flood
        self._syslog_name = syslog_name
        self._second = 0
        self._turned = float("-inf")
        self._seen: dict[tuple[str | None, str | None], list[int]] = {}
        self._held: dict[tuple[str | None, str | None], Record] = {}

    def write(self, record: Record) -> None:
        """Keep a record for the next flush."""
        if record.action == "permit":
            self._line(record, True)
            if self._mail is not None:
                self._mail_lines(self._mail, record)
        else:
            self._refusal(record)

    def flush(self, now: float) -> None:
        """Write what is there; `now` is in seconds of any clock that only goes forward."""
        if now - self._turned >= 1.0:
            self._turned = now
            self._end_second()
        for sink in self._sinks():
            sink.flush(now)
            for action, count in sink.dropped.items():
                self._metrics.set("arrowslit_records_dropped", (sink.name, action), count)
            if sink.failures:
                self._metrics.set("arrowslit_record_write_failures", (sink.name,), sink.failures)

    def problems(self) -> dict[str, str]:
        """What is wrong with which log now, for alarms; empty when all is well."""
        return {
            f"log-{sink.name}": f"the log {sink.place} can't be written: {sink.problem}"
            for sink in self._sinks()
            if sink.problem
        }

    def reopen(self) -> None:
        """The logs were rotated (SIGUSR1)."""
        for sink in self._sinks():
            sink.reopen()

    def close(self, now: float) -> None:
        """Write what is left, and let go of the files."""
        self._end_second()
        self.flush(now)
        for sink in self._sinks():
            sink.close()

    def _sinks(self) -> list[Sink]:
        return [sink for sink in (*self._lines, self._mail) if sink is not None]

    # --- floods -------------------------------------------------------------------------------------------------

    def _refusal(self, record: Record) -> None:
        if int(record.time) != self._second:
            self._second = int(record.time)
            self._end_second()
        key = (record.client_address, record.reason)
        seen = self._seen.get(key)
        if seen is None:
            if len(self._seen) < _FLOODS:
                self._seen[key] = [1]
            self._out(record)
        elif seen[0] < self._flood:
            seen[0] += 1
            self._out(record)
        else:
            seen[0] += 1
            self._held[key] = record

    def _end_second(self) -> None:
        """Write the records that stand for a flood, and begin to count anew."""
        held, seen = self._held, self._seen
        self._held, self._seen = {}, {}
        for key, record in held.items():
            repeats = seen[key][0] - self._flood
            self._metrics.add("arrowslit_records_aggregated", (), repeats)
            self._out(record._replace(repeats=repeats))

    # --- the two logs -------------------------------------------------------------------------------------------

    def _out(self, record: Record) -> None:
        self._line(record, False)
        if self._mail is not None:
            self._mail_lines(self._mail, record)

    def _line(self, record: Record, permit: bool) -> None:
        if self._lines:
            line = to_json(record)
            for sink in self._lines:
                sink.add(line, permit)

    def _mail_lines(self, sink: Sink, record: Record) -> None:
        lines = postfix_lines(record)
        if not lines:
            return
        head = self._head(record)
        permit = record.action == "permit"
        for daemon, text in lines:
            sink.add(f"{head} {self._syslog_name}/{daemon}[{os.getpid()}]: {text}\n".encode("ascii", "replace"), permit)

    def _head(self, record: Record) -> str:
        """The beginning of a line: syslog's own, or the RFC 3339 time and the node's name."""
        if not self._stamped:
            at = time.localtime(record.time)
            return (
                f"<{_MAIL_INFO}>{_MONTHS[at.tm_mon - 1]} {at.tm_mday:2} {at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02}"
            )
        moment = datetime.fromtimestamp(record.time, UTC)
        return f"{moment.isoformat(timespec='microseconds')} {record.node or 'localhost'}"


def _mail_sink(mail_log: str | None) -> tuple[Sink | None, bool]:
    """The sink for the mail log, and whether its lines need a time of their own."""
    if mail_log is None:
        return None, True
    if mail_log == "stderr":
        return StreamSink("mail", 2), True
    if mail_log == "syslog":
        return SyslogSink("mail"), False
    return FileSink("mail", Path(mail_log)), True
