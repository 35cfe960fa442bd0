"""Reads the replies of a next hop, strictly and within bounds (RFC 5321 4.2, RFC 2034).

Terms: a *reply* is one or more lines of three digits, "-" (more follow) or a blank (the last), text, CR LF; the last
line may be the code alone. Only CR LF ends a line: a lone CR or LF is malformed, so that no next hop can make one
reply look like two. Text comes out printable: whatever is not is shown as `\\xNN`. Never takes more than
`LINE_OCTETS` a line, `LINES` lines or `REPLY_OCTETS` a reply; and never judges what a code means.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from arrowslit.mail.reply import Reply

LINE_OCTETS: Final = 2048  # with CR LF; RFC 5321 4.5.3.1.5 has 512, longer ones are met
LINES: Final = 100
REPLY_OCTETS: Final = 65_536
WAITING_OCTETS: Final = 1_048_576  # taken in and not looked at: many short replies may come in one piece
_CACHED_OCTETS: Final = 128
_ENHANCED_OCTETS: Final = len("5.999.999")
_BLANK: Final = 0x20
_HYPHEN: Final = 0x2D
_SHORTEST: Final = len(b"250\r\n")


class MalformedReplyError(Exception):
    """The next hop sent what is no reply."""


class ReplyParser:
    """Octets in, replies out. After a `MalformedReplyError` the parser is of no more use."""

    __slots__ = ("_buffer", "_code", "_octets", "_overflow", "_start", "_texts")

    def __init__(self) -> None:
        self._buffer = b""
        self._start = 0
        self._code = b""
        self._texts: list[str] = []
        self._octets = 0
        self._overflow = False

    def receive(self, data: bytes) -> None:
        """Take in octets, ending anywhere. Beyond `WAITING_OCTETS` unread ones `next_reply` raises."""
        if not self._buffer:
            self._buffer = data
        elif len(self._buffer) - self._start + len(data) <= WAITING_OCTETS:
            self._buffer = self._buffer[self._start :] + data
            self._start = 0
        else:
            self._overflow = True

    @property
    def leftover(self) -> bool:
        """True where octets are held that no reply has been made of."""
        return bool(self._buffer) or bool(self._texts)

    def may_become(self, codes: tuple[bytes, ...]) -> bool:
        """Whether what is held could be, or grow into, a reply with one of `codes`."""
        held = self._code or self._buffer[self._start : self._start + 3]
        return any(code.startswith(held) for code in codes)

    def next_reply(self) -> Reply | None:
        """The next whole reply, or None. Raises MalformedReplyError."""
        while (line := self._next_line()) is not None:
            last = line[3] != _HYPHEN
            if last and not self._texts:
                return _single(line) if len(line) <= _CACHED_OCTETS else _make(line[:3], [_text(line)])
            self._add(line)
            if last:
                return self._finish()
        return None

    def _next_line(self) -> bytes | None:
        if self._overflow:
            raise MalformedReplyError("too much at once")
        buffer = self._buffer
        start = self._start
        end = buffer.find(b"\n", start) + 1
        if not end:
            if len(buffer) - start >= LINE_OCTETS:
                raise MalformedReplyError("a line is too long")
            return None
        if not _SHORTEST <= end - start <= LINE_OCTETS:
            raise MalformedReplyError("a line is too long or too short")
        if end == len(buffer):
            self._buffer = b""
            self._start = 0
        else:
            self._start = end
        return buffer[start:end]

    def _add(self, line: bytes) -> None:
        self._octets += len(line)
        if len(self._texts) >= LINES or self._octets > REPLY_OCTETS:
            raise MalformedReplyError("a reply is too long")
        if not self._texts:
            _checked_code(line[:3])
            self._code = line[:3]
        elif line[:3] != self._code:
            raise MalformedReplyError("the lines of a reply differ in their code")
        self._texts.append(_text(line))

    def _finish(self) -> Reply:
        code, texts = self._code, self._texts
        self._code = b""
        self._texts = []
        self._octets = 0
        return _make(code, texts)


@lru_cache(maxsize=512)
def _single(line: bytes) -> Reply:
    # Safe to keep: a reply depends on these octets alone, and only short lines are kept.
    return _make(line[:3], [_text(line)])


def _make(digits: bytes, texts: list[str]) -> Reply:
    code = _checked_code(digits)
    enhanced = _enhanced(code, texts[0])
    if enhanced:
        texts = [_without(enhanced, text) for text in texts]
    return Reply(code, enhanced, tuple(texts))


def _checked_code(digits: bytes) -> int:
    if not digits.isdigit() or not b"2" <= digits[:1] <= b"5":
        raise MalformedReplyError("a reply starts with a code from 200 to 599")
    return int(digits)


def _text(line: bytes) -> str:
    body = line[:-2]
    if line[-2:] != b"\r\n" or b"\r" in body:
        raise MalformedReplyError("only CR LF ends a line")
    if len(body) > 3 and body[3] not in (_BLANK, _HYPHEN):
        raise MalformedReplyError("a blank or a hyphen follows the code")
    return _printable(body[4:])


def _printable(octets: bytes) -> str:
    if octets.isascii() and (text := octets.decode("ascii")).isprintable():
        return text
    return "".join([chr(octet) if 0x20 <= octet < 0x7F else _shown(octet) for octet in octets])


def _shown(octet: int) -> str:
    return " " if octet == 0x09 else f"\\x{octet:02x}"  # a tab is lawful in a reply's text


def _enhanced(code: int, text: str) -> str:
    """The enhanced status code that `text` starts with, where it is of the code's own class, else "" (RFC 2034 4)."""
    word = text.partition(" ")[0]
    return word if len(word) <= _ENHANCED_OCTETS and _is_enhanced(code // 100, word) else ""


@lru_cache(maxsize=256)
def _is_enhanced(reply_class: int, word: str) -> bool:
    numbers = [_number(number) for number in word.split(".")]
    return len(numbers) == 3 and min(numbers) >= 0 and numbers[0] == reply_class and reply_class != 3


def _number(digits: str) -> int:
    """The number of one to three digits without a leading zero, else -1 (RFC 3463 2)."""
    if not 1 <= len(digits) <= 3 or not digits.isdigit() or (digits[0] == "0" and len(digits) > 1):
        return -1
    return int(digits)


def _without(enhanced: str, text: str) -> str:
    if text == enhanced:
        return ""
    return text[len(enhanced) + 1 :] if text.startswith(enhanced + " ") else text
