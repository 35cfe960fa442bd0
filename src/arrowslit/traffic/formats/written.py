"""What strangers wrote into a line, as patterns that can't be led astray and can't blow up.

A path between angle brackets may hold a quoted local part with anything in it (RFC 5321, 4.1.2), brackets and field
names too: only a pattern that knows of quotes finds its end. A path that is no such path doesn't match.
"""

from __future__ import annotations

import re
from typing import Final

QUOTED: Final = r'"(?:[^"\\]|\\.)*+"'
ITEM: Final = rf'(?:{QUOTED}|[^\s"<>])'
"""One quoted string, or one character of a path outside of quotes."""
ADDRESS: Final = r"\[(?:IPv6:)?(?P<address>[0-9A-Fa-f.:]{2,45})\]"
"""An address between square brackets."""
_LIST: Final = re.compile(rf"{ITEM}++(?: {ITEM}++)*+")
_ONE: Final = re.compile(rf"{ITEM}++")
_PAIR: Final = re.compile(r"\\(.)", re.DOTALL)


def path(name: str) -> str:
    """The pattern of a path in angle brackets; the group `name` is what stands between them."""
    return rf"<(?P<{name}>{ITEM}*+)>"


def paths_in(text: str) -> list[str] | None:
    """The paths of a list with single blanks between them; None where it is none, or one has no domain."""
    if _LIST.fullmatch(text) is None:
        return None
    found = _ONE.findall(text)
    return found if all("@" in one for one in found) else None


def unquoted(text: str) -> str:
    """A path without the quotes of its local part, as some servers show it."""
    if not text.startswith('"'):
        return text
    local, at, domain = text.rpartition('"@')
    return _PAIR.sub(r"\1", local[1:]) + "@" + domain if at else text
