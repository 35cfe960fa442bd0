"""Objects of JSON out of a file that is read line by line: one or many on a line, or spread over lines as printers do.

Terms: a *row* is an object that stands by itself or in a list. What wraps rows (`{"value": [`) is not kept, so that a
file may be longer than the memory. Where an object is spread over lines, its braces end lines, as everybody's printer
has it; a text in quotation marks never does. A row of more than LINES lines is none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

LINES: Final = 300
_LONGEST: Final = 500_000


class Rows(NamedTuple):
    """What a line came to: the `objects` that it ends, and how many lines they are; `wrapped` are lines that belong to
    no row, `broken` those of a row that was none.
    """

    objects: list[dict[str, Any]]
    span: int = 0
    wrapped: int = 0
    broken: int = 0


class Objects:
    """Takes lines and gives rows."""

    def __init__(self, waiting: list[str] | None = None, depth: int = 0) -> None:
        self.waiting = waiting or []
        self.depth = depth

    def take(self, line: str) -> Rows:
        """One line without its end. Every line is told of once, later or now."""
        text = line.strip()
        if not self.waiting and text[:1] in {"{", "["} and len(text) > 2:
            objects = _parsed(text.rstrip(","))
            if objects is not None:
                return Rows(objects, 1)
        if self.waiting and text.endswith("["):
            wrapped, self.waiting, self.depth = len(self.waiting) + 1, [], 0
            return Rows([], wrapped=wrapped)
        if text == "{":
            broken, self.waiting, self.depth = len(self.waiting), [text], 1
            return Rows([], broken=broken)
        if not self.waiting:
            return Rows([], wrapped=1) if _is_frame(text) else Rows([], broken=1)
        return self._inside(text)

    def flush(self) -> Rows:
        """There are no more lines: what waits is no row."""
        waiting, self.waiting, self.depth = self.waiting, [], 0
        return Rows([], broken=len(waiting))

    def _inside(self, text: str) -> Rows:
        self.waiting.append(text)
        self.depth += text.endswith(("{", "[")) - text.startswith(("}", "]"))
        if self.depth > 0:
            if len(self.waiting) > LINES or sum(map(len, self.waiting)) > _LONGEST:
                return self.flush()
            return Rows([])
        lines, self.waiting, self.depth = self.waiting, [], 0
        objects = _parsed("\n".join(lines).rstrip(","))
        return Rows([], broken=len(lines)) if objects is None else Rows(objects, len(lines))


def _is_frame(text: str) -> bool:
    return not text.strip("{}[], ") or text.endswith(("[", "{")) or text.startswith('"@odata.')


def _parsed(text: str) -> list[dict[str, Any]] | None:
    """The rows in a text; None where it is no JSON."""
    try:
        return list(_rows(json.loads(text), 4))
    except (ValueError, RecursionError):
        return None


def _rows(value: Any, deep: int) -> Iterator[dict[str, Any]]:
    """Objects with a value that is no list or object, at most `deep` wrappers deep."""
    if isinstance(value, list):
        for one in value:
            yield from _rows(one, deep)
    elif isinstance(value, dict):
        wrapped = [one for one in value.values() if isinstance(one, list | dict)]
        inner = [row for one in wrapped for row in _rows(one, deep - 1)] if deep else []
        if inner and not _is_row(value):
            yield from inner
        else:
            yield value


def _is_row(value: dict[str, Any]) -> bool:
    return any(isinstance(name, str) and name.casefold() == "recipientaddress" for name in value)
