"""Reads a table of the document by its section of the schema, and says everything that is wrong with it.

Terms: *fields* are the values of one table by the name of the field they become; what could not be read is left out
and has a finding. Every finding made here keeps the document from loading, save those that normalise something.
Never stops at the first error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final

from arrowslit.policy.finding import Finding, Mark, Severity
from arrowslit.policy.schema import Key, Kind, Section
from arrowslit.policy.tree import Item, Span, Table, Value
from arrowslit.policy.values import READ, WrongValueError, describe

Fields = dict[str, Any]

_BARE: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def dotted(path: str, key: str) -> str:
    """The dotted path of `key` below `path`, quoted where TOML wants it."""
    shown = key if key and _BARE.issuperset(key) else '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{path}.{shown}" if path else shown


@dataclass(slots=True)
class Reader:
    """Reads one document; `names` holds the names that may be referred to, by kind."""

    names: Mapping[Kind, frozenset[str]]
    findings: list[Finding] = field(default_factory=list)
    places: dict[str, Span] = field(default_factory=dict)

    def error(self, name: str, message: str, key: str, span: Span | None, help: str = "", says: str = "") -> None:
        """Records what keeps the document from loading."""
        mark = None if span is None else Mark(span, says)
        self.findings.append(Finding(name, Severity.ERROR, message, key, mark, help=help, waivable=False))

    def warn(self, name: str, message: str, key: str, span: Span | None, help: str = "") -> None:
        """Records what is worth saying and holds nothing up."""
        self.findings.append(
            Finding(name, Severity.WARNING, message, key, None if span is None else Mark(span), help=help)
        )

    def table(self, table: Table, section: Section, path: str) -> Fields:
        """The fields of one table."""
        fields: Fields = {}
        known = {key.name: key for key in section.keys}
        for name, item in table.items.items():
            where = dotted(path, name)
            key = known.get(name)
            if key is None:
                self._unknown(name, item, section, where)
                continue
            self.places[where] = item.value.span
            read = self._value(item.value, key, where)
            if read is not None:
                fields[key.becomes] = read
        for key in section.keys:
            if key.required and key.name not in table.items:
                self.error("missing-key", f"{key.name} is missing", dotted(path, key.name), table.span, key.doc)
        return fields

    def _unknown(self, name: str, item: Item, section: Section, where: str) -> None:
        near = get_close_matches(name, [key.name for key in section.keys], 1)
        help = f"did you mean {near[0]}?" if near else "known here: " + ", ".join(key.name for key in section.keys)
        self.error("unknown-key", f"there is no key {name!r} here", where, item.span, help, "unknown key")

    def _value(self, value: Value, key: Key, where: str) -> Any:
        if key.kind in {Kind.TABLE, Kind.TABLES, Kind.LIST}:
            return self._nested(value, key, where)
        try:
            read, remark = READ[key.kind](value, key, self.names)
        except WrongValueError as error:
            name = error.name or "wrong-value"
            self.error(name, str(error), where, error.span or value.span, error.help)
            return None
        if remark:
            self.warn("host-bits", remark, where, value.span)
        return read

    def _nested(self, value: Value, key: Key, where: str) -> Any:
        section = key.section
        if section is None:
            raise ValueError(f"{key.name} is declared without its section")
        if key.kind is Kind.LIST:
            return self._list(value, section, where)
        if not isinstance(value.data, Table):
            self._wrong_type(value, "a table", where)
            return None
        if key.kind is Kind.TABLE:
            return self.table(value.data, section, where)
        return dict(self._tables(value.data, section, where))

    def _tables(self, table: Table, section: Section, where: str) -> list[tuple[str, Fields]]:
        found: list[tuple[str, Fields]] = []
        for name, item in table.items.items():
            path = dotted(where, name)
            self.places[path] = item.span
            if not _is_name(name):
                self.error(
                    "wrong-name", f"{name!r} can not be a name", path, item.span, "write letters, digits, - _ . *"
                )
            elif isinstance(item.value.data, Table):
                found.append((name, self.table(item.value.data, section, path)))
            else:
                self._wrong_type(item.value, "a table", path)
        return found

    def _list(self, value: Value, section: Section, where: str) -> list[tuple[Fields, Span]] | None:
        if not isinstance(value.data, tuple):
            self._wrong_type(value, "an array of tables", where)
            return None
        found: list[tuple[Fields, Span]] = []
        for number, item in enumerate(value.data):
            if isinstance(item.data, Table):
                found.append((self.table(item.data, section, f"{where}[{number}]"), item.span))
            else:
                self._wrong_type(item, "a table", f"{where}[{number}]")
        return found

    def _wrong_type(self, value: Value, wanted: str, where: str) -> None:
        self.error("wrong-type", f"this is {describe(value)}, {wanted} is wanted", where, value.span)


def _is_name(name: str) -> bool:
    return bool(name) and name.isprintable() and not any(c.isspace() or c in "/\"'\\" for c in name)
