"""HAProxy in front of a mail server: its TCP log (`option tcplog`), through syslog, or bare as containers write it.

One line is one connection, written when it ends: client, frontend, server, and in two letters how it ended. `PR` is
refused by a rule for content; what a rule for connections refuses is not in the log. Nothing of SMTP is in it. The
time in the line is that of the connection, to the millisecond and without a zone; the zone comes from comparing its
end with the stamp of syslog, which HAProxy writes at that moment.

HAProxy passes on other things than mail too. A frontend or a server group whose name says another protocol (imap,
https, ...) is left out; one whose name says nothing is taken for mail.

Source: HAProxy's configuration manual, chapters 8.2 (formats) and 8.5 (session state at disconnection).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Final

from arrowslit.mail.address import parse_address
from arrowslit.traffic.attempt import NOT_TOLD, PERMITTED, REFUSED, REFUSED_OTHERWISE, REPLY, Attempt
from arrowslit.traffic.formats.syslog_reader import EntryReader
from arrowslit.traffic.reader import Format
from arrowslit.traffic.stamps import MONTHS, Clock
from arrowslit.traffic.syslog import Entry, unwrapped

_CLIENT: Final = re.compile(
    r"(?P<address>[0-9A-Fa-f:.]{2,45}):(?P<port>[0-9]{1,5}) "
    r"\[(?P<day>[0-9]{2})/(?P<month>[A-Z][a-z]{2})/(?P<year>[0-9]{4}):"
    r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})(?:\.(?P<ms>[0-9]{3}))?\] (?P<rest>.*)",
    re.DOTALL,
)
_CONNECTION: Final = re.compile(
    r"(?P<frontend>[^\s~/]+)(?P<tls>~?) (?P<group>[^\s/]+)/(?P<server>\S+) "
    r"-?[0-9]+/-?[0-9]+/\+?(?P<total>[0-9]{1,12}) \+?[0-9]+ (?P<end>[A-Za-z-])(?P<stage>[A-Za-z-]) [0-9]+/"
)
_HTTP: Final = re.compile(r"\S+ \S+/\S+ (?:-?[0-9]+/){4}\+?[0-9]+ -?[0-9]+ ")
_FAILED: Final = re.compile(r"(?P<frontend>[^\s~/]+)(?P<tls>~?)/\S+: (?P<why>.+)", re.DOTALL)
_CONNECT: Final = re.compile(
    r"Connect from (?P<address>[0-9A-Fa-f:.]{2,45}):(?P<port>[0-9]{1,5}) to \S+ \((?P<frontend>[^\s/]+)/TCP\)"
)
_OTHER: Final = re.compile(
    r"(?:^|[^a-z])(?:imaps?|pop3?s?|https?|web|www|ldaps?|sieve|managesieve|mysql|mariadb|pgsql|postgres(?:ql)?|redis|ssh"
    r"|stats|dns|rdp|mqtt|syslog)(?![a-z])",
    re.IGNORECASE,
)
_QUARTER: Final = 900
"""Zones differ by whole quarters of an hour."""


def _told(end: str, stage: str) -> str:
    """What two letters of the end say: who ended it, and what it waited for then."""
    if end == "P" and stage == "R":
        return REFUSED
    if stage in "DL-" and end != "P":
        return PERMITTED
    if stage == "R" and end in "Cc":
        # He gave up while rules for content waited for what he would say.
        return NOT_TOLD
    return REFUSED_OTHERWISE


class HAProxyReader(EntryReader[None]):
    """Every connection by itself."""

    programs: ClassVar[re.Pattern[str]] = re.compile(r"haproxy")

    def entry(self, entry: Entry, text: str) -> Iterator[Attempt]:
        """See `EntryReader`."""
        found = _CLIENT.fullmatch(entry.message)
        if found is None:
            yield from self._plain(entry, text)
            return
        try:
            begun = _begun(found, self.clock)
            address = str(parse_address(found["address"]))
        except (ValueError, OverflowError):
            self.puzzled("the client or the time in this line of HAProxy is none", text)
            return
        made = _attempt(found["rest"], begun, address, found["port"], entry.time)
        if made is not None:
            yield from self._taken(made)
        elif _HTTP.match(found["rest"]):
            self.tally.skipped += 1
        else:
            self.puzzled("this line is in no format of HAProxy's for TCP (option tcplog)", text)

    def _plain(self, entry: Entry, text: str) -> Iterator[Attempt]:
        """`Connect from`, which is logged where nothing else was asked for; and what tells of no client."""
        found = _CONNECT.fullmatch(entry.message)
        if found is None or entry.time is None:
            self.tally.skipped += 1
            return
        try:
            address = str(parse_address(found["address"]))
        except ValueError:
            self.puzzled("the client in this line of HAProxy is no address", text)
            return
        name = f"{address}:{found['port']}"
        yield from self._taken(Attempt(entry.time, address, PERMITTED, name, service=found["frontend"]))

    def _taken(self, attempt: Attempt) -> Iterator[Attempt]:
        if _OTHER.search(attempt.service or ""):
            self.tally.skipped += 1
            return
        self.tally.used += 1
        yield attempt

    def give_up(self, key: str, session: None) -> Iterator[Attempt]:  # noqa: ARG002
        """Nothing is ever open."""
        return iter(())

    def state(self) -> dict[str, Any]:
        """Nothing has to be known."""
        return {}

    def resume(self, state: dict[str, Any]) -> None:
        """See `Reader`."""


class HAProxyFileReader(HAProxyReader):
    """Lines without a frame (`log stdout format raw`): their own time, in the zone of the piece, is all there is."""

    def line(self, text: str) -> Iterator[Attempt]:
        """One line."""
        yield from self.entry(Entry(None, "", "haproxy", "", unwrapped(text)), text)


def _attempt(rest: str, begun: float, address: str, port: str, written: float | None) -> Attempt | None:
    """What stands behind client and time; None where it is neither a connection nor a failed one."""
    name = f"{address}:{port}"
    failed = _FAILED.fullmatch(rest)
    if failed is not None:
        time = _in_its_zone(begun, 0.0, written)
        tls = True if failed["tls"] else None
        why = failed["why"][:REPLY]
        return Attempt(time, address, REFUSED_OTHERWISE, name, service=failed["frontend"], tls=tls, reply=why)
    found = _CONNECTION.match(rest)
    if found is None:
        return None
    ended = found["end"] + found["stage"]
    told = _told(found["end"], found["stage"])
    other = _OTHER.search(found["group"])
    return Attempt(
        _in_its_zone(begun, int(found["total"]) / 1000, written),
        address,
        told,
        name,
        service=found["frontend"] if other is None else found["group"],
        tls=True if found["tls"] else None,
        reply="" if ended == "--" else ended,
    )


def _begun(found: re.Match[str], clock: Clock) -> float:
    month = MONTHS.get(found["month"])
    if month is None:
        raise ValueError("no month")
    numbers = [int(found[name]) for name in ("day", "hour", "minute", "second")]
    return clock.parts(int(found["year"]), month, *numbers) + int(found["ms"] or 0) / 1000


def _in_its_zone(begun: float, total: float, written: float | None) -> float:
    """The beginning, shifted by as many quarters of an hour as its end is from the stamp of syslog."""
    if written is None:
        return begun
    return begun + round((written - begun - total) / _QUARTER) * _QUARTER


def _recognise(lines: Sequence[str]) -> int:
    return sum(_CLIENT.fullmatch(unwrapped(line)) is not None for line in lines)


HAPROXY: Final = Format(
    "haproxy",
    "HAProxy's log without a frame of syslog (log stdout format raw)",
    _recognise,
    HAProxyFileReader,
    "everything of SMTP; connections that a rule for connections refused",
)
