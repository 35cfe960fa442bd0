"""Reads a table of the tree into a declared dataclass, and says everything that is wrong with it at once.

Every fault becomes a finding with its place, and the nearest right key where a key is unknown. Never touches the
file system and knows no single setting: what may stand in a table are the declared fields of the class.
"""

from __future__ import annotations

from dataclasses import Field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from arrowslit.documents.declare import Declaration, declaration
from arrowslit.policy.finding import Finding, Mark, Severity
from arrowslit.policy.tree import Item, Span, Table
from arrowslit.policy.values import WrongValueError, describe

T = TypeVar("T")


class Reader:
    """One reading of one file. `base` is the folder that paths are relative to; `findings` grow as it reads."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.findings: list[Finding] = []

    def fault(self, name: str, key: str, span: Span, message: str, says: str = "", help: str = "") -> None:
        """Add an error that no waiver can lift."""
        self.findings.append(Finding(name, Severity.ERROR, message, key, Mark(span, says), help=help, waivable=False))

    def table(self, item: Item, key: str) -> Table | None:
        """The table under a key, None (and a finding) where it is something else."""
        if isinstance(item.value.data, Table):
            return item.value.data
        help = f"write [{key}]" if "[" not in key else ""
        if isinstance(item.value.data, tuple):
            help = f"write [{key}] once, not [[{key}]]"
        self.fault("wrong-type", key, item.span, f"{key} is {describe(item.value)}", "a table is wanted", help)
        return None

    def tables(self, item: Item, key: str) -> list[tuple[str, Table]]:
        """The tables of an array of tables, each with its key (`listeners[0]` is the first)."""
        if not isinstance(item.value.data, tuple):
            help = f"write [[{key}]], with two brackets"
            self.fault("wrong-type", key, item.span, f"{key} is {describe(item.value)}", "an array is wanted", help)
            return []
        found: list[tuple[str, Table]] = []
        for number, value in enumerate(item.value.data):
            if isinstance(value.data, Table):
                found.append((f"{key}[{number}]", value.data))
            else:
                says = f"this is {describe(value)}"
                self.fault("wrong-type", key, value.span, f"{key} holds something that is no table", says)
        return found

    def known(self, table: Table, keys: list[str], prefix: str = "") -> None:
        """A finding for every key that is not in `keys`."""
        for item in table.items.values():
            if item.key not in keys:
                self._unknown(item, keys, prefix)

    def _unknown(self, item: Item, keys: list[str], prefix: str) -> None:
        near = get_close_matches(item.key, keys, 1, 0.6)
        where = f"in {_header(prefix)}" if prefix else "in the settings"
        help = f'did you mean "{near[0]}"?' if near else f"known {where}: {', '.join(keys)}"
        says = "no such key"
        self.fault("unknown-key", prefix + item.key, item.span, f'unknown key "{item.key}" {where}', says, help)

    def read(self, cls: type[T], table: Table, key: str) -> T:
        """`cls` with what the table says and the defaults for the rest. Faults leave their default standing."""
        settings: dict[str, tuple[Field[Any], Declaration]] = {}
        for of in fields(cls):  # type: ignore[arg-type]
            made = declaration(of)
            if made is not None:
                settings[of.name] = (of, made)
        self.known(table, list(settings), f"{key}.")
        values: dict[str, Any] = {}
        for name, (_, made) in settings.items():
            item = table.items.get(name)
            if item is not None:
                self._value(made, item, f"{key}.{name}", values)
            elif made.required:
                self._missing(name, table, key)
        return cls(**values)

    def _missing(self, name: str, table: Table, key: str) -> None:
        message = f'{_header(key)} has no "{name}"'
        self.fault("missing-key", f"{key}.{name}", table.span, message, f"{name} is wanted here")

    def _value(self, made: Declaration, item: Item, key: str, values: dict[str, Any]) -> None:
        try:
            values[item.key] = made.kind.read(item.value, self.base)
        except WrongValueError as error:
            wanted = f"wanted: {made.kind.name}"
            name, span = error.name or "wrong-value", error.span or item.value.span
            self.fault(name, key, span, f"{key}: {error}", wanted, error.help)


def _header(key: str) -> str:
    """The header of the table at `key`: `listeners[0]` stands under [[listeners]]."""
    name, mark, _ = key.rstrip(".").partition("[")
    return f"[[{name}]]" if mark else f"[{name}]"
