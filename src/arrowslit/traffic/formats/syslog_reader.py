"""Logs in the frame of syslog: the lines of several programs in one file, each read by the reader of its program.

A file of syslog may hold Postfix, the kernel's firewall lines and HAProxy side by side, so there is one format for all
of them. Lines of programs that nobody here reads are skipped. A reader of one program is an `EntryReader`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, Final, Protocol, TypeVar

from arrowslit.traffic.attempt import Attempt
from arrowslit.traffic.reader import LineReader, Piece, SessionReader, decoded
from arrowslit.traffic.syslog import Entry, parse
from arrowslit.traffic.tally import Tally

Open = TypeVar("Open")


class EntryReader(SessionReader[Open]):
    """Reads the messages of one program. `programs` says of the frame's program name whether it is that one.

    `entry` counts the line in `tally` as `line` does. The frame's time may be missing: then the line can't be used,
    unless the message bears a time of its own.
    """

    programs: ClassVar[re.Pattern[str]]
    times: int = 1
    """How many equal lines this one stands for (see `repeated`): what a line is counted for counts so often."""

    def line(self, text: str) -> Iterator[Attempt]:
        """A line by itself: its frame is read, and what is none is not understood."""
        entry = parse(text, self.clock)
        if entry is None:
            self.puzzled("there is no time and no program in this line", text)
        elif not self.programs.fullmatch(entry.program):
            self.tally.skipped += 1
        else:
            yield from repeated(self, entry, text)

    def entry(self, entry: Entry, text: str) -> Iterable[Attempt]:
        """One message; `text` is the whole line, for problems. An empty tuple is quicker than an empty iterator."""
        raise NotImplementedError


class _Program(Protocol):
    """What the demultiplexer needs of an `EntryReader`."""

    programs: ClassVar[re.Pattern[str]]
    tally: Tally
    number: int
    times: int

    def begin(self, piece: Piece) -> None: ...
    def entry(self, entry: Entry, text: str) -> Iterable[Attempt]: ...
    def end(self) -> Iterator[Attempt]: ...
    def state(self) -> dict[str, Any]: ...
    def resume(self, state: dict[str, Any]) -> None: ...


_NAME: Final = 200
"""Characters of a program's name that is remembered."""
_REPEATED: Final = "message repeated "
_TIMES: Final = re.compile(r"message repeated ([0-9]{1,6}) times: \[ ?(.*)\]", re.DOTALL)


def repeated(reader: _Program, entry: Entry, text: str) -> Iterable[Attempt]:
    """An entry that may be rsyslog's `message repeated 3 times: [ ...]`, which stands for so many more of them."""
    found = _TIMES.fullmatch(entry.message) if entry.message.startswith(_REPEATED) else None
    if found is None:
        return reader.entry(entry, text)
    reader.times = max(int(found[1]), 1)
    try:
        return list(reader.entry(entry._replace(message=found[2]), text))
    finally:
        reader.times = 1


class SyslogReader(LineReader):
    """Gives each line to the reader of its program. The readers count into the tally of this one."""

    def __init__(self, readers: Sequence[_Program]) -> None:
        super().__init__()
        self._readers = readers
        self._of: dict[str, _Program | None] = {}
        for reader in readers:
            reader.tally = self.tally

    def begin(self, piece: Piece) -> None:
        """See `Reader`."""
        super().begin(piece)
        for reader in self._readers:
            reader.begin(piece)

    def read(self, lines: Sequence[bytes], number: int) -> Iterator[Attempt]:
        """See `Reader`."""
        readers, clock, skipped = self._of, self.clock, 0
        try:
            for self.number, text in enumerate(_texts(lines), number):
                entry = parse(text, clock)
                if entry is None:
                    self._without_frame(text)
                    continue
                reader = readers[entry.program] if entry.program in readers else self._reader(entry.program)
                if reader is None:
                    skipped += 1
                    continue
                reader.number = self.number
                plain = not entry.message.startswith(_REPEATED)
                found = reader.entry(entry, text) if plain else repeated(reader, entry, text)
                if found:
                    yield from found
        finally:
            self.tally.skipped += skipped

    def _without_frame(self, text: str) -> None:
        if text.strip():
            self.puzzled("there is no time and no program in this line", text)
        else:
            self.tally.skipped += 1

    def _reader(self, program: str) -> _Program | None:
        try:
            return self._of[program]
        except KeyError:
            found = next((one for one in self._readers if one.programs.fullmatch(program)), None)
            if len(self._of) < 10_000 and len(program) <= _NAME:
                self._of[program] = found
            return found

    def end(self) -> Iterator[Attempt]:
        """See `Reader`."""
        for reader in self._readers:
            yield from reader.end()

    def state(self) -> dict[str, Any]:
        """See `Reader`."""
        return {"readers": [reader.state() for reader in self._readers]}

    def resume(self, state: dict[str, Any]) -> None:
        """See `Reader`."""
        for reader, one in zip(self._readers, state["readers"], strict=True):
            reader.resume(one)


def _texts(lines: Sequence[bytes]) -> Iterable[str]:
    """The lines as texts: all at once where all of them are UTF-8."""
    try:
        return b"\n".join(lines).decode("utf-8").split("\n") if lines else ()
    except UnicodeDecodeError:
        return map(decoded, lines)
