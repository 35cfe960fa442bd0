"""Says in plain words, with a place, why a text is not TOML and what to write instead.

tomllib tells what it missed and where it noticed; that is often behind the mistake (an unclosed bracket is noticed in
the next line). So the text up to there is scanned for what is still open, and the line is looked at for the usual
slips. Text of the file that is shown is cut short, and what is not printable is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from arrowslit.documents.toml_scan import (
    TOKEN_ENDS,
    behind_value,
    find,
    here,
    in_token,
    starts_statement,
    still_open,
    to_line_end,
    token,
    whole_line,
)
from arrowslit.policy.tree import Span

_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_DATE = re.compile(r"\d{4}-\d\d-\d\d|\d\d:\d\d")
_LEADING_ZERO = re.compile(r"[+-]?0[0-9_]+")
_ESCAPE_WORDS: Final = ("scape", "hex", "scalar")
_NO_ITEM: Final = ("]", "}", ":", "=")
_TYPOGRAPHIC: Final = frozenset("\u201c\u201d\u201e\u2018\u2019\u201a\xab\xbb`")
_SHOWN: Final = 40
_BOOLEANS: Final = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}


class TomlError(Exception):
    """The text is not TOML; `message` says what is wrong and what to write instead, `span` where."""

    def __init__(self, message: str, span: Span) -> None:
        self.message = "".join([c if c.isprintable() else c.encode("unicode_escape").decode() for c in message])
        super().__init__(self.message)
        self.span = span


def explain_refusal(text: str, refusal: str) -> TomlError:
    """The error to show for tomllib's `refusal` of `text`."""
    text = text.replace("\r\n", "\n")
    place = _PLACE.search(refusal)
    offset = len(text)
    if place is not None and place[1] is not None:
        offset = _offset(text, int(place[1]), int(place[2]))
    said = refusal[: place.start()] if place else refusal
    return _explain(text, min(offset, len(text)), said)


def _offset(text: str, line: int, column: int) -> int:
    start = 0
    for _ in range(line - 1):
        start = text.index("\n", start) + 1
    return start + column - 1


def _explain(text: str, offset: int, said: str) -> TomlError:
    if text.startswith("\ufeff"):
        return TomlError("the file starts with a byte order mark: save it as UTF-8 without one", Span(1, 1, 1, 2))
    opened = still_open(text, offset)
    if opened is not None:
        unclosed = _unclosed_string if text[opened] in "\"'" else _unclosed_bracket
        if (error := unclosed(text, offset, said, opened)) is not None:
            return error
    explain = next((handler for words, handler in _HANDLERS if any(word in said for word in words)), _bad_value)
    return explain(text, offset)


# What is still open.


def _unclosed_string(text: str, offset: int, said: str, opened: int) -> TomlError | None:
    if any(word in said for word in _ESCAPE_WORDS):
        return None
    several_lines = text[opened : opened + 3] == text[opened] * 3
    if "Illegal" in said and (several_lines or text[offset : offset + 1] not in ("\n", "")):
        return None
    return TomlError("the closing quote is missing", to_line_end(text, opened))


def _unclosed_bracket(text: str, offset: int, said: str, opened: int) -> TomlError | None:
    following = text[offset : offset + 1]
    if text[opened] == "{" and (error := _broken_braces(text, offset, opened)) is not None:
        return error
    if starts_statement(text, offset, opened) or not following or ("Unclosed" in said and following == "\n"):
        close = "]" if text[opened] == "[" else "}"
        message = f"this {text[opened]} is never closed: write {close} behind its last item"
        return TomlError(message, to_line_end(text, opened))
    if "Unclosed" in said and following not in _NO_ITEM and not in_token(text, offset):
        return TomlError("a comma is missing before this", token(text, offset))
    return None


def _broken_braces(text: str, offset: int, opened: int) -> TomlError | None:
    following = text[offset : offset + 1]
    if following in ("\n", "#", "}") and text[:offset].rstrip().endswith(","):
        message = "a table in braces stands on one line, without a comma behind its last item"
        return TomlError(message, here(text, opened))
    if following == "\n":
        message = "a table in braces stands on one line and is closed there: write }"
        return TomlError(message, to_line_end(text, opened))
    return None


# What the line looks like.


def _already_there(text: str, offset: int) -> TomlError:
    return TomlError("this key or table is already there: join the two, or remove one", whole_line(text, offset))


