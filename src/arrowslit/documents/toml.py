"""TOML 1.0 with the position of every key and value: a text in, a `Document` (`policy.tree`) out.

Terms: *values* come from `tomllib`, which decides what is TOML; *places* come from tree-sitter, which is lenient. The
two are joined by key and by index. Where tomllib refuses, `documents.toml_errors` says in plain words what to write
instead. Lines and columns count from 1, columns in characters. Never reads a file.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from typing import Any, Final

import tree_sitter_toml
from tree_sitter import Language, Node, Parser

from arrowslit.documents.toml_errors import TomlError, explain_refusal
from arrowslit.documents.toml_places import Places
from arrowslit.policy.tree import Document, Item, Span, Table, Value

__all__ = ["TomlError", "parse"]

_LANGUAGE: Final = Language(tree_sitter_toml.language())
_START: Final = Span(1, 1, 1, 1)
_HEADERS: Final = {"table": 1, "table_array_element": 2}  # brackets at each side


def parse(text: str, name: str) -> Document:
    """The document in `text`, called `name` in what is shown.

    Raises TomlError, with the place, where it is not TOML 1.0 or nests deeper than can be read.
    """
    try:
        octets = text.encode("utf-8", "replace")
        root = Parser(_LANGUAGE).parse(octets).root_node
        return Document(name, text, _join(text, root, Places(octets)))
    except RecursionError:
        raise TomlError("arrays or tables are nested too deeply", _START) from None


def _join(text: str, root: Node, places: Places) -> Table:
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        if not root.has_error:
            _Walk(places, joined=False).document(root, {})  # a key or a table that is there twice
        raise explain_refusal(text, str(error)) from None
    if root.has_error:
        raise TomlError("this cannot be read here: write it more plainly", places.span(_first_error(root)))
    return _Walk(places, joined=True).document(root, values).freeze()


def _first_error(node: Node) -> Node:
    while not (node.is_error or node.is_missing):
        node = next((child for child in node.children if child.has_error), None) or node.children[-1]
    return node


@dataclass(slots=True)
class _OpenTable:
    """A table while it is read: its items by key, with the place of the key as first written."""

    span: Span
    explicit: bool = False
    items: dict[str, tuple[Span, _OpenTable | _OpenArray | Value]] = field(default_factory=dict)

    def freeze(self) -> Table:
        return Table({key: Item(key, span, _freeze(held)) for key, (span, held) in self.items.items()}, self.span)


@dataclass(slots=True)
class _OpenArray:
    """An array of tables while it is read."""

    span: Span
    tables: list[_OpenTable] = field(default_factory=list)


def _freeze(held: _OpenTable | _OpenArray | Value) -> Value:
    if isinstance(held, Value):
        return held
    if isinstance(held, _OpenTable):
        return Value(held.freeze(), held.span)
    return Value(tuple([_freeze(table) for table in held.tables]), held.span)


Key = list[tuple[str, Span]]


class _Walk:
    """Goes through the syntax tree in the order of writing, and through the values beside it."""

    def __init__(self, places: Places, *, joined: bool) -> None:
        self._places = places
        self._joined = joined  # False: only to find what is there twice; there are no values

    def document(self, root: Node, values: dict[str, Any]) -> _OpenTable:
        top = _OpenTable(_START)
        for node in root.named_children:
            if node.type == "pair":
                self._pair(node, top, values)
            elif node.type in _HEADERS:
                self._table(node, top, values)
        return top

    def _table(self, node: Node, top: _OpenTable, values: dict[str, Any]) -> None:
        array = node.type == "table_array_element"
        head, *pairs = [child for child in node.named_children if child.type != "comment"]
        key = self._key(head)
        span = self._places.between(node.children[0], node.children[2])
        table, found = self._descend(top, values, key[:-1])
        table, found = (
            self._open_array(table, found, key[-1], span) if array else self._open(table, found, key[-1], span)
        )
        for pair in pairs:
            self._pair(pair, table, found)

    def _descend(self, table: _OpenTable, values: Any, key: Key) -> tuple[_OpenTable, Any]:
        for name, span in key:
            held = table.items.setdefault(name, (span, _OpenTable(span)))[1]
            values = values[name] if self._joined else None
            if isinstance(held, _OpenArray):
                values = values[len(held.tables) - 1] if self._joined else None
                held = held.tables[-1]
            if isinstance(held, Value):
                raise TomlError(f"{_shown(name)} already has a value on line {held.span.line}", span)
            table = held
        return table, values

    def _open(self, table: _OpenTable, values: Any, part: tuple[str, Span], span: Span) -> tuple[_OpenTable, Any]:
        name, place = part
        held = table.items.setdefault(name, (place, _OpenTable(span)))[1]
        if not isinstance(held, _OpenTable) or held.explicit:
            raise _twice(name, span, held.span, "the table ")
        held.explicit = True
        held.span = span
        return held, values[name] if self._joined else None

    def _open_array(self, table: _OpenTable, values: Any, part: tuple[str, Span], span: Span) -> tuple[_OpenTable, Any]:
        name, place = part
        held = table.items.setdefault(name, (place, _OpenArray(span)))[1]
        if not isinstance(held, _OpenArray):
            raise _twice(name, span, held.span, "another kind of value called ")
        held.tables.append(_OpenTable(span, explicit=True))
        return held.tables[-1], values[name][len(held.tables) - 1] if self._joined else None

    def _pair(self, node: Node, table: _OpenTable, values: Any) -> None:
        parts = [child for child in node.named_children if child.type != "comment"]
        key = self._key(parts[0])
        table, values = self._descend(table, values, key[:-1])
        name, span = key[-1]
        if name in table.items:
            raise _twice(name, span, table.items[name][0], "")
        table.items[name] = span, self._value(parts[1], values[name] if self._joined else None)

    def _value(self, node: Node, data: Any) -> Value:
        span = self._places.span(node)
        if node.type == "array":
            nodes = [child for child in node.named_children if child.type != "comment"]
            items = data if self._joined else [None] * len(nodes)
            return Value(tuple([self._value(*pair) for pair in zip(nodes, items, strict=True)]), span)
        if node.type == "inline_table":
            table = _OpenTable(span)
            for pair in node.named_children:
                if pair.type == "pair":
                    self._pair(pair, table, data)
            return Value(table.freeze(), span)
        return Value(data if self._joined else 0, span)

    def _key(self, node: Node) -> Key:
        """The parts of a key; dotted keys are nested to the left."""
        parts: Key = []
        while node.type == "dotted_key":
            parts.append(self._key_part(node.named_children[1]))
            node = node.named_children[0]
        parts.append(self._key_part(node))
        parts.reverse()
        return parts

    def _key_part(self, node: Node) -> tuple[str, Span]:
        text = (node.text or b"").decode()
        if node.type == "quoted_key":
            text = next(iter(tomllib.loads(f"{text} = 0"))) if "\\" in text else text[1:-1]
        return text, self._places.span(node)


def _shown(name: str) -> str:
    return f'"{name}"'


def _twice(name: str, span: Span, first: Span, what: str) -> TomlError:
    if what:
        return TomlError(
            f"{what}{_shown(name)} is already there on line {first.line}: join the two, or rename one", span
        )
    return TomlError(f"{_shown(name)} is already set on line {first.line}: remove one of the two", span)
