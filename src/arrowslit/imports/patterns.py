"""Regular expressions of tables, as far as it can be said exactly what they match.

Carried: whole texts, beginnings and endings at a dot or an at sign, alternatives, small classes, "everything", and
addresses whose local part routes. Each becomes *shapes*; a pattern that is none of them is not understood (None), and
so is its row. Nothing is ever matched as a regular expression here, so none can take long. Sources: regexp_table(5) and
pcre_table(5) of Postfix, table(5) of OpenSMTPD.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_MOST: Final = 300
_LONGEST: Final = 2_000
_SMALL: Final = 4
_ROUTES: Final = frozenset("%!@")


@dataclass(frozen=True, slots=True)
class Shape:
    """`kind` is "exact", "ending", "beginning", "everything" or "routes"; texts are in small letters.

    An ending begins with "@" or "." or is met at a dot; "routes" matches a local part that holds one of the signs of
    `text` before its last at sign.
    """

    kind: str
    text: str = ""

    def matches(self, text: str) -> bool:
        """Whether `text`, in small letters, is matched."""
        if self.kind == "exact":
            return text == self.text
        if self.kind == "ending":
            return text.endswith(self.text) and len(text) > len(self.text)
        if self.kind == "beginning":
            return text.startswith(self.text)
        return self.kind == "everything" or any(sign in text.rpartition("@")[0] for sign in self.text)


ANY, START, END = "any", "start", "end"
Token = str | frozenset[str]
"""A sign, a small class, or one of the marks above (which are longer than a sign)."""


class _TooHardError(Exception):
    """The pattern is not one of those that are carried."""


def shapes(pattern: str) -> tuple[Shape, ...] | None:
    """What the pattern matches; None where that can't be said exactly."""
    if len(pattern) > _LONGEST:
        return None
    if pattern == ".":
        return (Shape("everything"),)
    try:
        parser = _Parser(pattern)
        found = parser.alternatives()
        if parser.at != len(pattern):
            return None
        return tuple(dict.fromkeys(_shape(one) for one in found))
    except _TooHardError:
        return None


class _Parser:
    """A pattern written out into alternatives, each a row of tokens without choices."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.depth = text, 0, 0

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def alternatives(self) -> list[list[Token]]:
        self.depth += 1
        if self.depth > 10:
            raise _TooHardError
        found = self._row()
        while self._peek() == "|":
            self.at += 1
            found += self._row()
            if len(found) > _MOST:
                raise _TooHardError
        self.depth -= 1
        return found

    def _row(self) -> list[list[Token]]:
        rows: list[list[Token]] = [[]]
        while self._peek() not in {"", "|", ")"}:
            choices = self._repeated(self._atom())
            rows = [row + choice for row in rows for choice in choices]
            if len(rows) > _MOST:
                raise _TooHardError
        return rows

    def _atom(self) -> list[list[Token]]:
        sign = self._peek()
        self.at += 1
        if sign == "^":
            return [[START]]
        if sign == "$":
            return [[END]]
        if sign == "(":
            return self._group()
        if sign == "[":
            return self._class()
        if sign == "\\":
            return self._escape()
        if sign in "*+?{}" or (sign == "." and self._peek() not in {"*", "+"}):
            raise _TooHardError
        return [[ANY]] if sign == "." else [[sign.lower()]]

    def _group(self) -> list[list[Token]]:
        if self._peek() == "?":
            if self.text[self.at : self.at + 2] != "?:":
                raise _TooHardError
            self.at += 2
        found = self.alternatives()
        if self._peek() != ")":
            raise _TooHardError
        self.at += 1
        return found

    def _escape(self) -> list[list[Token]]:
        sign = self._peek()
        self.at += 1
        if not sign or sign.isalnum():
            raise _TooHardError
        return [[sign]]

    def _class(self) -> list[list[Token]]:
        end = self.text.find("]", self.at + 1)
        inner = self.text[self.at : end]
        if end < 0 or "\\" in inner or "-" in inner[1:-1] or "[" in inner:
            raise _TooHardError
        self.at = end + 1
        if inner in {"^@", "^.", "^ "} and self._peek() in {"*", "+"}:
            return [[ANY, frozenset(inner[1])]]
        if inner.startswith("^") or len(inner) > _SMALL:
            raise _TooHardError
        return [[sign.lower()] for sign in inner]

    def _repeated(self, found: list[list[Token]]) -> list[list[Token]]:
        sign = self._peek()
        if sign not in {"*", "+", "?"}:
            if sign == "{":
                raise _TooHardError
            return found
        self.at += 1
        if self._peek() in {"?", "+"}:  # as few, or as many, as can be: it matches the same texts
            self.at += 1
        if sign == "?":
            return [[], *found]
        if len(found) != 1 or found[0][:1] != [ANY]:
            raise _TooHardError
        return found


def _shape(tokens: list[Token]) -> Shape:
    """The shape of one alternative."""
    starts, ends = tokens[:1] == [START], tokens[-1:] == [END]
    body = tokens[1 if starts else 0 : len(tokens) - 1 if ends else len(tokens)]
    if START in body or END in body:
        raise _TooHardError
    if body and body[0] in _ROUTES and not starts and _only_goes_on(body[1:]):
        return Shape("routes", str(body[0]))
    if any(isinstance(token, frozenset) for token in body):
        raise _TooHardError
    text = [str(token) for token in body]
    if text[:1] == [ANY]:
        starts, text = False, text[1:]
    if text[-1:] == [ANY]:
        ends, text = False, text[:-1]
    if text[:1] == ["@"] and len(text) > 2 and text[1] == ANY and text[2] == "." and not starts:
        text = text[2:]  # whatever stands before the dot
    if ANY in text:
        raise _TooHardError
    return _plain("".join(text), starts=starts, ends=ends)


def _only_goes_on(rest: list[Token]) -> bool:
    """Behind the sign only "whatever, an at sign, whatever has none" follows."""
    plain = [token for token in rest if token != ANY and not isinstance(token, frozenset)]
    return bool(rest) and all(token in {"@", END} for token in plain) and "@" in plain


def _plain(text: str, *, starts: bool, ends: bool) -> Shape:
    if not text and not (starts and ends):
        return Shape("everything")
    if starts and ends:
        return Shape("exact", text)
    if ends and text[:1] in {"@", "."} and not text[-1:].isdigit():  # an address ends so too
        return Shape("ending", text)
    if starts and text[-1:] in {"@", ".", ":"}:
        return Shape("beginning", text)
    raise _TooHardError
