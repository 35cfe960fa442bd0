"""Objects of PowerShell as values, whatever text they were written to.

Terms: a *thing* is one object with its properties; names are equal whatever their case. A *value* is None (written as
null), True or False, a whole number, text, a list, or a `Nested` object. *Cut* is a list that says itself that it is
not whole. A property that is not there is asked for with `Thing.has`: missing is not null and not empty.

What was nested deeper than a list of objects is never followed: references of CLIXML can make a small file a large
tree, and no setting is that deep.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from arrowslit.imports.imported import Origin

MAX_ITEMS: Final = 100_000
"""Items of one list, things of one file."""

ELLIPSES: Final = ("...", "…")


@dataclass(frozen=True, slots=True)
class Nested:
    """An object within an object: what it is as text, its number where it is an enumeration, its properties."""

    text: str
    number: int | None = None
    properties: Mapping[str, Value] = field(default_factory=dict)

    def get(self, name: str) -> Value:
        """The property of that name, in any case; None where there is none."""
        return self.properties.get(name.lower())


@dataclass(frozen=True, slots=True)
class Cut:
    """A list that was cut off (the ellipsis of `$FormatEnumerationLimit`), or that only tells its own type."""

    text: str


Value: TypeAlias = "bool | int | str | tuple[Value, ...] | Nested | Cut | None"


class ThingsError(Exception):
    """The text can't be read as objects; says why, and `line` where (0: the whole)."""

    def __init__(self, says: str, line: int = 0) -> None:
        super().__init__(says)
        self.line = line


@dataclass(frozen=True, slots=True)
class Thing:
    """One object. `file` and `line` are where it begins; line 0 where the form has none.

    `ends` is false where the form (lines of text) can't show that objects behind this one are missing.
    """

    properties: Mapping[str, Value]
    file: str = ""
    line: int = 0
    ends: bool = True

    def has(self, *names: str) -> bool:
        """True where all these properties are there, null or not."""
        return all(name.lower() in self.properties for name in names)

    def get(self, name: str) -> Value:
        """The value; None where it is null or not there."""
        return self.properties.get(name.lower())

    def origin(self, what: str = "") -> Origin:
        """Where it stands, with the name of a property."""
        return Origin(self.file, self.line, what)


def as_text(value: Value) -> str:
    """One value as text; "" for null, and for a list (see `as_texts`)."""
    match value:
        case bool():
            return "True" if value else "False"
        case int():
            return str(value)
        case str():
            return value
        case Nested():
            return value.text
        case _:
            return ""


def as_texts(value: Value) -> tuple[str, ...]:
    """The items of a list as text, one level deep; a single value is a list of one, null and "" are none."""
    if isinstance(value, tuple):
        return tuple(text for text in map(as_text, value) if text)
    text = as_text(value)
    return (text,) if text else ()


def as_bool(value: Value) -> bool | None:
    """True or False; None where it is neither."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return {0: False, 1: True, -1: True}.get(value)
    return {"true": True, "false": False, "$true": True, "$false": False}.get(as_text(value).strip().lower())


def as_int(value: Value) -> int | None:
    """A whole number; None where it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, Nested) and value.number is not None:
        return value.number
    text = as_text(value).strip()
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 18 else None


def is_cut(value: Value) -> bool:
    """True for a list that is not whole, however it says so."""
    if isinstance(value, Cut):
        return True
    last = value[-1] if isinstance(value, tuple) and value else value
    return isinstance(last, str) and last.strip().endswith(ELLIPSES)


def flags(value: Value, names: Mapping[str, int]) -> tuple[int, tuple[str, ...]] | None:
    """An enumeration of flags as one number, and the words that are not in `names` (lower case); None for no value."""
    number = as_int(value)
    if number is not None:
        return number, ()
    words = [word.strip() for text in as_texts(value) for word in text.split(",") if word.strip()]
    if not words:
        return None
    known = [names[word.lower()] for word in words if word.lower() in names]
    total = 0
    for one in known:
        total |= one
    return total, tuple(word for word in words if word.lower() not in names)


def lowered(pairs: Iterator[tuple[str, Value]]) -> dict[str, Value]:
    """Properties by their names in lower case; of two of one name the first stays."""
    made: dict[str, Value] = {}
    for name, value in pairs:
        made.setdefault(name.lower(), value)
    return made
