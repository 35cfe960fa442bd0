"""Times as logs write them, to Unix seconds.

Many logs leave out the year or the zone. The *reference* is a moment (Unix seconds) that no line of the piece can lie
behind, such as when the file was last written: a stamp without a year belongs to the latest year that is not after
it (a day of grace is given for clocks and zones that differ). A stamp without a zone is read in the zone that the
administrator names, else in that of this machine. Never reads a clock.

What cannot be known: in the hour that comes twice when summer time ends, a stamp without a zone is taken for the
first of the two; in the hour that is left out when it begins, for the time that the clock would have shown before it
was put forward. Lines more than a year older than the reference get a year too late where the stamp has none.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass, field
from typing import Final

_GRACE: Final = 86_400.0
MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}
_LOCAL_MONTHS: Final = {name.lower(): number for name, number in MONTHS.items()} | {
    name: number
    for number, names in {
        1: "ene gen",
        2: "fev",
        3: "mär mrz mrt",
        4: "abr avr",
        5: "mai mag mei",
        6: "giu",
        7: "lug",
        8: "ago aoû",
        9: "set",
        10: "okt ott out",
        12: "dez dic",
    }.items()
    for name in names.split()
}
"""As `journalctl` and `syslog-ng` write them in German, Spanish, French (where three letters long), Italian, Dutch and
Portuguese."""
_ISO: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[T ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:[.,]([0-9]{1,9}))?"
    r" ?(Z|UTC|[+-][0-9]{2}:?[0-9]{2})?"
)
_SYSLOG: Final = re.compile(r"(\w{3}) ([ 0-9][0-9]) ([0-9]{2}):([0-9]{2})")
_LATEST: Final = 253_000_000_000.0
"""A moment of the year 9987: whoever writes a time as a date must not meet one that no calendar has."""
_REMEMBERED: Final = 4096


@dataclass(slots=True)
class Clock:
    """Reads the stamps of one piece: `reference` in Unix seconds, `zone` for stamps that name none."""

    reference: float
    zone: datetime.tzinfo
    met: dict[str, float] = field(default_factory=dict)
    """Beginnings of stamps, up to the minute, and what they are: for whoever takes lines apart by himself."""
    _in_utc: Clock | None = None

    def syslog(self, stamp: str) -> float:
        """`Mmm dd hh:mm:ss` (RFC 3164: the day is padded with a blank or a nought). Raises ValueError."""
        minute = stamp[:12]
        known = self.met.get(minute)
        if known is None:
            known = self._remember(minute, self._without_year(minute))
        if stamp[12:13] != ":" or len(stamp) != 15:
            raise ValueError(f"{stamp!r} is no time")
        return known + _seconds(stamp[13:])

    def within(self, minute: str, second: str, zone: str = "") -> float:
        """The same in two parts, for lines that were taken apart already: `Mmm dd hh:mm:` and `ss`, or
        `yyyy-mm-ddThh:mm:`, `ss.ffffff` and the zone. Raises ValueError.
        """
        known = self.met.get(minute + zone)
        if known is None:
            whole = self.iso(f"{minute}00{zone}") if zone else self.syslog(f"{minute}00")
            known = self._remember(minute + zone, whole)
        return known + float(second)

    def iso(self, stamp: str) -> float:
        """ISO 8601 and RFC 3339: `2026-03-02T05:00:15.204+01:00`, a blank for the T, the zone left out.

        Raises ValueError.
        """
        found = _ISO.fullmatch(stamp)
        if found is None:
            raise ValueError(f"{stamp!r} is no time")
        key = stamp[:16] + (found[8] or "")
        known = self.met.get(key)
        if known is None:
            known = self._remember(key, self._minute(found))
        fraction = float(f"0.{found[7]}") if found[7] else 0.0
        return known + _seconds(found[6]) + fraction

    def utc(self, stamp: str) -> float:
        """The same, where a stamp without a zone is in UTC."""
        if self._in_utc is None:
            self._in_utc = self if self.zone is datetime.UTC else Clock(self.reference, datetime.UTC)
        return self._in_utc.iso(stamp)

    def parts(self, year: int, month: int, day: int, hour: int, minute: int, second: int) -> float:
        """A moment of the piece's own zone; a leap second is the one after it. Raises ValueError."""
        if not 0 <= second <= 60:
            raise ValueError(f"{second} is no second")
        return _moment(datetime.datetime(year, month, day, hour, minute, tzinfo=self.zone)) + second

    def _remember(self, key: str, value: float) -> float:
        if len(self.met) >= _REMEMBERED:
            self.met.clear()
        self.met[key] = value
        return value

    def _minute(self, found: re.Match[str]) -> float:
        year, month, day, hour, minute = (int(found[n]) for n in range(1, 6))
        zone = self.zone if not found[8] else _zone(found[8])
        return _moment(datetime.datetime(year, month, day, hour, minute, tzinfo=zone))

    def _without_year(self, minute: str) -> float:
        found = _SYSLOG.fullmatch(minute)
        month = None if found is None else _LOCAL_MONTHS.get(found[1].lower())
        if found is None or month is None:
            raise ValueError(f"{minute!r} is no time")
        day, hour, minutes = int(found[2]), int(found[3]), int(found[4])
        end = min(max(self.reference + _GRACE, 0.0), _LATEST)
        last = datetime.datetime.fromtimestamp(end, self.zone).year
        for year in range(last, max(last - 9, 0), -1):
            # The 29th of February is only in some years: 1896 and 1904 are eight years apart.
            try:
                moment = _moment(datetime.datetime(year, month, day, hour, minutes, tzinfo=self.zone))
            except ValueError:
                continue
            if moment <= end:
                return moment
        raise ValueError(f"{minute!r} is no time")


def _moment(of: datetime.datetime) -> float:
    try:
        return of.timestamp()
    except OverflowError:
        # The first and the last day of the calendar, in another zone.
        raise ValueError(f"{of} is no time") from None


def _seconds(text: str) -> int:
    """Two digits; 60 is a leap second (RFC 3339, 5.6)."""
    if len(text) != 2 or not (text.isascii() and text.isdigit()) or text > "60":
        raise ValueError(f"{text!r} is no second")
    return int(text)


def _zone(text: str) -> datetime.tzinfo:
    if text in {"Z", "UTC"}:
        return datetime.UTC
    sign = -1 if text[0] == "-" else 1
    hours, minutes = int(text[1:3]), int(text[-2:])
    return datetime.timezone(sign * datetime.timedelta(hours=hours, minutes=minutes))
