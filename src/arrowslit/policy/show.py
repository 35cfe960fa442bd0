"""Prints a policy as a document again; reading it gives an equal policy.

Made from the schema: a key whose value is the default of its field is left out. Comments of the first document are
not kept, as a policy does not know them.
"""

from __future__ import annotations

import datetime
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Final

from arrowslit.policy.decision import Action, Stage
from arrowslit.policy.model import Policy
from arrowslit.policy.parts import Entry, NextHopAddress
from arrowslit.policy.reading import dotted
from arrowslit.policy.schema import POLICY, Key, Kind, Section

_ALWAYS: Final = frozenset({"kind", "mode"})
_UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s"))
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\"}


def render(policy: Policy) -> str:
    """The policy as TOML, tables in the order of the schema, parts in their own order."""
    lines = ["version = 1"]
    for key in POLICY.keys:
        found = getattr(policy, key.becomes)
        if key.section is None:
            continue
        if key.kind is Kind.TABLES:
            for name, part in found.items():
                lines += _table(dotted(key.name, name), part, key.section)
        else:
            for part in found:
                lines += ["", f"[[{key.name}]]", *_pairs(part, key.section)]
    return "\n".join(lines) + "\n"


def _table(path: str, part: Any, section: Section) -> list[str]:
    lines = ["", f"[{path}]", *_pairs(part, section)]
    for key in section.keys:
        inner = getattr(part, key.becomes) if key.kind is Kind.TABLE else None
        if key.section is not None and inner is not None and inner != _default(part, key):
            lines += _table(f"{path}.{key.name}", inner, key.section)
    return lines


def _pairs(part: Any, section: Section) -> list[str]:
    return [f"{key.name} = {text}" for key in section.keys if (text := _pair(part, key)) is not None]


def _pair(part: Any, key: Key) -> str | None:
    if key.kind is Kind.TABLE:
        return None
    value = getattr(part, key.becomes)
    if value is None or (value == _default(part, key) and key.name not in _ALWAYS):
        return None
    return _list(value) if key.kind is Kind.LIST else _value(value, key)


def _default(part: Any, key: Key) -> Any:
    if not is_dataclass(part):
        raise TypeError(f"{part!r} is no part of a policy")
    return next((one.default for one in fields(part) if one.name == key.becomes), MISSING)


def _list(entries: tuple[Entry, ...]) -> str:
    return "[\n" + "".join(f"  {_entry(entry)},\n" for entry in entries) + "]" if entries else "[]"


def _entry(entry: Entry) -> str:
    pairs = [f"{entry.kind} = {quote(entry.value)}"]
    pairs += [f"{name} = {quote(text)}" for name in ("note", "owner") if (text := getattr(entry, name))]
    if entry.expires is not None:
        pairs.append(f"expires = {entry.expires.isoformat()}")
    if entry.require_tls:
        pairs.append("require_tls = true")
    if entry.line_ends:
        pairs.append(f"line_ends = {quote(entry.line_ends)}")
    return "{ " + ", ".join(pairs) + " }"


def _value(value: Any, key: Key) -> str:
    if key.kind is Kind.TIME:
        return quote(_time(value))
    if key.kind is Kind.SHARE:
        return quote(f"{round(value * 100)}%")
    if key.kind is Kind.NEXT_HOP_ADDRESSES and len(value) == 1:
        return quote(value[0].text)
    return _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, bool | int) and not isinstance(value, Stage):
        return str(value).lower()
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, tuple):
        return "[" + ", ".join(_plain(item) for item in value) + "]"
    return quote(_word(value))


def _word(value: Any) -> str:
    if isinstance(value, Action):
        return value.value
    if isinstance(value, Stage):
        return value.label
    return value.text if isinstance(value, NextHopAddress) else str(value)


def _time(seconds: float) -> str:
    if seconds != int(seconds):
        return f"{round(seconds * 1000)}ms"
    whole = int(seconds)
    size, unit = next(((size, unit) for size, unit in _UNITS if whole and whole % size == 0), (1, "s"))
    return f"{whole // size}{unit}"


def quote(text: str) -> str:
    """A TOML basic string."""
    return '"' + "".join(_ESCAPES.get(c, c if c.isprintable() else f"\\U{ord(c):08X}") for c in text) + '"'
