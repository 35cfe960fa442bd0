"""Haraka's log, its own file (plain, logfmt, JSON) or through syslog: the lines of a session, joined by its UUID.

What became of a recipient is not in his line: `recipient <...> code=OK` stands there also where the client was told
that nobody takes mail for him. What is true are the counts: of a transaction (`message ... rcpts=`), and of the session
(`disconnect ... rcpts=`), each accepted, deferred and refused. Where all or none were accepted, that tells of each; and
at the level `info` the line `hook=rcpt ... retval=OK` names those whom a plugin took. Who is left is not told. Where no
plugin took a recipient and the client may not relay, Haraka refuses him as a relay would. A `code=DENY...` is true.

`relay=Y` is who signed in, or whom a list lets relay; so only `relay=N` tells that nobody signed in. The reverse name
is not confirmed. Haraka writes stamps only where it is told to (`log.ini`: `timestamps`), in UTC. A file without any
is taken as of when it was last written, which is said once.

Source: real lines of Haraka 3.3; connection.js.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Final

from arrowslit.mail.address import parse_address
from arrowslit.traffic.attempt import NOT_TOLD, REPLY, Attempt
from arrowslit.traffic.formats.haraka_lines import Record, record_of, without_stamp
from arrowslit.traffic.formats.haraka_session import Session, Transaction, attempts, counts_of, learned
from arrowslit.traffic.formats.syslog_reader import EntryReader
from arrowslit.traffic.reader import Format, SessionReader
from arrowslit.traffic.syslog import Entry, unwrapped

_UUID: Final = re.compile(r"([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})((?:\.[0-9]{1,6})?)")
_STARTING: Final = re.compile(
    r"loaded |loglevel: |log format: |Starting up Haraka|Using iconv|Reloaded |\s+at |$", re.IGNORECASE
)
_NO_NAME: Final = {"NXDOMAIN": "", "DNSERROR": None, "Unknown": None, "": None}
_HELD: Final = 10_000
"""Lines of one session that wait for its end."""


class HarakaSessions(SessionReader[Session]):
    """What both readers of Haraka do with a record. `open` holds sessions by UUID."""

    kind = Session

    def record(self, record: Record, time: float) -> Iterator[Attempt]:
        """Count a line that has been read, and give what it ends."""
        found = _UUID.fullmatch(record.uuid)
        if found is None or record.origin not in {"core", ""}:
            self.tally.skipped += 1
            return
        key, number = found[1].upper(), found[2].removeprefix(".")
        if record.message == "disconnect":
            self.tally.used += 1
            session = self.open.pop(key, None) or Session(time)
            yield from self._closed(key, session, record.fields)
            return
        if key not in self.open:
            yield from self.keep(key, Session(time))
        session = self.open[key]
        if session.lines >= _HELD:
            yield from self.give_up(key, session)
            session.transactions, session.lines, session.cut = {}, 0, True
        if self._learned(session, number, record, time):
            self.tally.used += 1
        else:
            self.tally.skipped += 1

    def _learned(self, session: Session, number: str, record: Record, time: float) -> bool:
        message, fields = record.message, record.fields
        if message == "connect":
            session.address = _address(fields.get("ip", ""))
            port = fields.get("local_port", "")
            session.service = f":{port}" if port.isdigit() else None
            return True
        if fields.get("hook") and fields.get("retval", "").startswith("DENY") and not number:
            session.denied = [fields.get("plugin", ""), fields.get("msg", "")[:REPLY]]
            return True
        if not number:
            return False
        session.lines += 1
        transaction = session.transactions.get(number)
        if transaction is None:
            transaction = session.transactions[number] = Transaction(time)
        return learned(transaction, message, fields, time)

    def _closed(self, key: str, session: Session, fields: dict[str, str]) -> Iterator[Attempt]:
        address = _address(fields.get("ip", "")) or session.address
        relay, tls = fields.get("relay"), fields.get("tls")
        rdns = fields.get("rdns")
        total = None if session.cut else counts_of(fields.get("rcpts", ""))
        common = Attempt(
            session.time,
            address,
            NOT_TOLD,
            key,
            service=session.service,
            reverse_name=None if rdns is None else _NO_NAME.get(rdns, rdns),
            helo_name=fields.get("helo"),
            tls=None if tls not in {"Y", "N"} else tls == "Y",
            authenticated_as="" if relay == "N" else None,
        )
        yield from attempts(common, session, total, fields.get("lr", ""))

    def give_up(self, key: str, session: Session) -> Iterator[Attempt]:
        """A session of which the log does not have the end."""
        yield from self._closed(key, session, {})

    def resume(self, state: dict[str, Any]) -> None:
        """See `Reader`."""
        super().resume(state)
        for session in self.open.values():
            found: dict[str, Any] = session.transactions
            session.transactions = {number: Transaction(**one) for number, one in found.items()}


class HarakaReader(HarakaSessions):
    """Haraka's own file, or what it wrote to its output."""

    def __init__(self) -> None:
        super().__init__()
        self._said = ""

    def line(self, text: str) -> Iterator[Attempt]:
        """One line."""
        body = unwrapped(text)
        record = record_of(body)
        if record is None:
            if _STARTING.match(without_stamp(body)):
                self.tally.skipped += 1
            else:
                self.puzzled("this line has none of the shapes of Haraka's log", text)
            return
        try:
            time = self.clock.iso(record.stamp) if record.stamp else self._unstamped()
        except (ValueError, OverflowError):
            self.puzzled("the time in this line is none", text)
            return
        yield from self.record(record, time)

    def _unstamped(self) -> float:
        if self._said != self.piece.name:
            self._said = self.piece.name
            says = "Haraka wrote no times here: all is counted as of when the file was last written"
            self.tally.problem(self.piece.name, self.number, says)
        return self.piece.reference

    def state(self) -> dict[str, Any]:
        """See `Reader`."""
        return super().state() | {"said": self._said}

    def resume(self, state: dict[str, Any]) -> None:
        """See `Reader`."""
        super().resume(state)
        self._said = state.get("said", "")


class HarakaEntryReader(HarakaSessions, EntryReader[Session]):
    """Haraka through syslog."""

    programs: ClassVar[re.Pattern[str]] = re.compile(r"haraka", re.IGNORECASE)

    def entry(self, entry: Entry, text: str) -> Iterator[Attempt]:
        """See `EntryReader`."""
        record = record_of(entry.message)
        if record is None:
            self.tally.skipped += 1
        elif entry.time is None:
            self.puzzled("there is no time in this line", text)
        else:
            yield from self.record(record, entry.time)


def _address(text: str) -> str | None:
    try:
        return str(parse_address(text))
    except ValueError:
        return None


def _recognise(lines: Sequence[str]) -> int:
    records = [record for line in lines if (record := record_of(unwrapped(line))) is not None]
    return sum(record.uuid == "-" or _UUID.match(record.uuid) is not None for record in records)


HARAKA: Final = Format(
    "haraka",
    "Haraka's log: plain, logfmt or JSON",
    _recognise,
    HarakaReader,
    "who signed in; often what became of each recipient; times, where Haraka was not told to write them",
)
