"""Which files are read, as what, and in which order.

Terms: a *piece* is one file; its *first time* is that of the first line that bears one. Logs are rotated, so the
pieces of one log are put in the order of their first times, whatever they are called and in whatever order they were
named. A folder stands for all files in it. A file whose format is not found is a problem, not a guess.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from arrowslit.logs.files import files
from arrowslit.logs.lines import Splitter, text_of
from arrowslit.logs.unpack import Unpacked, UnpackError, unpacked
from arrowslit.traffic.first_time import first_time
from arrowslit.traffic.formats.register import recognised
from arrowslit.traffic.order import runs_backwards
from arrowslit.traffic.reader import Piece, decoded
from arrowslit.traffic.tally import Problem

_SAMPLE: Final = 400
_LOOKED_INTO: Final = 4 << 20
"""Octets of lines in which a format is looked for: a file of syslog may begin with many lines of other programs."""
_OLDEST: Final = 315_532_800.0
"""1980: what was written before says that nobody knows when."""
_ARCHIVES: Final = {b"PK\x03\x04": "zip", b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!": "rar"}


@dataclass(frozen=True, slots=True)
class Planned:
    """One file that will be read. `format` is its name; `size` is in octets as packed; `written` in Unix seconds."""

    path: str
    format: str
    size: int
    written: float
    first_time: float | None = None
    backwards: bool = False
    """Its lines run from the newest to the oldest."""

    def key(self) -> list[Any]:
        """What makes it the same as another, its size and the time of writing last."""
        return [self.path, self.format, self.first_time, self.backwards, self.size, self.written]

    def piece(self, zone: datetime.tzinfo, until: float | None) -> Piece:
        """What its reader is told."""
        return Piece(self.path, self.written if until is None else min(until, self.written), zone)


@dataclass(frozen=True, slots=True)
class Plan:
    """The files in the order of reading, and what is wrong with others."""

    pieces: tuple[Planned, ...]
    problems: tuple[Problem, ...] = ()
    named: tuple[str, ...] = ()
    """What was asked for: files and folders, as absolute paths."""

    @property
    def size(self) -> int:
        """All octets, as packed."""
        return sum(piece.size for piece in self.pieces)

    def key(self) -> list[list[Any]]:
        """What makes this plan the same as another: files, sizes, times."""
        return [one.key() for one in self.pieces]


def plan(
    paths: Iterable[Path], format_: str = "", zone: datetime.tzinfo = datetime.UTC, now: float | None = None
) -> Plan:
    """Look at the beginning of each file. `format_` is for all of them; "" has each found by itself.

    `now` is in Unix seconds, the clock's where it is None.
    """
    pieces: list[Planned] = []
    problems: list[Problem] = []
    now = time.time() if now is None else now
    named = tuple(paths)
    for path in files(named, problems):
        found = _look(path, format_, zone, now)
        if isinstance(found, Problem):
            problems.append(found)
        elif found is not None:
            pieces.append(found)
    pieces.sort(key=lambda one: (one.format, one.written if one.first_time is None else one.first_time, one.written))
    return Plan(tuple(pieces), tuple(problems), tuple(str(path.absolute()) for path in named))


def _look(path: Path, format_: str, zone: datetime.tzinfo, now: float) -> Planned | Problem | None:
    try:
        stat = path.stat()
        if not stat.st_size:
            return None
        octets, found = _first_lines(path, format_)
        lines = [decoded(line) for line in octets]
    except OSError as error:
        return Problem(str(path), 0, f"can't be opened: {error.strerror}")
    except UnpackError as error:
        return Problem(str(path), 0, str(error))
    if not found:
        excerpt = next((line for line in lines if line.strip()), "")
        return Problem(str(path), 0, _unknown(octets), excerpt)
    written = _plausible(stat.st_mtime, now)
    clock = Piece(str(path), written, zone).clock()
    backwards = runs_backwards(octets)
    # The oldest line of a file that runs backwards is its last one, which nobody has read yet: it may come again.
    first = 0.0 if backwards else first_time(lines, clock)
    return Planned(str(path), found, stat.st_size, written, first, backwards)


def _plausible(written: float, now: float) -> float:
    """No line is of a day to come, whatever the file says; one that says 1970 says nothing."""
    return written if _OLDEST <= written <= now else now


def _unknown(lines: list[bytes]) -> str:
    """What is said of a file that no format is found for."""
    for magic, name in _ARCHIVES.items():
        if lines and lines[0].startswith(magic):
            return f"it is an archive ({name}): unpack it, and name what was in it"
    return "its format is not known; if you know it, say it with --format"


def _first_lines(path: Path, format_: str) -> tuple[list[bytes], str]:
    """The first lines, and the name of the format: `format_`, or the one that knows these or some lines behind them."""
    opened = unpacked(path)
    first: list[bytes] = []
    try:
        for lines in _samples(opened):
            first = first or lines
            name = format_ or _recognised(lines)
            if name:
                return first, name
    finally:
        opened.close()
    return first, ""


def _samples(opened: Unpacked) -> Iterator[list[bytes]]:
    """Some hundred lines at a time, as far as a format is looked for. Raises UnpackError where there is not one."""
    left: list[bytes] = []
    given = False
    try:
        splitter = Splitter()
        for some in splitter.split(text_of(opened.blocks())):
            left += some.lines
            whole = len(left) // _SAMPLE * _SAMPLE
            for at in range(0, whole, _SAMPLE):
                given = True
                yield left[at : at + _SAMPLE]
            left = left[whole:]
            if splitter.taken > _LOOKED_INTO:
                break
    except UnpackError:
        if not left and not given:
            raise
    if left:
        yield left


def _recognised(lines: list[bytes]) -> str:
    found = recognised([decoded(line) for line in lines])
    return "" if found is None else found.name
