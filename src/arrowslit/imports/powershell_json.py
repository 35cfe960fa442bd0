"""Objects of PowerShell as `ConvertTo-Json` writes them: one object, or an array of them.

Windows PowerShell writes an array within at times as `{"value": [...], "Count": n}`; it is the array. A name that
comes twice in one object is refused: which one counts can't be told. Line numbers are not known here.
"""

from __future__ import annotations

import json
from typing import Any, Final

from arrowslit.imports.things import MAX_ITEMS, Nested, Thing, ThingsError, Value

MAX_TEXT: Final = 16 * 1024 * 1024
MAX_VALUES: Final = 2_000_000
"""Values of all objects together, as far as their commas and brackets tell."""
_TEXTS: Final = ("Expression", "DisplayName", "Name", "Value")


def is_json(text: str) -> bool:
    """True where the text begins like an object or an array of objects."""
    start = text[:200].lstrip("\ufeff \r\n\t")
    return start.startswith("{") or (start.startswith("[") and start[1:].lstrip()[:1] in {"{", "]"})


def read_json(text: str, file: str) -> list[Thing]:
    """The objects. Raises ThingsError."""
    if len(text) > MAX_TEXT:
        raise ThingsError(
            f"the file is longer than {MAX_TEXT // (1024 * 1024)} million characters: export less at a time"
        )
    if sum(map(text.count, ",[{")) > MAX_VALUES:
        raise ThingsError(f"it holds more than {MAX_VALUES} values: export less at a time")
    try:
        read = json.loads(text.lstrip("\ufeff \r\n\t"), object_pairs_hook=_pairs, parse_constant=_none, parse_float=str)
    except RecursionError:
        raise ThingsError("its brackets are nested deeper than any export") from None
    except json.JSONDecodeError as error:
        raise ThingsError(f"it is no complete JSON: {error.msg}", error.lineno) from None
    except ValueError as error:
        raise ThingsError(f"it is no JSON of an export: {error}") from None
    found = read if isinstance(read, list) else [read]
    if len(found) > MAX_ITEMS:
        raise ThingsError(f"it holds more than {MAX_ITEMS} objects")
    return [Thing({name: _value(one) for name, one in each.items()}, file) for each in found if isinstance(each, dict)]


def _none(_text: str) -> None:
    return None


def _pairs(pairs: list[tuple[str, Any]]) -> Any:
    made: dict[str, Any] = {}
    for name, value in pairs:
        if name.lower() in made:
            raise ValueError(f"{name[:100]!r} stands twice in one object")
        made[name.lower()] = value
    if set(made) == {"value", "count"} and isinstance(made["value"], list):
        return made["value"]
    return made


def _value(read: Any) -> Value:
    """Two levels: an object or a list in a property, and the objects in such a list."""
    if isinstance(read, list):
        return tuple(_plain(one) for one in read)
    return _plain(read)


def _plain(read: Any) -> Value:
    if isinstance(read, dict):
        properties = {name: one for name, one in read.items() if one is None or isinstance(one, bool | int | str)}
        text = next((properties[name.lower()] for name in _TEXTS if isinstance(properties.get(name.lower()), str)), "")
        return Nested(str(text), None, properties)
    return read if read is None or isinstance(read, bool | int | str) else ""
