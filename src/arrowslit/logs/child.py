"""The process that reads: files in the order of the plan, each with the reader of its format; attempts go out.

It speaks with whoever started it over one connection: `marshal` values go out (both ends are the same program), and any
message that comes in means: stop after this block, and say where you are. Where nobody listens any more it ends.

Terms: the *offset* is how far a piece was read, in octets as unpacked (from the end, in lines, for one that runs
backwards).
"""

from __future__ import annotations

import contextlib
import datetime
import marshal
import signal
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from arrowslit.logs.careful import ended, read_lines
from arrowslit.logs.lines import Lines, Splitter, text_of
from arrowslit.logs.pieces import Planned
from arrowslit.logs.unpack import Unpacked, UnpackError, unpacked
from arrowslit.traffic.attempt import Attempt
from arrowslit.traffic.formats.register import format_of
from arrowslit.traffic.reader import Reader
from arrowslit.traffic.tally import Problem, Tally

ATTEMPTS: Final = "attempts"
PIECE: Final = "piece"
END: Final = "end"
TURNED_ROUND: Final = 256 << 20
"""Octets of a file that runs backwards, which has to be held as a whole."""
_TOO_LARGE: Final = (
    f"it runs from the newest line to the oldest: only its newest {TURNED_ROUND >> 20} MB were read. Turn it round "
    "with `tac`, or export it oldest first"
)
_BATCH: Final = 2000


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be read. `state` is where an earlier reading stopped, None to begin."""

    pieces: tuple[Planned, ...]
    zone: datetime.tzinfo
    until: float | None = None
    state: dict[str, Any] | None = None


def read_all(connection: Connection, order: Order) -> None:
    """The process: read everything, or until told to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started us gets it too, and says so
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        _Reading(connection, order).run()


class _StoppedError(Exception):
    """Told to stop where nothing was read yet."""


class _Reading:
    """One run over the pieces."""

    def __init__(self, connection: Connection, order: Order) -> None:
        self._connection, self._order = connection, order
        state = order.state or {}
        self._at: int = state.get("piece", 0)
        self._offset: int = state.get("offset", 0)
        self._number: int = state.get("number", 1)
        self._tallies: dict[str, Any] = state.get("tallies", {})
        self._reader_state: dict[str, Any] | None = state.get("reader")
        self._read = sum(one.size for one in order.pieces[: self._at])
        self._stopped = False

    def run(self) -> None:
        pieces = self._order.pieces
        reader: Reader | None = None
        for at, planned in enumerate(pieces[self._at :], self._at):
            self._at = at
            if reader is None:
                reader = self._reader(planned.format)
            self._connection.send_bytes(marshal.dumps((PIECE, at, self._offset > 0)))
            self._piece(reader, planned)
            if self._stopped:
                break
            self._read += planned.size
            self._offset, self._number = 0, 1
            if at + 1 == len(pieces) or pieces[at + 1].format != planned.format:
                self._out(ended(reader, planned.path))
                self._tallies[planned.format] = asdict(reader.tally)
                reader = None
        self._finish(reader)

    def _reader(self, format_: str) -> Reader:
        reader = format_of(format_).make()
        if self._reader_state is not None:
            reader.resume(self._reader_state)
            saved = self._tallies[format_]
            problems = [Problem(**one) for one in saved["problems"]]
            for name, value in (saved | {"problems": problems}).items():
                setattr(reader.tally, name, value)
            self._reader_state = None
        return reader

    def _piece(self, reader: Reader, planned: Planned) -> None:
        reader.begin(planned.piece(self._order.zone, self._order.until))
        try:
            opened = unpacked(Path(planned.path))
        except (OSError, UnpackError) as error:
            says = str(error) if isinstance(error, UnpackError) else f"can't be opened: {error.strerror}"
            reader.tally.fault(planned.path, 0, says)
            return
        try:
            (self._turned_round if planned.backwards else self._forward)(reader, opened, planned.path)
        except UnpackError as error:
            reader.tally.fault(planned.path, self._number, str(error))
        except _StoppedError:
            self._stopped = True
        finally:
            opened.close()

    def _forward(self, reader: Reader, opened: Unpacked, name: str) -> None:
        before, number = self._offset, self._number
        for some in Splitter(number).split(self._behind(opened, before)):
            self._out(read_lines(reader, some, name), opened.done)
            self._offset, self._number = before + some.offset, some.number + len(some.lines)
            if self._connection.poll():
                self._stopped = True
                return

    def _behind(self, opened: Unpacked, before: int) -> Iterator[bytes]:
        """What lies behind the first `before` octets. Raises UnpackError and _StoppedError."""
        left = before
        for block in text_of(opened.blocks()):
            if left >= len(block):
                left -= len(block)
                self._out((), opened.done)
                if self._connection.poll():
                    raise _StoppedError
                continue
            yield block[left:] if left else block
            left = 0

    def _turned_round(self, reader: Reader, opened: Unpacked, name: str) -> None:
        """A file whose newest line comes first is held as a whole and read from its end."""
        found: list[Lines] = []
        says = _held(opened, found)
        if says and not self._offset:
            reader.tally.fault(name, found[-1].number + len(found[-1].lines) if found else 1, says)
        done = 0
        for some in reversed(found):
            done += len(some.lines)
            if done <= self._offset:
                continue
            self._out(_backwards(reader, some, name), opened.done)
            self._offset = done
            if self._connection.poll():
                self._stopped = True
                return

    def _out(self, attempts: Iterable[Attempt], done: int = 0) -> None:
        batch: list[tuple[Any, ...]] = []
        for attempt in attempts:
            batch.append(tuple(attempt))
            if len(batch) >= _BATCH:
                self._connection.send_bytes(marshal.dumps((ATTEMPTS, batch, self._read + done)))
                batch = []
        self._connection.send_bytes(marshal.dumps((ATTEMPTS, batch, self._read + done)))

    def _finish(self, reader: Reader | None) -> None:
        state: dict[str, Any] = {"tallies": self._tallies}
        if self._stopped and reader is not None:
            self._tallies[self._order.pieces[self._at].format] = asdict(reader.tally)
            state |= {"piece": self._at, "offset": self._offset, "number": self._number, "reader": reader.state()}
        self._connection.send_bytes(marshal.dumps((END, self._stopped, state)))
        self._connection.close()


def _held(opened: Unpacked, found: list[Lines]) -> str:
    """Take all lines into `found`, as far as that goes; say why it goes no further."""
    try:
        for some in Splitter().split(text_of(opened.blocks())):
            found.append(some)
            if some.offset > TURNED_ROUND:
                return _TOO_LARGE
    except UnpackError as error:
        return str(error)
    return ""


def _backwards(reader: Reader, some: Lines, name: str) -> Iterator[Attempt]:
    for at in range(len(some.lines) - 1, -1, -1):
        number = some.number + at
        one = Lines([some.lines[at]], number, 0, [number] if number in some.cut else [])
        yield from read_lines(reader, one, name)


def tally_of(saved: dict[str, Any]) -> Tally:
    """A tally from its plain values."""
    return Tally(**(saved | {"problems": [Problem(**one) for one in saved["problems"]]}))
