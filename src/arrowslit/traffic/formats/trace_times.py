"""Times as exports of Exchange Online's message trace have them, to Unix seconds: all in UTC, whether they say so or
not, and in the way of writing of whoever exported them.

A date with slashes leaves open which number is the month. Where the time says AM or PM it is taken as written in the
United States (month first), else as in Great Britain and France (day first), unless a number over 12 tells; `doubtful`
says that it was so.
"""

from __future__ import annotations

import datetime
import re
from typing import Final, NamedTuple

from arrowslit.traffic.stamps import Clock

_EPOCH: Final = re.compile(r"\\?/Date\((-?\d{1,15})(?:[+-]\d{4})?\)\\?/")
_WRITTEN: Final = re.compile(
    r"(\d{1,2})([./])(\d{1,2})\2(\d{4}),? (\d{1,2})[:.](\d\d)(?:[:.](\d\d))?(?: ?([AaPp])\.?[Mm]\.?)?"
)


class Moment(NamedTuple):
    """Unix seconds, and whether day and month might be the other way round."""

    time: float
    doubtful: bool = False


def moment(text: str, utc: Clock) -> Moment:
    """The time in `text`. Raises ValueError where there is none."""
    text = text.strip()
    epoch = _EPOCH.fullmatch(text)
    if epoch is not None:
        return Moment(int(epoch[1]) / 1000)
    written = _WRITTEN.fullmatch(text)
    return Moment(utc.iso(text)) if written is None else _written(written)


def _written(found: re.Match[str]) -> Moment:
    one, two, half = int(found[1]), int(found[3]), (found[8] or "").upper()
    slash = found[2] == "/"
    month_first = slash and (bool(half) or two > 12) and one <= 12
    day, month = (two, one) if month_first else (one, two)
    hour = int(found[5])
    if half:
        hour = hour % 12 + (12 if half == "P" else 0)
    parts = (int(found[4]), month, day, hour, int(found[6]), int(found[7] or 0))
    time = datetime.datetime(*parts, tzinfo=datetime.UTC).timestamp()
    return Moment(time, slash and one <= 12 and two <= 12 and one != two)
