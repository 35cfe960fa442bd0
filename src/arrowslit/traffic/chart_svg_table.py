"""The numbers of a chart as a table inside an SVG, with the roles that a screen reader knows (WAI-ARIA 1.2).

A small screen has room for some 58 characters in a line. Headings stand in two lines in turn; so do the numbers where
one line can't hold them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

Rows = Sequence[tuple[str, ...]]
"""The first row is the heading, the first column the days."""
_ROOM: Final = 58
_DAY: Final = 11.5
"""Characters of the first column, with the gap behind it."""
_DAY_OF_TALL: Final = 25.0
"""The same where the others overlap, as every other one stands lower: they begin further right."""
_LOWER: Final = 14
_HEAD: Final = 36
_ROW: Final = 20
_TALL_ROW: Final = 38


def height(rows: Rows) -> int:
    """How tall the table is."""
    return _HEAD + _row(rows) * (len(rows) - 1)


def drawn(rows: Rows, caption: str, top: int, escaped: Callable[[str], str]) -> Iterator[str]:
    """The elements; `top` is the base line of the heading."""
    places, line = _places(rows), _row(rows)
    yield f'<g role="table" aria-label="{escaped(caption)}">'
    for at, row in enumerate(rows):
        y = top if at == 0 else top + _HEAD + line * (at - 1)
        in_turn = at == 0 or line == _TALL_ROW
        yield '<g role="row">'
        for column, (place, cell) in enumerate(zip(places, row, strict=True)):
            role = "columnheader" if at == 0 else "rowheader" if column == 0 else "cell"
            lower = _LOWER if in_turn and column and column % 2 == 0 else 0
            yield f'<text role="{role}" {place} y="{y + lower}">{escaped(cell)}</text>'
        yield "</g>"
    yield "</g>"


def _widths(rows: Rows) -> list[float]:
    """Of all columns but the first, in characters: each as wide as its longest number (half a word)."""
    numbers = list(zip(*rows, strict=True))[1:]
    return [max([len(head) / 2, *map(len, cells)]) + 1.5 for head, *cells in numbers]


def _row(rows: Rows) -> int:
    return _ROW if _DAY + sum(_widths(rows)) <= _ROOM else _TALL_ROW


def _places(rows: Rows) -> list[str]:
    """Where each column stands: the first at the left, the others end where their share of the width does."""
    wide = _widths(rows)
    day = _DAY if _row(rows) == _ROW else _DAY_OF_TALL
    share = 98 / (day + sum(wide))
    ends = [1 + share * (day + sum(wide[: at + 1])) for at in range(len(wide))]
    return ['class="h" x="1%"', *(f'class="r" x="{end:.2f}%"' for end in ends)]
