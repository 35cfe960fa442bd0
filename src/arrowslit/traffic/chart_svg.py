"""The chart as an SVG file that needs nothing else: no script, no font, no other file; light and dark by the reader's
own choice; one size of letters at any width (places are shares of the width, so nothing is scaled). Below the bars
stand the same numbers as a table (`chart_svg_table`).

SVG 1.1 with `role` of WAI-ARIA 1.2. All text is escaped, and what XML can't hold is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from arrowslit.traffic.chart import Bar, Chart, bars_are, ticks, title_of
from arrowslit.traffic.chart_svg_table import drawn
from arrowslit.traffic.chart_svg_table import height as table_height
from arrowslit.traffic.chart_text import table

_HEIGHT: Final = 200
_TOP: Final = 28
_LINE: Final = 20
_AXIS: Final = 14.0
"""Percent of the width for the numbers at the left."""
_LAST_DATE: Final = 88
"""Percent of the width behind which a date ends below its bar instead of beginning there."""
_FEWEST: Final = 7
"""Bars that there is room for at least: a single day is no wall."""
_COLOURS: Final = {
    "filter": ("#0072b2", "#56b4e9"),
    "listed": ("#00795a", "#2fc494"),
    "inside": ("#8a6d00", "#e0c341"),
    "signed_in": ("#9b4f86", "#d99fc8"),
    "outward": ("#5c5c5c", "#b8b8b8"),
    "untold": ("#8c8c8c", "#7d7d7d"),
    "around": ("#c03a00", "#ff7a45"),
}
"""Of each way, on white and on black: told apart with any kind of colour vision, and from the ground by 3 to 1."""
_STYLE: Final = """
text{font:13px system-ui,sans-serif;fill:#1c1c1c}
.h{font-weight:600}.m{fill:#555}.r{text-anchor:end}.g{stroke:#ddd}.b{fill:#fff}
@media(max-width:599px){text{font-size:11px}.w{display:none}}
"""
_DARK: Final = "text{fill:#eee}.m{fill:#aaa}.g{stroke:#444}.b{fill:#121212}"


def svg(made: Chart, title: str) -> str:
    """The file's text. `title` is plain text."""
    legend = _TOP + _LINE * (len(made.series) + 1)
    bottom = legend + _HEIGHT
    top = bottom + 3 * _LINE
    rows = table(made)
    height = top + table_height(rows) + _LINE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="100%" height="{height}" role="group" '
        f'aria-label="{_x(title)}">',
        f"<title>{_x(title)}</title>",
        f"<style>{_style(made)}</style>",
        _HATCH,
        f'<rect class="b" width="100%" height="{height}"/>',
        f'<text class="h" x="1%" y="18">{_x(title)}</text>',
        *_legend(made),
        f'<g role="img" aria-label="{_x(_summary(made))}">',
        *_grid(made, bottom),
        *_bars(made, bottom),
        "</g>",
        *_dates(made, bottom + 16),
        *drawn(rows, f"{made.unit}, {bars_are(made.each)} (UTC)", top, _x),
        "</svg>\n",
    ]
    return "\n".join(parts)


_HATCH: Final = (
    '<defs><pattern id="around" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect class="around" width="6" height="6"/><rect class="b" width="1.5" height="6"/></pattern></defs>'
)


def _style(made: Chart) -> str:
    ways = [one.way for one in made.series]
    light = "".join(f".{way}{{fill:{_COLOURS[way][0]}}}" for way in ways)
    dark = "".join(f".{way}{{fill:{_COLOURS[way][1]}}}" for way in ways)
    return f"{_STYLE}{light}\n@media(prefers-color-scheme:dark){{{_DARK}{dark}}}\n"


def _summary(made: Chart) -> str:
    told = ", ".join(f"{one.title} {total:,}" for one, total in zip(made.series, made.totals, strict=True))
    return f"{made.unit}, {bars_are(made.each)}: {told}. The numbers are in the table below."


def _legend(made: Chart) -> Iterator[str]:
    for at, (one, total) in enumerate(zip(made.series, made.totals, strict=True)):
        y = _TOP + _LINE * at
        yield f'<rect x="1%" y="{y + 2}" width="14" height="14" {_fill(one.way)}/>'
        yield f'<svg x="1%" overflow="visible"><text x="22" y="{y + 14}">{_x(one.title)}: {total:,}</text></svg>'


def _fill(way: str) -> str:
    return 'fill="url(#around)"' if way == "around" else f'class="{way}"'


def _grid(made: Chart, bottom: float) -> Iterator[str]:
    marks = ticks(made.highest)
    for mark in marks:
        y = bottom - _HEIGHT * 0.94 * mark / marks[-1]
        yield f'<line class="g" x1="{_AXIS}%" x2="99%" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="m r" x="{_AXIS - 1}%" y="{y + 4:.1f}">{_short(mark)}</text>'


def _bars(made: Chart, bottom: float) -> Iterator[str]:
    scale = _HEIGHT * 0.94 / ticks(made.highest)[-1]
    step = (99 - _AXIS) / max(len(made.bars), _FEWEST)
    for at, bar in enumerate(made.bars):
        yield f"<g><title>{_x(_told(made, bar))}</title>"
        y = bottom
        for one, number in zip(made.series, bar.numbers, strict=True):
            if number:
                # What is there at all can be seen, however little it is.
                tall = max(number * scale, 1.5)
                y -= tall
                x, wide = _AXIS + at * step + step * 0.1, step * 0.8
                yield f'<rect {_fill(one.way)} x="{x:.3f}%" y="{y:.1f}" width="{wide:.3f}%" height="{tall:.1f}"/>'
        yield "</g>"


def _told(made: Chart, bar: Bar) -> str:
    numbers = ", ".join(f"{one.title} {number:,}" for one, number in zip(made.series, bar.numbers, strict=True))
    return f"{title_of(bar)}: {numbers}"


def _dates(made: Chart, y: float) -> Iterator[str]:
    """Some dates below the bars: up to eight, in a narrow picture every third of them."""
    step = (99 - _AXIS) / max(len(made.bars), _FEWEST)
    every = -(-len(made.bars) // 8)
    form = "%d %b" if made.each <= 7 else "%b %Y"
    for nth, at in enumerate(range(0, len(made.bars), every or 1)):
        kind = "m" if nth % 3 == 0 else "m w"
        x = _AXIS + (at + 0.1) * step
        if x > _LAST_DATE:
            kind, x = f"{kind} r", x + 0.8 * step
        yield f'<text class="{kind}" x="{x:.3f}%" y="{y}">{made.bars[at].first:{form}}</text>'


def _short(number: int) -> str:
    """A round number in few characters."""
    for size, letter in ((10**9, "G"), (10**6, "M"), (1000, "k")):
        if number >= size and number % (size // 10) == 0:
            return f"{number / size:g} {letter}"
    return str(number)


def _x(text: str) -> str:
    """`text` for XML: markup escaped, characters that no XML may hold left out."""
    kept = "".join(c for c in text if c.isprintable())
    return kept.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
