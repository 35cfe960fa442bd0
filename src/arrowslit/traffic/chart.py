"""A chart of days in numbers, before it is drawn: its series in their order, and how days are put together.

Terms: a *series* is a way (see `origins`) with a word, a letter and an explanation; a *bar* is one day, or several
where there are too many to be drawn, with a number for each series. The series that the lock-down will stop comes last
and so lies on top. Drawing is for `chart_svg` and `chart_text`; both show the numbers in words too.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from arrowslit.traffic import origins

_EPOCH: Final = datetime.date(1970, 1, 1)
_MONDAY: Final = 4
"""The 5th of January 1970."""
_WIDTHS: Final = (1, 7, 28, 364)


class Series(NamedTuple):
    """`letter` draws it in a terminal, `word` heads its column, `title` is for the legend."""

    way: str
    letter: str
    word: str
    title: str


SERIES: Final = (
    Series(origins.FILTER, "f", "filter", "through the filter"),
    Series(origins.LISTED, "l", "listed", "others that the policy lists"),
    Series(origins.INSIDE, "i", "inside", "from inside"),
    Series(origins.SIGNED_IN, "s", "signed in", "signed in"),
    Series(origins.OUTWARD, "o", "outward", "relayed outward"),
    Series(origins.UNTOLD, "?", "unknown", "the log has no address"),
    Series(origins.AROUND, "A", "around", "around the filter"),
)


class Bar(NamedTuple):
    """`first` is the first day; `days` is how many there are; `numbers` in the order of the chart's series."""

    first: datetime.date
    days: int
    numbers: tuple[int, ...]

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self.numbers)


class Chart(NamedTuple):
    """`each` is how many days a bar stands for; `unit` what is counted."""

    series: tuple[Series, ...]
    bars: tuple[Bar, ...]
    each: int
    unit: str

    @property
    def highest(self) -> int:
        """The number of the longest bar."""
        return max((bar.total for bar in self.bars), default=0)

    @property
    def totals(self) -> tuple[int, ...]:
        """By series."""
        return tuple(sum(bar.numbers[at] for bar in self.bars) for at in range(len(self.series)))


def chart(days: Mapping[int, Mapping[str, int]], unit: str, most: int) -> Chart:
    """A chart of at most `most` bars (or of years where that can't be). `days`: days since 1970 -> way -> number.

    Series of which there are none are left out.
    """
    series = tuple(one for one in SERIES if any(numbers.get(one.way) for numbers in days.values()))
    each = next((width for width in _WIDTHS if len({_start(day, width) for day in days}) <= most), _WIDTHS[-1])
    bars: dict[int, list[int]] = {}
    for day, numbers in days.items():
        sums = bars.setdefault(_start(day, each), [0] * len(series))
        for at, one in enumerate(series):
            sums[at] += numbers.get(one.way, 0)
    return Chart(series, tuple(_bar(start, each, sums) for start, sums in bars.items()), each, unit)


def _start(day: int, each: int) -> int:
    return day if each == 1 else day - (day - _MONDAY) % each


def _bar(start: int, each: int, numbers: Sequence[int]) -> Bar:
    return Bar(_EPOCH + datetime.timedelta(days=start), each, tuple(numbers))


def title_of(bar: Bar) -> str:
    """Which days a bar stands for."""
    if bar.days == 1:
        return bar.first.isoformat()
    return f"{bar.first.isoformat()} and {bar.days - 1} days"


def bars_are(each: int) -> str:
    """What a bar stands for, in words."""
    return {1: "each day", 7: "each week from Monday"}.get(each, f"each {each} days")


def ticks(highest: int) -> list[int]:
    """Round numbers from 0 to at least `highest`, three to six of them."""
    step = 1
    while step * 5 < highest:
        step = step * 5 // 2 if str(step)[0] == "2" else step * 2
    most = -(-max(highest, 1) // step) * step
    return list(range(0, most + 1, step))
