"""How a setting is declared: kind, meaning and default stand in the metadata of the field itself.

Never reads a value; `documents.reader` and `documents.reference` look at the same declaration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass
from pathlib import Path
from typing import Any, cast

from arrowslit.documents.kinds import Kind

_KEY = "arrowslit"


@dataclass(frozen=True, slots=True)
class Declaration:
    """`default` is the default in words, where the value itself would not say it; `required` needs no default."""

    kind: Kind
    doc: str
    default: str = ""
    required: bool = False


def declared(kind: Kind, doc: str, default: str = "", *, required: bool = False) -> Mapping[str, Declaration]:
    """Metadata for `dataclasses.field`."""
    return {_KEY: Declaration(kind, doc, default, required)}


def declaration(of: Field[Any]) -> Declaration | None:
    """The declaration of a field, None where it is no setting but a table."""
    return cast("Declaration | None", of.metadata.get(_KEY))


def default_text(of: Field[Any]) -> str:
    """The default as the reference says it, in TOML or in words; empty where the setting is required."""
    made = declaration(of)
    if made is None or made.required:
        return ""
    if made.default or of.default is MISSING:
        return made.default
    value = of.default
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:_}`" if isinstance(value, int) else f'`"{value}"`' if isinstance(value, str | Path) else str(value)
