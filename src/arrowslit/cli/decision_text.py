"""Decision records as lines and as paragraphs. A value that is missing, or of another kind, stays one odd line."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from arrowslit.cli.output import escaped

if TYPE_CHECKING:
    from arrowslit.store.query import ClientCount

COLUMNS: Final = (
    f"{'time (UTC)':<19}  {'id':<12}  {'client':<39}  {'verdict':<7}  {'reason':<22}  {'recipient':<32}  outcome"
)
_FIRST: Final = ("time", "id", "kind", "action", "stage", "code", "enhanced", "reply", "reason", "rule", "revision")


def line(record: Mapping[str, Any]) -> str:
    """One record in one line."""
    would_be = f" (would be {record['would_be']})" if record.get("would_be") else ""
    times = f" x{record['count']}" if record.get("count") else ""
    outcome = f"{record.get('outcome') or ''}{would_be}{times}"
    return (
        f"{_time(record.get('time')):<19}  {_text(record, 'id'):<12}  {_text(record, 'client_address'):<39}  "
        f"{_text(record, 'action'):<7}  {_text(record, 'reason'):<22}  {_text(record, 'forward_path'):<32}  "
        f"{escaped(outcome)}"
    ).rstrip()


def client_line(one: ClientCount) -> str:
    """One client with how often it was met, first and last."""
    return f"{one.count:>8}  {escaped(one.client):<39}  {_time(one.first)}  {_time(one.last)}"


def shown(record: Mapping[str, Any]) -> str:
    """All of one record, a field a line."""
    names = [name for name in _FIRST if name in record]
    names += [name for name in record if name not in _FIRST and name != "v"]
    return "\n".join(f"{name:<17} {_value(name, record[name])}" for name in names)


def _value(name: str, value: Any) -> str:
    return _time(value) + " UTC" if name == "time" else escaped(str(value))


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    return "" if value is None else escaped(str(value))


def _time(value: Any) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(float(value)))
    except (TypeError, ValueError, OverflowError, OSError):
        return "?"
