"""The chart for a terminal: a line a bar, each series drawn by its letter, so that nothing depends on colour.

Lines come as pieces with the way that each belongs to ("" for plain text), so that whoever prints them can paint.
"""

from __future__ import annotations

from typing import Final

from arrowslit.traffic.chart import Chart, bars_are

Piece = tuple[str, str]
"""Way ("" for none) and text."""
_DATE: Final = 10
_NARROWEST: Final = 10


def lines(made: Chart, width: int) -> list[list[Piece]]:
    """The chart within `width` columns: a heading, the bars with their numbers, and what the letters mean."""
    if not made.bars:
        return []
    numbers = [f"{bar.total:,}" for bar in made.bars]
    wide = max(map(len, numbers))
    room = max(width - _DATE - wide - 4, _NARROWEST)
    heading = f"{made.unit}, {bars_are(made.each)} (UTC)"
    drawn = [
        [("", f"{bar.first.isoformat()}  {number:>{wide}}  "), *_drawn(made, bar.numbers, room)]
        for bar, number in zip(made.bars, numbers, strict=True)
    ]
    return [[("", heading)], *drawn, *_legend(made, width)]


def _drawn(made: Chart, numbers: tuple[int, ...], room: int) -> list[Piece]:
    lengths = _lengths(numbers, room, made.highest)
    return [(one.way, one.letter * length) for one, length in zip(made.series, lengths, strict=True) if length]


def _lengths(numbers: tuple[int, ...], room: int, highest: int) -> list[int]:
    """How many columns each number gets: what is there at all gets one, however little it is."""
    exact = [number * room / highest if highest else 0.0 for number in numbers]
    made = [max(round(one), 1) if number else 0 for one, number in zip(exact, numbers, strict=True)]
    while sum(made) > room:
        longest = made.index(max(made))
        made[longest] -= 1
    return made


def _legend(made: Chart, width: int) -> list[list[Piece]]:
    """The letters with their meaning, as many in a line as fit."""
    found: list[list[Piece]] = [[]]
    used = 0
    for one, total in zip(made.series, made.totals, strict=True):
        text = f" {one.title} {total:,}"
        if used and used + len(text) + 4 > width:
            found.append([])
            used = 0
        found[-1] += [("", "   " if used else ""), (one.way, one.letter), ("", text)]
        used += len(text) + (4 if used else 1)
    return found


def table(made: Chart) -> list[tuple[str, ...]]:
    """The numbers as rows of cells; the first row is the heading."""
    rows = [(bar.first.isoformat(), *(f"{number:,}" for number in bar.numbers), f"{bar.total:,}") for bar in made.bars]
    return [("day" if made.each == 1 else "from", *(one.word for one in made.series), "all"), *rows]
