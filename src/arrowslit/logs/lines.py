"""Lines out of octets: in blocks, numbered, without their ends, in UTF-8 or another encoding that has ASCII in it.

UTF-16 is found by its byte order mark or by its many NULs, and turned into UTF-8. A line longer than LONGEST is cut:
its beginning is given, marked as cut, and its rest is passed over without being kept. Line ends are LF or CR LF.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

LONGEST: Final = 65_536
_UTF8_MARK: Final = codecs.BOM_UTF8
_SAMPLE: Final = 1024


@dataclass(slots=True)
class Lines:
    """Some lines of a file. `number` is that of the first, from 1; `cut` are the numbers of lines that were too long;
    `offset` is how many octets (as unpacked) lie before the end of the last.
    """

    lines: list[bytes]
    number: int
    offset: int
    cut: list[int] = field(default_factory=list)


class Splitter:
    """Cuts blocks into lines, of which the first has the `number`."""

    def __init__(self, number: int = 1) -> None:
        self._number = number
        self._left = b""
        self.taken = 0
        """Octets that were cut so far."""
        self._offset = 0
        """Octets up to the end of the last line."""

    def split(self, blocks: Iterable[bytes]) -> Iterator[Lines]:
        """All lines of `blocks`; the last one may lack its end."""
        for block in blocks:
            yield self._take(block)
        if self._left:
            self._offset = self.taken
            yield self._made([self._left])
            self._left = b""

    def _take(self, block: bytes) -> Lines:
        """The lines that end in `block`; none is a sign of life in the middle of a long one."""
        self.taken += len(block)
        head, end, tail = block.rpartition(b"\n")
        if not end:
            self._grow(block)
            return Lines([], self._number, self._offset)
        lines = head.split(b"\n")
        lines[0] = self._left + lines[0]
        self._left = b""
        self._offset = self.taken - len(tail)
        found = self._made(lines)
        self._grow(tail)
        return found

    def _grow(self, more: bytes) -> None:
        """Keep the beginning of a line that is not ended yet; of an overlong one only that."""
        self._left = (self._left + more)[: LONGEST + 1] if len(self._left) <= LONGEST else self._left

    def _made(self, lines: list[bytes]) -> Lines:
        made = Lines([line[:-1] if line.endswith(b"\r") else line for line in lines], self._number, self._offset)
        if max(map(len, lines)) > LONGEST:
            for at, line in enumerate(lines):
                if len(line) > LONGEST:
                    made.cut.append(self._number + at)
                    made.lines[at] = line[:LONGEST]
        self._number += len(lines)
        return made


def text_of(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The same octets without a byte order mark, or as UTF-8 where they are UTF-16."""
    rest = iter(blocks)
    first = next(rest, b"")
    encoding = _utf16(first)
    if not encoding:
        yield first.removeprefix(_UTF8_MARK)
        yield from rest
        return
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    text = decoder.decode(first).removeprefix("\ufeff")
    yield text.encode("utf-8", "replace")
    for block in rest:
        yield decoder.decode(block).encode("utf-8", "replace")
    yield decoder.decode(b"", final=True).encode("utf-8", "replace")


def _utf16(first: bytes) -> str:
    """The name of the encoding, where it is UTF-16; else "". Text of the West has a NUL in every second octet."""
    if first.startswith(codecs.BOM_UTF16_LE):
        return "utf-16-le"
    if first.startswith(codecs.BOM_UTF16_BE):
        return "utf-16-be"
    sample = first[:_SAMPLE]
    half = len(sample) // 2
    if half < 2:
        return ""
    if sample[1::2].count(0) > half * 0.7 and sample[::2].count(0) < half * 0.2:
        return "utf-16-le"
    if sample[::2].count(0) > half * 0.7 and sample[1::2].count(0) < half * 0.2:
        return "utf-16-be"
    return ""
