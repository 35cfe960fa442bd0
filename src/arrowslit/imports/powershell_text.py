"""Objects of PowerShell as people see them: `Format-List` in a text file, and `Export-Csv`.

Format-List: a blank line ends an object; `Name : value`, a long value goes on in the next lines, set in to where it
began; `{a, b}` is a list, and one that ends in `...` or is never closed is cut. Null and "" look the same there.
CSV: a first line `#TYPE ...` is passed over; a cell that is only the name of a .NET type is a list that was lost.
What else stands in a console's record (prompts, commands) is no object and is passed over, but never within one.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from io import StringIO
from typing import Final

from arrowslit.imports.things import ELLIPSES, MAX_ITEMS, Cut, Thing, ThingsError, Value

MAX_TEXT: Final = 16 * 1024 * 1024
_PROPERTIES: Final = 1_000
"""Of one object."""
_LINE: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]{0,99}) {0,200}: ?")
_PROMPT: Final = re.compile(r"(\[PS\]|PS) ")
_TYPE_NAMES: Final = (
    "Microsoft.Exchange.",
    "System.Collections.",
    "System.Object[]",
    "System.String[]",
    "Deserialized.",
)


def is_format_list(text: str) -> bool:
    """True where a line of the first hundred looks like one of Format-List."""
    return any(_LINE.match(line) for line in text[:20_000].splitlines()[:100])


def is_csv(text: str) -> bool:
    """True where the text begins like `Export-Csv`."""
    first = text[:20_000].lstrip("\ufeff").partition("\n")[0]
    return first.startswith("#TYPE ") or any(f'"{sign}"' in first for sign in ",;\t")


def read_format_list(text: str, file: str) -> list[Thing]:
    """The objects. Raises ThingsError where a line belongs to nothing, since it may be a piece of a list."""
    _limit(text)
    found: list[Thing] = []
    for start, lines in _blocks(text):
        properties = _block(lines, start)
        if properties:
            found.append(Thing(properties, file, start, ends=False))
        if len(found) > MAX_ITEMS:
            raise ThingsError(f"it holds more than {MAX_ITEMS} objects", start)
    return found


def _limit(text: str) -> None:
    """Also the end: a last line without its end may be half a line, and half a range is a wider one."""
    if not text.endswith("\n"):
        raise ThingsError("the last line has no end: is the file cut? If it is whole, end it with a new line")
    if len(text) > MAX_TEXT:
        raise ThingsError(
            f"the file is longer than {MAX_TEXT // (1024 * 1024)} million characters: export less at a time"
        )


def _blocks(text: str) -> Iterator[tuple[int, list[str]]]:
    """Runs of lines that are not blank, each with the number of its first line."""
    lines: list[str] = []
    start = 1
    for number, line in enumerate(text.lstrip("\ufeff").replace("\r", "").split("\n"), 1):
        if line.strip():
            if not lines:
                start = number
            lines.append(line.rstrip())
        elif lines:
            yield start, lines
            lines = []
    if lines:
        yield start, lines


def _block(lines: list[str], start: int) -> dict[str, Value]:
    parts: dict[str, list[str]] = {}
    name, stray = "", ""
    for number, line in enumerate(lines, start):
        match = _LINE.match(line)
        if match is not None:
            name = match[1].lower()
            if len(parts) > _PROPERTIES:
                raise ThingsError(f"one object has more than {_PROPERTIES} properties", number)
            if name in parts:
                raise ThingsError(f"{match[1]} stands twice in one object: is a blank line missing?", number)
            parts[name] = [line[match.end() :].strip()]
        elif name and line[0] in " \t":
            parts[name].append(line.strip())
        elif name:
            raise ThingsError(f"{line[:60]!r} belongs to no property: make the console wider and export again", number)
        elif not _PROMPT.match(line):
            stray = stray or line
    if parts and stray:
        raise ThingsError(f"{stray[:60]!r} stands before an object and is none: is its beginning lost?", start)
    return {name: _listed(" ".join(part for part in texts if part)) for name, texts in parts.items()}


def _listed(text: str) -> Value:
    if not text:
        return None
    if not text.startswith("{"):
        return Cut(text) if text.endswith(ELLIPSES) else text
    if not text.endswith("}"):
        return Cut(text)
    inner = text[1:-1].strip()
    return tuple(part.strip() for part in inner.split(",")) if inner else ()


def read_csv(text: str, file: str) -> list[Thing]:
    """The rows. Raises ThingsError."""
    _limit(text)
    text = text.lstrip("\ufeff")
    first = 1 if text.startswith("#TYPE") else 0
    text = text.partition("\n")[2] if first else text
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    rows = csv.reader(StringIO(text, newline=""), strict=True, delimiter=delimiter)
    found: list[Thing] = []
    try:
        header = [name.strip().lower() for name in next(rows, [])]
        if len(set(header)) < len(header):
            raise ThingsError("two columns have the same name", first + 1)
        for row in rows:
            line = first + rows.line_num
            if len(row) != len(header) and row:
                raise ThingsError(f"{len(row)} cells where the head has {len(header)}: the file is cut", line)
            if row:
                found.append(Thing(dict(zip(header, map(_cell, row), strict=True)), file, line, ends=False))
            if len(found) > MAX_ITEMS:
                raise ThingsError(f"it holds more than {MAX_ITEMS} objects", line)
    except csv.Error as error:
        raise ThingsError(f"it is no complete CSV: {error}", first + rows.line_num) from None
    return found


def _cell(text: str) -> Value:
    text = text.strip()
    if text.startswith(_TYPE_NAMES):
        return Cut(text)
    return _listed(text)
