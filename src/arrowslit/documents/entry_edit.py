"""Adds an entry to a list of a policy, or removes one, and leaves every other character of the text as it is.

Comments, order and layout are the administrator's: only the place of the entry changes (docs/adr/0010). Terms: a
*grant* is one of the four lists of a virtual server (`policy.grants`), by the name of its table. The result is parsed
again and compared before it is given out; a document that is written in a way that this cannot change safely is
refused, never guessed at.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from arrowslit.documents.toml import TomlError, parse
from arrowslit.policy.tree import Item, Span, Table, Value

_COMMENT: Final = re.compile(r"#[^\n]*")
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_INDENT: Final = "  "


class EditError(Exception):
    """The text can't be changed that way; says why, and what to do, to an administrator."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which list: the virtual server, the table of the grant, and the key of the list."""

    virtual_server: str
    table: str
    key: str

    @property
    def dotted(self) -> str:
        """As it is written in the document."""
        return f"virtual_servers.{_key(self.virtual_server)}.{self.table}"


def add_entry(text: str, place: Place, entry: Mapping[str, str | date | bool]) -> str:
    """The text with `entry` at the end of the list; the list is made where there is none. Raises EditError."""
    written = _inline(entry)
    root = _root(text)
    table = _table(root, place)
    if table is None:
        result = f"{text.rstrip(chr(10))}\n\n[{place.dotted}]\n{place.key} = [ {written} ]\n"
    elif (item := table.value.data.items.get(place.key)) is None:  # type: ignore[union-attr]
        result = _with_key(text, table, f"{place.key} = [ {written} ]", place)
    elif isinstance(item.value.data, tuple):
        result = _appended(text, item.value, written)
    else:
        raise _by_hand(place)
    return _checked(text, result, place, [*_entries(root, place), dict(entry)])


def remove_entry(text: str, place: Place, at: int) -> str:
    """The text without the entry that stands at index `at` of the list. Raises EditError."""
    root = _root(text)
    table = _table(root, place)
    item = None if table is None else table.value.data.items.get(place.key)  # type: ignore[union-attr]
    if item is None or not isinstance(item.value.data, tuple) or not 0 <= at < len(item.value.data):
        raise EditError(f"there is no such entry in {place.dotted}.{place.key}")
    before = _entries(root, place)
    return _checked(text, _without(text, item.value.data, at), place, before[:at] + before[at + 1 :])


def _checked(before: str, after: str, place: Place, entries: list[dict[str, Any]]) -> str:
    """`after`, where it has those entries in that list and else says what `before` says."""
    if _entries(_root(after), place) != entries or _rest(before, place) != _rest(after, place):
        raise _by_hand(place)
    return after


def _rest(text: str, place: Place) -> dict[str, Any]:
    """All that the text says, without that list."""
    found = tomllib.loads(text)
    servers = found.setdefault("virtual_servers", {})
    servers.setdefault(place.virtual_server, {}).setdefault(place.table, {}).pop(place.key, None)
    return found


def _by_hand(place: Place) -> EditError:
    return EditError(f"{place.dotted}.{place.key} is written in a way that can't be changed here: change it by hand")


# --- reading ----------------------------------------------------------------------------------------------------


def _root(text: str) -> Table:
    try:
        return parse(text, "policy").root
    except TomlError as error:
        raise EditError(f"the policy can't be read: line {error.span.line}: {error.message}") from None


def _table(root: Table, place: Place) -> Item | None:
    """The item of the grant's table; None where it is not written."""
    found: Item | None = None
    table: Table | None = root
    for key in ("virtual_servers", place.virtual_server, place.table):
        found = None if table is None else table.items.get(key)
        table = found.value.data if found is not None and isinstance(found.value.data, Table) else None
    return found if table is not None else None


