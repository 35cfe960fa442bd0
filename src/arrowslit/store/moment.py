"""The key of a decision: its time and a number in one integer, so that order of keys is order of time.

Terms: a *moment* is `milliseconds since 1970 << 21 | number`; the number keeps records of one millisecond apart. It
fits 63 bits until 2109. A *day* is a count of UTC days since 1970; each has a partition of its own.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

NUMBERS: Final = 1 << 21
"""How many records one millisecond may have."""

LATEST: Final = 4_398_000_000.0
"""The last time that a moment can hold, in Unix seconds."""

DAY_SECONDS: Final = 86_400
_DAY_MOMENTS: Final = DAY_SECONDS * 1000 * NUMBERS
_START: Final = datetime(1970, 1, 1, tzinfo=UTC)


def moment_of(time: float, number: int = 0) -> int:
    """`time` in Unix seconds, 0 up to LATEST; what lies beyond is brought to the nearer end."""
    return round(min(max(time, 0.0), LATEST) * 1000) * NUMBERS + number


def time_of(moment: int) -> float:
    """Unix seconds."""
    return moment // NUMBERS / 1000


def day_of(moment: int) -> int:
    """Days since 1970."""
    return moment // _DAY_MOMENTS


def start_of(day: int) -> int:
    """The first moment of a day."""
    return day * _DAY_MOMENTS


def date_of(day: int) -> str:
    """As in `2026-11-25`."""
    return f"{_START + timedelta(day):%Y-%m-%d}"


def day_named(date: str) -> int | None:
    """The day of a text as `date_of` gives, or None."""
    try:
        found = datetime.strptime(date, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None
    day = (found - _START).days
    return day if day >= 0 and date_of(day) == date else None
