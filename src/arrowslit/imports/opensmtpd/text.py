"""smtpd.conf as statements: words with their places, macros put in, included files read.

A statement ends with its line, unless braces are open or a backslash stands last. `#` starts a comment. Source:
smtpd.conf(5). Never raises; limits on depth and number keep macros and files that name each other from growing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from arrowslit.imports.imported import Imported, Origin, Source
from arrowslit.imports.names import file_of

_DEEPEST: Final = 8
_MOST: Final = 500_000
_ALONE: Final = frozenset("{},=!")


@dataclass(frozen=True, slots=True)
class Word:
    """`quoted` words are never one of the signs and never a keyword's place-holder."""

    text: str
    origin: Origin
    quoted: bool = False


Statement = list[Word]


def statements(source: Source, others: Sequence[Source], found: Imported, used: set[str]) -> list[Statement]:
    """All statements of the file, with those of the files that it includes in their place."""
    return list(_Reader(others, found, used).read(source, 0))


class _Reader:
    def __init__(self, others: Sequence[Source], found: Imported, used: set[str]) -> None:
        self.others, self.found, self.used = others, found, used
        self.macros: dict[str, list[Word]] = {}
        self.left = _MOST

    def read(self, source: Source, depth: int) -> Iterator[Statement]:
        for statement in _split(source):
            words = [word for one in statement for word in self._put_in(one)]
            if len(words) > 2 and words[1] == Word("=", words[1].origin) and words[0].text.isidentifier():
                self.macros[words[0].text] = words[2:]
            elif len(words) == 2 and words[0].text == "include":
                yield from self._include(words[1], depth)
            elif words:
                yield words

    def _put_in(self, word: Word) -> list[Word]:
        self.left -= 1
        if self.left < 0:
            return []
        if word.text.startswith("$") and not word.quoted:
            return [Word(one.text, word.origin, one.quoted) for one in self.macros.get(word.text[1:], [])]
        return [word]

    def _include(self, word: Word, depth: int) -> Iterator[Statement]:
        source = file_of(word.text, self.others)
        if source is None or depth >= _DEEPEST:
            says = "the included file was not given: what it says is not known"
            self.found.leave(word.origin, f"include {word.text}", says, "give the file too", widens=True)
            return
        self.used.add(source.name)
        yield from self.read(source, depth + 1)


def _split(source: Source) -> Iterator[Statement]:
    made: Statement = []
    depth, goes_on = 0, False
    for number, line in enumerate(source.text.splitlines(), 1):
        for word in _words(line, Origin(source.name, number)):
            if word.text == "\\" and not word.quoted:
                continue
            if not word.quoted:
                depth = max(0, depth + (word.text == "{") - (word.text == "}"))
            made.append(word)
        goes_on = line.rstrip().endswith("\\")
        if depth == 0 and not goes_on and made:
            yield made
            made = []
    if made:
        yield made


def _words(line: str, origin: Origin) -> Iterator[Word]:
    at = 0
    while at < len(line):
        sign = line[at]
        if sign == "#":
            return
        if sign == '"':
            text, at = _quoted(line, at + 1)
            yield Word(text, origin, quoted=True)
        elif sign in _ALONE:
            yield Word(sign, origin)
            at += 1
        elif sign.isspace():
            at += 1
        else:
            end = at
            while end < len(line) and not line[end].isspace() and line[end] not in '{},=!#"':
                end += 1
            yield Word(line[at:end], origin)
            at = end


def _quoted(line: str, at: int) -> tuple[str, int]:
    made: list[str] = []
    while at < len(line) and line[at] != '"':
        if line[at] == "\\" and line[at + 1 : at + 2] in {'"', "\\"}:
            at += 1
        made.append(line[at])
        at += 1
    return "".join(made), at + 1
