"""Adds an enforcement point to a settings file, and leaves every other character of the text as it is.

The result is loaded as the settings would be before it takes the file's place: what would not load is refused, and the
file stays as it was. A file that changed meanwhile is not overwritten.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from arrowslit.documents.atomic import write_atomically
from arrowslit.documents.files import Placed
from arrowslit.documents.settings_file import load_settings

Value = str | bool | Sequence[str] | Sequence[int]
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


class PointEditError(Exception):
    """The point can't be added; `findings` say what would be wrong, where that is it."""

    def __init__(self, message: str, findings: tuple[Placed, ...] = ()) -> None:
        super().__init__(message)
        self.findings = findings


def add_point(path: Path, name: str, values: Mapping[str, Value]) -> None:
    """Write `[enforcement_points.NAME]` at the end of the settings. Raises PointEditError and OSError."""
    text = path.read_text("utf-8")
    loaded = load_settings(path)
    if loaded.settings is None:
        raise PointEditError(f"{path} does not load as it is", loaded.findings)
    if name in loaded.settings.enforcement_points:
        raise PointEditError(f"{path} has an enforcement point {name} already: change it there")
    key = name if _BARE.fullmatch(name) else _string(name)
    lines = "".join(f"{word} = {_value(value)}\n" for word, value in values.items())
    result = f"{text.rstrip(chr(10))}\n\n[enforcement_points.{key}]\n{lines}"
    _check(path, result)
    if path.read_text("utf-8") != text:
        raise PointEditError(f"{path} was changed meanwhile: nothing was written")
    write_atomically(path, result.encode(), path.stat().st_mode & 0o777)


def _check(path: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", suffix=".toml") as file:
        file.write(text)
        file.flush()
        loaded = load_settings(Path(file.name))
    if loaded.settings is None:
        raise PointEditError(f"{path} would not load with it: nothing was written", loaded.findings)


def _value(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    return f"[{', '.join(_string(one) if isinstance(one, str) else str(one) for one in value)}]"


def _string(text: str) -> str:
    """A basic string of TOML, whose escapes are those of JSON."""
    return json.dumps(text)