def _bad_escape(text: str, offset: int) -> TomlError:
    message = "a backslash means something else here: write two of them, or put the text in single quotes"
    return TomlError(message, whole_line(text, offset))


def _open_header(text: str, offset: int) -> TomlError:
    message = "this header is not closed: write ] behind the name, ]] for an array of tables"
    return TomlError(message, whole_line(text, offset))


def _bad_character(text: str, offset: int) -> TomlError:
    character = text[offset : offset + 1]
    if character and (character < " " or character == "\x7f"):
        message = f"a control character may not stand here: write it as \\u{ord(character):04X}"
        return TomlError(message, here(text, offset))
    return _no_key(text, offset)


def _no_equals_sign(text: str, offset: int) -> TomlError:
    character = text[offset : offset + 1]
    if character == ":":
        return TomlError("a value follows an equals sign, not a colon: write =", here(text, offset))
    rest = text[offset : find(text, "\n", offset)]
    if character in ("", "\n", "#"):
        return TomlError("a key without a value: write KEY = VALUE", whole_line(text, offset))
    if re.match(r"[\w\-]+[ \t]*=", rest):
        return TomlError("a key that holds a blank stands in quotes", whole_line(text, offset))
    if character.isalnum() or character in "\"'[{-+":
        return TomlError("the equals sign is missing: write KEY = VALUE", whole_line(text, offset))
    return TomlError(f"{_shown(character)} may not stand in a key: put the key in quotes", whole_line(text, offset))


def _no_key(text: str, offset: int) -> TomlError:
    character = text[offset : offset + 1]
    if character == "=":
        return TomlError("the key is missing before the equals sign", whole_line(text, offset))
    if character == "]" and text[text.rfind("\n", 0, offset) + 1 : offset].lstrip().startswith("["):
        return TomlError("the name of a table is missing in this header", whole_line(text, offset))
    if character in ("]", "}", ")", ","):
        return TomlError(f"nothing was opened that this {character} could close or go on with", here(text, offset))
    if character in ("", "\n"):
        return TomlError("a name is missing here", whole_line(text, offset))
    return TomlError(
        f"no key starts with {_shown(character)}: put the key in quotes, a remark behind #", token(text, offset)
    )


def _bad_value(text: str, offset: int) -> TomlError:
    start = offset
    while start and text[start - 1] not in TOKEN_ENDS:
        start -= 1
    span = token(text, start)
    word = text[start : start + span.end_column - span.column]
    if not word or text[start] in "#\n":
        return TomlError("the value is missing", whole_line(text, offset))
    if start == offset and word.lower() not in _BOOLEANS and behind_value(text, offset):
        return TomlError("one setting a line: this stands behind the value", to_line_end(text, offset))
    return TomlError(_about_word(word), span)


def _about_word(word: str) -> str:
    """What to say of a word that is no value."""
    shown = _shown(word)
    if word.lower() in _BOOLEANS:
        said = f"{shown} is no value: write {_BOOLEANS[word.lower()]}"
    elif _LEADING_ZERO.fullmatch(word):
        said = f"a number does not start with 0: write {word.lstrip('+-0_') or 0}, or put it in quotes"
    elif word[0] in "[]{}=,":
        said = f"a value is missing before {shown}"
    elif _DATE.match(word):
        said = f"{shown} is no day or time of the calendar: correct it, or put it in quotes"
    elif word[0] in _TYPOGRAPHIC:
        said = f'the quotes around {shown} are of the wrong kind: write " before and behind'
    else:
        said = f'{shown} is no value: put it in quotes, "{word[:_SHOWN]}"'
    return said


_HANDLERS: Final[tuple[tuple[tuple[str, ...], Callable[[str, int], TomlError]], ...]] = (
    (("twice", "overwrite", "mutate", "Duplicate"), _already_there),
    (_ESCAPE_WORDS, _bad_escape),
    (("invalid character", "Illegal character"), _bad_character),
    (("Expected ']",), _open_header),
    (("Expected '='",), _no_equals_sign),
    (("Invalid statement", "Invalid initial"), _no_key),
)
"""By words of tomllib's refusal, the first that fits; anything else is about a value."""


# Places.


def _shown(word: str) -> str:
    return f"'{word[:_SHOWN]}{'...' if len(word) > _SHOWN else ''}'"
