"""Exim's log: mainlog and rejectlog as files, and the same lines in syslog.

What it tells: the client's address, TLS and signing in of what was taken (`P=`), reverse-path and recipient of what was
refused, with the server's own words; the recipients of what was taken by `for` (`+received_recipients`), else by the
deliveries (maybe days later), where the address in angle brackets is that of the envelope. The listener with
`+incoming_interface`. `H=name` without parentheses tells no HELO name: it may have been that name, the client's own
address, or none. A refusal shows no `X=` where there was no TLS, or where the log leaves ciphers out: it counts as no
TLS once the log has shown one.

A rejectlog repeats lines of the mainlog. It is read as any file: its attempts are equal to those of the mainlog in
time, id, client, recipient and outcome, so that whoever reads both can drop one. Headers in it are skipped. In syslog
Exim writes each refusal twice (`syslog_duplication`): the copy next to its original in the same process is skipped.

Source of the format: the log of Exim 4.96, and its specification, "Log files". See `exim_lines` for what strangers can
write into a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Final

from arrowslit.traffic.attempt import Attempt
from arrowslit.traffic.formats import exim_lines
from arrowslit.traffic.formats.exim_attempts import Message, of_given_up, of_message, of_refusal, of_turned_away
from arrowslit.traffic.formats.exim_syslog import Unpacking
from arrowslit.traffic.formats.syslog_reader import EntryReader
from arrowslit.traffic.reader import Format
from arrowslit.traffic.syslog import Entry

_DELIVERIES: Final = ("=> ", "-> ", ">> ", "*> ", "** ", "== ")
_NO_DELIVERY: Final = ("VRFY", "EXPN", "ETRN", "AUTH", "STARTTLS", "QUIT")
_HEADER: Final = re.compile(r"Envelope-(?:from|to): |[A-Z* ] [!-9;-~]+:|[ \t]|-{20,}$|$")
_OWN: Final = re.compile(
    exim_lines.STAMP.pattern
    + r"(?:[0-9A-Za-z]{6}-[0-9A-Za-z]{6,11}-[0-9A-Za-z]{2,4} |H=|(?:Start|End) queue run|exim [0-9]"
    r"|(?:temporarily )?rejected |SMTP |no (?:MAIL|host name)|Connection from \[|refused connection from )"
)
_RECIPIENTS: Final = 10_000


class EximReader(EntryReader[Message]):
    """Joins arrivals and deliveries by message id. Takes lines of a file (`line`) and entries of syslog (`entry`)."""

    kind = Message
    programs: ClassVar[re.Pattern[str]] = re.compile(r"exim[0-9]?(?:-[a-z]+)?")

    def __init__(self) -> None:
        super().__init__()
        self._ciphers = False
        self._headers = False
        self._unpacking = Unpacking()

    def line(self, text: str) -> Iterator[Attempt]:
        """A line of a file."""
        found = exim_lines.STAMP.match(text)
        time = None if found is None else self._time(found["stamp"])
        if found is not None and time is not None:
            self._headers = False
            yield from self._message(text[found.end() :], time, found["pid"] or "", text)
        elif not text.strip() or (self._headers and _HEADER.match(text)):
            self.tally.skipped += 1
        else:
            self.puzzled("there is no time at the beginning of this line", text)

    def entry(self, entry: Entry, text: str) -> Iterator[Attempt]:
        """See `EntryReader`. The message mostly bears a time of its own, which is finer and has the year."""
        message = self._unpacking.whole(entry.pid, entry.message)
        if message is None:
            self.tally.used += 1
            return
        found = exim_lines.STAMP.match(message)
        own = None if found is None else self._time(found["stamp"])
        pid = ""
        if found is not None and own is not None:
            message, pid = message[found.end() :], found["pid"] or ""
        time = entry.time if own is None else own
        if time is None:
            self.puzzled("there is no time in this line", text)
        elif self._unpacking.again(entry.pid, message):
            self.tally.skipped += 1
        else:
            yield from self._message(message, time, pid, text)

    def _time(self, stamp: str) -> float | None:
        try:
            return self.clock.iso(stamp)
        except (ValueError, OverflowError):
            return None

    def _message(self, text: str, time: float, pid: str, line: str) -> Iterator[Attempt]:
        found = exim_lines.MESSAGE_ID.match(text)
        key = "" if found is None else found["id"]
        rest = text if found is None else text[found.end() :]
        if rest.startswith("<= "):
            yield from self._arrived(key, rest, time)
        elif key and rest.startswith(_DELIVERIES):
            yield from self._delivered(key, rest)
        elif key and rest.startswith("Completed"):
            yield from self._completed(key)
        elif rest.startswith("H=") and "rejected " in rest:
            yield from self._refused(rest, time, key or pid, line)
        elif rest.startswith("H=") and " incomplete transaction " in rest:
            yield from self._given_up(rest, time, pid)
        else:
            yield from self._turned_away(rest, time, pid)

    def _arrived(self, key: str, text: str, time: float) -> Iterator[Attempt]:
        found = exim_lines.arrived(text)
        if found is None:
            self.tally.skipped += 1
            return
        self.tally.used += 1
        client, protocol = found.client, found.protocol.lower()
        tls = protocol.rstrip("a").endswith("s") if protocol else None
        self._ciphers |= tls is True and " X=" in text
        early = self.open.pop(key, None) or Message()
        yield from self.give_up(key, early)
        message = Message(time, *client, found.reverse, tls, found.user, found.size, found.to)
        message.delivered = [] if early.time else early.delivered
        yield from self.keep(key, message)

    def _delivered(self, key: str, rest: str) -> Iterator[Attempt]:
        message = self.open.get(key)
        if message is None and rest.startswith(">> "):
            # A recipient that was handed on while the message still came in.
            message = Message()
            yield from self.keep(key, message)
        if message is None:
            self.tally.skipped += 1
            return
        self.tally.used += 1
        to = exim_lines.delivered_to(rest[3:])
        if to is not None and to not in message.delivered and len(message.delivered) < _RECIPIENTS:
            message.delivered.append(to)

    def _completed(self, key: str) -> Iterator[Attempt]:
        message = self.open.pop(key, None)
        if message is None:
            self.tally.skipped += 1
            return
        self.tally.used += 1
        yield from self.give_up(key, message)

    def give_up(self, key: str, session: Message) -> Iterator[Attempt]:
        """What a message comes to."""
        return of_message(key, session)

    def _refused(self, text: str, time: float, key: str, line: str) -> Iterator[Attempt]:
        found = exim_lines.refused(text)
        if found is None:
            self.puzzled("this refusal is not understood", line)
            return
        self._headers = found.what.startswith(("after DATA", "by ", "during "))
        if found.what.startswith(_NO_DELIVERY):
            self.tally.skipped += 1
            return
        self.tally.used += 1
        self._ciphers |= found.tls is True
        made = of_refusal(found, time, key)
        in_clear = made.tls is None and self._ciphers and made.client_address is not None
        yield made._replace(tls=False) if in_clear else made

    def _given_up(self, text: str, time: float, pid: str) -> Iterator[Attempt]:
        found = exim_lines.given_up(text)
        if found is None or not found.to:
            self.tally.skipped += 1
            return
        self.tally.used += 1
        yield from of_given_up(found, time, pid)

    def _turned_away(self, text: str, time: float, pid: str) -> Iterator[Attempt]:
        made = of_turned_away(text, time, pid)
        if made is None:
            self.tally.skipped += 1
            return
        self.tally.used += 1
        yield made

    def state(self) -> dict[str, Any]:
        """See `Reader`."""
        return {
            "open": {key: asdict(one) for key, one in self.open.items()},
            "ciphers": self._ciphers,
            "headers": self._headers,
            "unpacking": self._unpacking.state(),
        }

    def resume(self, state: dict[str, Any]) -> None:
        """See `Reader`."""
        super().resume(state)
        self._ciphers, self._headers = state["ciphers"], state["headers"]
        self._unpacking.resume(state["unpacking"])


def _recognise(lines: Sequence[str]) -> int:
    return sum(_OWN.match(line) is not None for line in lines)


EXIM: Final = Format(
    "exim",
    "Exim's mainlog and rejectlog",
    _recognise,
    EximReader,
    "recipients of mail that is still in the queue, unless the log has them at arrival",
)