def _entries(root: Table, place: Place) -> list[dict[str, Any]]:
    table = _table(root, place)
    item = None if table is None else table.value.data.items.get(place.key)  # type: ignore[union-attr]
    if item is None or not isinstance(item.value.data, tuple):
        return []
    return [_plain(value) for value in item.value.data]


def _plain(value: Value) -> dict[str, Any]:
    return {key: item.value.data for key, item in value.data.items.items()} if isinstance(value.data, Table) else {}


# --- writing ----------------------------------------------------------------------------------------------------


def _inline(entry: Mapping[str, str | date | bool]) -> str:
    return "{ " + ", ".join(f"{_key(name)} = {_scalar(value)}" for name, value in entry.items()) + " }"


def _scalar(value: str | date | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, date) else _basic_string(value)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _basic_string(name)


def _basic_string(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(one if one.isprintable() else f"\\U{ord(one):08x}" for one in escaped) + '"'


def _offset(text: str, line: int, column: int) -> int:
    """Where in `text` that place is; lines end with a line feed."""
    start = 0
    for _ in range(line - 1):
        start = text.index("\n", start) + 1
    return start + column - 1


def _bounds(text: str, span: Span) -> tuple[int, int]:
    return _offset(text, span.line, span.column), _offset(text, span.end_line, span.end_column)


def _with_key(text: str, table: Item, line: str, place: Place) -> str:
    """A new line behind the header of the table."""
    span = table.value.data.span  # type: ignore[union-attr]
    start = _offset(text, span.line, 1)
    if not text[start:].lstrip().startswith("["):
        raise _by_hand(place)
    end = text.find("\n", start)
    return f"{text}\n{line}\n" if end < 0 else f"{text[: end + 1]}{line}\n{text[end + 1 :]}"


def _appended(text: str, array: Value, written: str) -> str:
    start, end = _bounds(text, array.span)
    items = array.data if isinstance(array.data, tuple) else ()
    if not items and "\n" not in text[start:end]:
        return f"{text[:start]}[ {written} ]{text[end:]}"
    last = _bounds(text, items[-1].span)[1] if items else start + 1
    if items and "," not in _COMMENT.sub("", text[last : end - 1]):
        text = f"{text[:last]},{text[last:]}"
        last, end = last + 1, end + 1
    if "\n" not in text[start:end]:
        comma = "" if text[last - 1] == "," else ","
        return f"{text[:last]}{comma} {written}{text[last:]}"
    return _on_its_own_line(text, end - 1, written, _indent(text, items))


def _on_its_own_line(text: str, bracket: int, written: str, indent: str) -> str:
    line = text.rfind("\n", 0, bracket) + 1
    if text[line:bracket].strip():
        return f"{text[:bracket].rstrip()}\n{indent}{written},\n{text[bracket:]}"
    return f"{text[:line]}{indent}{written},\n{text[line:]}"


def _indent(text: str, items: Sequence[Value]) -> str:
    if not items:
        return _INDENT
    line = text.rfind("\n", 0, _bounds(text, items[-1].span)[0]) + 1
    return text[line : len(text) - len(text[line:].lstrip(" \t"))] or _INDENT


def _without(text: str, items: Sequence[Value], at: int) -> str:
    """Cut the entry with its comma, and its whole line where nothing else but a comment of its own is on it."""
    start, end = _bounds(text, items[at].span)
    behind = re.compile(r"[ \t]*,").match(text, end)
    if behind is not None:
        end = behind.end()
    line, line_end = text.rfind("\n", 0, start) + 1, text.find("\n", end)
    line_end = len(text) if line_end < 0 else line_end
    alone = not text[line:start].strip() and not _COMMENT.sub("", text[end:line_end]).strip()
    if alone:
        return text[:line] + text[line_end + 1 :]
    if behind is None and at > 0:  # the last one: the comma before it goes too
        start = _bounds(text, items[at - 1].span)[1]
        return text[:start] + text[end:]
    return text[:start] + text[end:].lstrip(" \t") if behind is not None else text[:start].rstrip(" ") + text[end:]
