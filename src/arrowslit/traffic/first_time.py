"""The first time in some lines of a log, whatever its format: enough to put the pieces of a log in order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from arrowslit.traffic.stamps import MONTHS, Clock

_ISO: Final = re.compile(r"(?<!\d)\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?")
_OLD: Final = re.compile(r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d")
_NCSA: Final = re.compile(r"\[(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d)")
_JOURNAL: Final = re.compile(r'"__REALTIME_TIMESTAMP" ?: ?"(\d{1,17})"')
_UNIX: Final = re.compile(r'"time": ?(\d{9,11}(?:\.\d{1,6})?)')


def first_time(lines: Iterable[str], clock: Clock) -> float | None:
    """Unix seconds of the first line that bears a time; None where none does."""
    for line in lines:
        found = _time(line[:400], clock)
        if found is not None:
            return found
    return None


def _time(line: str, clock: Clock) -> float | None:
    for pattern, read in _FORMS:
        found = pattern.search(line)
        if found is not None:
            try:
                return read(found, clock)
            except (ValueError, KeyError, OverflowError):
                return None
    return None


def _ncsa(found: re.Match[str], clock: Clock) -> float:
    day, month, year, hour, minute, second = found.groups()
    return clock.parts(int(year), MONTHS[month], int(day), int(hour), int(minute), int(second))


_FORMS: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str], Clock], float]], ...]] = (
    (_JOURNAL, lambda found, _clock: int(found[1]) / 1e6),
    (_UNIX, lambda found, _clock: float(found[1])),
    (_ISO, lambda found, clock: clock.iso(found[0])),
    (_OLD, lambda found, clock: clock.syslog(found[0])),
    (_NCSA, _ncsa),
)
