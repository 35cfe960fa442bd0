"""Shows the place of a finding in its document: lines with their numbers, and carets under what is meant.

Terms: the finding's own mark is underlined with `^`, its other marks with `-`; what a mark says stands behind its
underline. Columns are those of a terminal: a tab is four, a wide character two, a combining one none. Whatever is not
printable is escaped, and of a long line only the neighbourhood of the mark is shown. Never prints.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

from arrowslit.policy.finding import Finding, Mark
from arrowslit.policy.tree import Document, Span

_TAB: Final = " " * 4
_SHOWN: Final = 160  # characters of a line
_BEFORE: Final = 60  # of them before the mark, where the line is longer
_CUT: Final = "..."
_HIDDEN: Final = {"alarms.webhook", "node.store"}
"""Keys whose values may hold a secret, which must not get into the log of a node that does not start."""


def excerpt(document: Document, finding: Finding) -> str:
    """The lines from `-->` on, each ended by a line feed; the headline is not part of it.

    Without a mark only the document's name is shown. A mark outside of the text is shown without a line.
    """
    if finding.mark is None:
        return f"  --> {_shown(document.name)}\n"
    lines = document.text.split("\n")
    marks = sorted([finding.mark, *finding.others], key=_start)
    gutter = len(str(marks[-1].span.line))
    span = finding.mark.span
    if finding.key in _HIDDEN:
        _hide(lines, span)
    head = f"{' ' * gutter}--> {_shown(document.name)}:{span.line}:{span.column}"
    return "\n".join([head, *_rows(lines, marks, finding.mark, gutter)]) + "\n"


def _hide(lines: list[str], span: Span) -> None:
    if span.line <= len(lines):
        line = lines[span.line - 1]
        end = span.end_column - 1 if span.end_line == span.line else len(line)
        hidden = "*" * (min(end, len(line)) - span.column + 1)
        lines[span.line - 1] = line[: span.column - 1] + hidden + line[end:]


def _start(mark: Mark) -> tuple[int, int]:
    return mark.span.line, mark.span.column


def _rows(lines: Sequence[str], marks: Sequence[Mark], own: Mark, gutter: int) -> Iterator[str]:
    before = marks[0].span.line
    shown = 0
    for mark in marks:
        number = mark.span.line
        if number > len(lines):
            continue
        if number - before > 1:
            yield f"{' ' * gutter} {_CUT}"
        line = lines[number - 1].removesuffix("\r")
        first = _window(line, mark.span)
        if number != shown or first:
            yield f"{number:>{gutter}} | {_line(line, first)}".rstrip()
        yield f"{' ' * gutter} | {_underline(line, mark, first, '^' if mark is own else '-')}".rstrip()
        before = shown = number


def _window(line: str, span: Span) -> int:
    """The first character that is shown."""
    return max(0, span.column - 1 - _BEFORE) if len(line) > _SHOWN else 0


def _line(line: str, first: int) -> str:
    end = _CUT if len(line) > first + _SHOWN else ""
    return f"{_CUT if first else ''}{_shown(line[first : first + _SHOWN])}{end}"


def _underline(line: str, mark: Mark, first: int, character: str) -> str:
    """Carets from the start of the mark to its end, or to the line's end where it goes on below."""
    start = min(mark.span.column - 1, len(line))
    end = mark.span.end_column - 1 if mark.span.end_line == mark.span.line else len(line)
    indent = (len(_CUT) if first else 0) + _width(line[first:start])
    carets = character * max(_width(line[start : min(end, first + _SHOWN)]), 1)
    return f"{' ' * indent}{carets} {_shown(mark.says)}"


def _shown(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join([_cell(character) for character in text])


def _cell(character: str) -> str:
    if character == "\t":
        return _TAB
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def _width(text: str) -> int:
    if text.isascii() and text.isprintable():
        return len(text)
    return sum(_cell_width(character) for character in text)


def _cell_width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    if unicodedata.east_asian_width(character) in ("W", "F"):
        return 2
    return len(_cell(character))
