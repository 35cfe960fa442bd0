"""Decision records as lines and as paragraphs. A value that is missing, or of another kind, stays one odd line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from arrowslit.cli import times
from arrowslit.cli.output import escaped

if TYPE_CHECKING:
    from arrowslit.store.query import ClientCount

Cells = tuple[str, ...]

COLUMNS: Final[Cells] = ("time (UTC)", "id", "client", "verdict", "stage", "reason", "recipient", "next hop")
CLIENT_COLUMNS: Final[Cells] = ("count", "client", "first (UTC)", "last (UTC)")
USUAL: Final = (19, 12, 15, 7, 10, 18, 30, 0)
"""Widths for lines whose others are not known yet."""

_WIDEST: Final = 50
_FIRST: Final = (
    *("time", "id", "kind", "action", "stage", "code", "enhanced", "reply"),
    *("reason", "rule", "revision", "generation"),
)


def cells(record: Mapping[str, Any]) -> Cells:
    """One record in the order of `COLUMNS`."""
    would_be = f" (would be {record['would_be']})" if record.get("would_be") else ""
    repeats = f" x{record['count']}" if record.get("count") else ""
    outcome = f"{record.get('outcome') or ''}{would_be}{repeats}".strip()
    named = (_text(record, name) for name in ("id", "client_address", "action", "stage", "reason", "forward_path"))
    return (_time(record.get("time")), *named, escaped(outcome))


def client_cells(one: ClientCount) -> Cells:
    """One client with how often it was met, first and last, in the order of `CLIENT_COLUMNS`."""
    return f"{one.count:>7}", escaped(one.client), _time(one.first), _time(one.last)


def widths(rows: Iterable[Cells]) -> list[int]:
    """How wide each column must be. A cell that is wider than most pushes its own line only."""
    return [min(max(map(len, column)), _WIDEST) for column in zip(*rows, strict=True)]


def aligned(row: Cells, wide: Sequence[int]) -> str:
    """One line."""
    return "  ".join(f"{cell:<{width}}" for cell, width in zip(row, wide, strict=True)).rstrip()


def shown(record: Mapping[str, Any]) -> str:
    """All of one record, a field a line."""
    names = [name for name in _FIRST if name in record]
    names += [name for name in record if name not in _FIRST and name != "v"]
    return "\n".join(f"{escaped(name):<17} {_value(name, record[name])}".rstrip() for name in names)


def _value(name: str, value: Any) -> str:
    return _time(value) + " UTC" if name == "time" else escaped(str(value))


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    return "" if value is None else escaped(str(value))


def _time(value: Any) -> str:
    try:
        return times.shown(float(value))
    except (TypeError, ValueError, OverflowError, OSError):
        return "?"
