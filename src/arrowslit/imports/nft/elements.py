"""What stands on the right side of a match: one value, several, or a set by name.

Terms: an *element* is one value as JSON has it, with what its set says of it. `Named` holds the sets, maps and limits
of one table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from arrowslit.imports.firewall.conditions import Condition

Json: TypeAlias = Any
"""A value of the file, of any shape: whoever takes it looks first."""

EVERYTHING: Final = "*"


class NotUnderstoodError(ValueError):
    """What is not understood, to an administrator."""


@dataclass(frozen=True, slots=True)
class Element:
    """One value; `timed` where it goes at a certain time."""

    value: Json
    note: str = ""
    timed: bool = False


@dataclass(slots=True)
class ElementSet:
    """A named set; `made` keeps the conditions that came of it."""

    name: str
    elements: tuple[Element, ...]
    made: dict[str, Condition] = field(default_factory=dict)


@dataclass(slots=True)
class Named:
    """What the rules of one table may name."""

    sets: dict[str, ElementSet] = field(default_factory=dict)
    maps: dict[str, list[Json]] = field(default_factory=dict)
    limits: dict[str, Mapping[str, Json]] = field(default_factory=dict)


def element(value: Json) -> Element:
    """One value of a set, out of its wrapping."""
    if isinstance(value, dict) and isinstance(inner := value.get("elem"), dict) and "val" in inner:
        note = inner.get("comment", "")
        timed = bool(inner.get("timeout") or inner.get("expires"))
        return Element(inner["val"], note if isinstance(note, str) else "", timed)
    return Element(value)


def elements(values: Json) -> tuple[Element, ...]:
    """All values of a set; a single one where it is no list. Raises NotUnderstoodError where it is nothing."""
    if values is None:
        return ()
    return tuple(element(one) for one in values) if isinstance(values, list) else (element(values),)


def right_side(right: Json, named: Named) -> ElementSet:
    """The values that a match compares with. Raises NotUnderstoodError for a set that is not there."""
    if isinstance(right, str) and right.startswith("@"):
        if right[1:] not in named.sets:
            raise NotUnderstoodError(f"the set {right} is not in the file")
        return named.sets[right[1:]]
    if isinstance(right, dict) and "set" in right:
        return ElementSet("", elements(right["set"]))
    return ElementSet("", elements(right))


def pairs(data: Json, named: Named) -> list[tuple[Element, Json]]:
    """Keys and values of a map, as they stand or by name. Raises NotUnderstoodError where it is none."""
    if isinstance(data, str) and data.startswith("@"):
        if data[1:] not in named.maps:
            raise NotUnderstoodError(f"the map {data} is not in the file")
        found: Sequence[Json] = named.maps[data[1:]]
    elif isinstance(data, dict) and isinstance(data.get("set"), list):
        found = data["set"]
    else:
        raise NotUnderstoodError("the map is not understood")
    return [_pair(one) for one in found]


def _pair(one: Json) -> tuple[Element, Json]:
    if isinstance(one, list) and len(one) == 2:
        return element(one[0]), one[1]
    raise NotUnderstoodError("an entry of the map is not understood")
