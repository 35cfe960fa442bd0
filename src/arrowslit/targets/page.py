"""A page for people, apart from the language that it is written in: headings, paragraphs, lists and tables.

Terms: a *line* is our own words, in which `exact values` and *names on a screen* are marked, with texts of the policy
between them. What a policy says is always a `Said`, never part of our words: the renderers make it harmless.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

_LONGEST: Final = 300


@dataclass(frozen=True, slots=True)
class Said:
    """A text of the policy: a note, a description, a name. Anything may stand in it."""

    text: str

    @property
    def shown(self) -> str:
        """One line of it, with a question mark for what can't be seen or would turn the direction of writing."""
        kept = "".join(c if c.isprintable() else "?" for c in self.text[: _LONGEST + 1])
        return kept if len(kept) <= _LONGEST else kept[:_LONGEST] + "..."


@dataclass(frozen=True, slots=True)
class Exact:
    """What is typed or read exactly as it stands: an address, a port, a command."""

    text: str


@dataclass(frozen=True, slots=True)
class Named:
    """A name on somebody's screen: a menu, a field, a button."""

    text: str


Line: TypeAlias = str | Said | tuple[str | Said, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading below the title."""

    text: str
    level: int = 2


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Some sentences; `urgent` ones must not be passed over."""

    line: Line
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Points:
    """A list: `steps` have an order, `boxes` are ticked off."""

    lines: tuple[Line, ...]
    steps: bool = False
    boxes: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that are about one thing. `more` is said once, not with each row."""

    about: Line
    rows: tuple[tuple[str, ...], ...]
    more: Line = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of exact values, in groups. `of` is what the groups are."""

    caption: str
    head: tuple[str, ...]
    groups: tuple[Group, ...]
    of: str


Block: TypeAlias = Heading | Paragraph | Points | Table


@dataclass(frozen=True, slots=True)
class Page:
    """The whole."""

    title: str
    blocks: tuple[Block, ...]


_MARKED: Final = re.compile(r"`([^`]*)`|\*([^*]*)\*")


def pieces(line: Line) -> Iterator[str | Said | Exact | Named]:
    """The parts of a line, with the marks in our own words resolved."""
    for part in line if isinstance(line, tuple) else (line,):
        if isinstance(part, Said):
            yield part
        else:
            yield from _resolved(part)


def _resolved(words: str) -> Iterator[str | Exact | Named]:
    at = 0
    for found in _MARKED.finditer(words):
        if found.start() > at:
            yield words[at : found.start()]
        yield Named(found[2]) if found[1] is None else Exact(found[1])
        at = found.end()
    if at < len(words):
        yield words[at:]
