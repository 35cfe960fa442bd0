"""Text of strangers, made fit to stand in a TOML document: in a string, in a comment, in the name of a table.

A foreign settings file is not ours to trust: a note may hold quotes, line ends, signs that turn the direction of
writing, octets that are no text. What can't be shown is shown as its code; what is too long is cut. Never drops a
sign without a mark in its place.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

_LONGEST: Final = 300
_NAME_LONGEST: Final = 60
_NAME_SIGNS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-")
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\"}


def shown(text: str, longest: int = _LONGEST) -> str:
    """`text` in one line of signs that can be shown; cut with "..." after `longest` signs."""
    cut = text[:longest]
    made = "".join(sign if sign.isprintable() else f"\\u{{{ord(sign):x}}}" for sign in cut)
    return made + "..." if len(text) > longest else made


def quoted(text: str, longest: int = 20 * _LONGEST) -> str:
    """A TOML string of what `shown` gives."""
    return '"' + "".join(_ESCAPES.get(sign, sign) for sign in shown(text, longest)) + '"'


def comment(text: str, longest: int = 4 * _LONGEST) -> str:
    """A comment, from its sign on, that ends where the line ends."""
    return f"# {shown(text, longest)}".rstrip()


def name_from(text: str, taken: Container[str] = (), otherwise: str = "list") -> str:
    """A name for a table, made from what somebody called a thing: small letters, digits, "-" and "_".

    `otherwise` stands where nothing is left of it; a number is put behind a name that is `taken`.
    """
    plain = "".join(sign if sign in _NAME_SIGNS else "-" for sign in text.lower()[:_NAME_LONGEST])
    base = plain.strip("-_") or otherwise
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}-{number}"
    return name
