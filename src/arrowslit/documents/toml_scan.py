"""Looks at a text that is not TOML: what is still open at some place, what a line looks like, where words end.

Offsets count characters from 0; spans are as in `policy.tree`. Never raises: the text may be anything.
"""

from __future__ import annotations

import re
from typing import Final

from arrowslit.policy.tree import Span

TOKEN_ENDS: Final = frozenset(" \t\r\n,=[]{}#\"'")
_HEADER = re.compile(r"\[\[?[\w.\-\"' ]+\]\]?[ \t]*(?:#|$)", re.MULTILINE)
_SETTING = re.compile(r"[\w.\-\"' ]+=")


# What is still open.


def still_open(text: str, offset: int) -> int | None:
    """Where the innermost string or bracket starts that is open before `offset`."""
    opened: list[int] = []
    at = 0
    while at < offset:
        character = text[at]
        if character == "#":
            at = find(text, "\n", at)
        elif character in "\"'":
            end = string_end(text, at)
            if end > offset or end < 0:
                return at
            at = end
        elif opened and is_header(text, at):
            break  # nobody writes an item so: the bracket before it was forgotten
        else:
            at += 1
            if character in "[{":
                opened.append(at - 1)
            elif character in "]}" and opened:
                opened.pop()
    return opened[-1] if opened else None


def string_end(text: str, start: int) -> int:
    """Behind the closing quote of the string at `start`, or -1; a string of one line ends with its line."""
    quote = text[start]
    mark = quote * 3 if text.startswith(quote * 3, start) else quote
    at = start + len(mark)
    while at < len(text):
        if text[at] == "\\" and quote == '"':
            at += 2
        elif text.startswith(mark, at):
            return at + len(mark)
        elif text[at] == "\n" and len(mark) == 1:
            return -1
        else:
            at += 1
    return -1


def find(text: str, what: str, start: int) -> int:
    """Where `what` is next, or the text's end."""
    found = text.find(what, start)
    return len(text) if found < 0 else found


def starts_statement(text: str, offset: int, opened: int) -> bool:
    """Whether the line at `offset` is a header, or looks like a new setting rather than another item."""
    start = text.rfind("\n", 0, offset) + 1
    if opened < start and is_header(text, start):
        return True
    return not text[start:offset].strip() and _SETTING.match(text, offset) is not None


def is_header(text: str, at: int) -> bool:
    """Whether a line starts at `at` that is a table's header."""
    return text.startswith("[", at) and text[at - 1 : at] == "\n" and _HEADER.match(text, at) is not None


def behind_value(text: str, offset: int) -> bool:
    """Whether a value stands before `offset` in its line."""
    before = text[text.rfind("\n", 0, offset) + 1 : offset].rstrip()
    return bool(before) and before[-1] not in "=,[{"


def in_token(text: str, offset: int) -> bool:
    """Whether `offset` is in the middle of a word, so that tomllib took its start for a number."""
    return 0 < offset < len(text) and text[offset - 1] not in TOKEN_ENDS and text[offset] not in TOKEN_ENDS


# Places.


def span_of(text: str, start: int, end: int) -> Span:
    """Of one line; at least one column wide."""
    line_start = text.rfind("\n", 0, start) + 1
    line = text.count("\n", 0, start) + 1
    column = start - line_start + 1
    return Span(line, column, line, column + max(end - start, 1))


def here(text: str, offset: int) -> Span:
    """The one character at `offset`."""
    return span_of(text, offset, offset + 1)


def token(text: str, start: int) -> Span:
    """The word or the string that starts at `start`."""
    if text[start : start + 1] in ('"', "'"):
        end = string_end(text, start)
        if 0 < end <= find(text, "\n", start):
            return span_of(text, start, end)
    end = start
    while end < len(text) and text[end] not in TOKEN_ENDS:
        end += 1
    return span_of(text, start, end)


def to_line_end(text: str, start: int) -> Span:
    """From `start` to the end of its line, without blanks there."""
    end = find(text, "\n", start)
    return span_of(text, start, start + len(text[start:end].rstrip()))


def whole_line(text: str, offset: int) -> Span:
    """The line that `offset` stands in, without blanks around; at a file's end the last line with text."""
    if not text[offset:].strip() and not text[text.rfind("\n", 0, offset) + 1 : offset].strip():
        offset = len(text[:offset].rstrip())
    start = text.rfind("\n", 0, offset) + 1
    line = text[start : find(text, "\n", start)]
    indent = len(line) - len(line.lstrip())
    return span_of(text, start + indent, start + len(line.rstrip()))
