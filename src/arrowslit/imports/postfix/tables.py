"""Tables: the rows of a file, or of a table written in place, with the place of each.

Terms: an *indexed* table (hash, btree, lmdb, cdb, texthash, inline, ...) has keys, of which the longest that fits
counts; a *cidr* or *patterns* table is gone through from the top. A row's `action` is its text. Indexed tables are read
from their source text, the file that `postmap` is given. Tables that are asked somewhere (ldap, mysql, ...) are not
here. Sources: access(5), cidr_table(5), regexp_table(5), DATABASE_README.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from arrowslit.imports.imported import Origin, Source
from arrowslit.imports.names import file_of
from arrowslit.imports.patterns import Shape, shapes
from arrowslit.imports.postfix.text import logical_lines, unbraced
from arrowslit.imports.postfix.values import words
from arrowslit.imports.spaces import EMPTY
from arrowslit.mail.address_range import parse_range
from arrowslit.mail.address_set import AddressSet

INDEXED: Final = frozenset({"hash", "btree", "dbm", "sdbm", "cdb", "lmdb", "texthash", "inline"})
PATTERNS: Final = frozenset({"regexp", "pcre"})


@dataclass(frozen=True, slots=True)
class Row:
    """`key` is in small letters. `addresses` are those of a cidr row; `shapes` those of a pattern, None where it is
    not understood. `negated` rows match what their pattern does not.
    """

    key: str
    action: str
    origin: Origin
    addresses: AddressSet = EMPTY
    shapes: tuple[Shape, ...] | None = ()
    negated: bool = False
    understood: bool = True


@dataclass(slots=True)
class Table:
    """`kind` is "indexed", "cidr", "patterns" or "static"; `rows` in their order, the keys of an indexed one too."""

    kind: str
    text: str
    rows: list[Row] = field(default_factory=list)
    keys: dict[str, Row] = field(default_factory=dict)
    partition: list[tuple[Row, AddressSet]] | None = None
    """Which action is the answer for which addresses, once somebody has worked it out."""


class Tables:
    """Finds and reads tables by what they are called; each is read once."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = sources
        self.used: set[str] = set()
        self._read: dict[str, Table | None] = {}

    def table(self, text: str, origin: Origin) -> Table | None:
        """The table called `text` ("cidr:/etc/postfix/clients"); None where its rows are not to be had."""
        if text not in self._read:
            self._read[text] = self._made(text, origin)
        return self._read[text]

    def file(self, path: str) -> Source | None:
        """The file of that path among those given: by its whole name, else by the end of it."""
        best = file_of(path, self.sources)
        if best is not None:
            self.used.add(best.name)
        return best

    def _made(self, text: str, origin: Origin) -> Table | None:
        text = text.removeprefix("proxy:")
        kind, mark, place = text.partition(":")
        if not mark:
            return None
        if kind == "static":
            row = Row("", unbraced(place), origin, shapes=(Shape("everything"),))
            return Table("static", text, [row])
        if place.startswith("{"):
            lines = [(origin, unbraced(one)) for one in words(unbraced(place))]
        else:
            source = self.file(place)
            if source is None:
                return None
            lines = [(Origin(source.name, number), line) for number, line in logical_lines(source.text)]
        if kind in INDEXED:
            return _indexed(text, lines, equals=kind == "inline")
        if kind == "cidr":
            return Table("cidr", text, list(_cidr(lines)))
        return Table("patterns", text, list(_patterns(lines))) if kind in PATTERNS else None


def _indexed(text: str, lines: list[tuple[Origin, str]], *, equals: bool) -> Table:
    made = Table("indexed", text)
    for origin, line in lines:
        key, _, action = line.partition("=") if equals else _first_word(line)
        key = key.strip().strip('"').lower()
        row = Row(key, action.strip(), origin)
        made.rows.append(row)
        made.keys.setdefault(key, row)
    return made


def _first_word(line: str) -> tuple[str, str, str]:
    found = line.split(None, 1)
    return found[0], " ", found[1] if len(found) > 1 else ""


def _cidr(lines: list[tuple[Origin, str]]) -> Iterator[Row]:
    """Rows between `if` and `endif` are told as not understood, as is what has bits set behind the prefix."""
    depth = 0
    for origin, line in lines:
        key, _, action = _first_word(line)
        word = key.lower()
        if word in {"if", "endif"}:
            depth = max(0, depth + (1 if word == "if" else -1))
            continue
        negated = key.startswith("!")
        try:
            found = parse_range(key.removeprefix("!").strip("[]").replace("[", "").replace("]", ""))
        except ValueError:
            yield Row(key, action, origin, understood=False)
            continue
        addresses = AddressSet.from_ranges([(found.first, found.last)])
        wrong = depth > 0 or found.host_bits or "-" in key or "," in key
        yield Row(key, action, origin, addresses, negated=negated, understood=not wrong)


def _patterns(lines: list[tuple[Origin, str]]) -> Iterator[Row]:
    depth = 0
    for origin, line in lines:
        word = line.split(None, 1)[0].lower()
        if word == "endif":
            depth = max(0, depth - 1)
            continue
        if word.startswith("if") and word[2:3] in {"", "/", "!"}:
            depth += 1
            continue
        negated = line.startswith("!")
        body = line.removeprefix("!").lstrip()
        pattern, action = _delimited(body)
        found = None if depth or pattern is None else shapes(pattern)
        yield Row(body if pattern is None else pattern, action, origin, EMPTY, found, negated, found is not None)


def _delimited(line: str) -> tuple[str | None, str]:
    """`/pattern/flags action`; None for the pattern where it has flags that change what it matches."""
    sign, at = line[:1], 1
    while at < len(line) and line[at] != sign:
        at += 2 if line[at] == "\\" else 1
    if at >= len(line):
        return None, ""
    rest = line[at + 1 :]
    end = next((place for place, one in enumerate(rest) if not one.isalpha()), len(rest))
    pattern = line[1:at].replace("\\" + sign, sign) if sign == "/" else line[1:at]
    return (None if set(rest[:end]) - {"i"} else pattern), rest[end:].strip()
