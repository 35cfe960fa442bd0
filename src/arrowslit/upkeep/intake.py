"""Takes the decision records that wait on disk into the store: each exactly once, oldest first.

Terms: see `observe.journal`. A segment is read as it grows and removed when it is finished and all of it is in the
store. Where the store is away nothing is lost: the lines wait, and after a restart all that is still there is offered
again; the store knows by segment and position what it has. A line that was cut by a crash is skipped and counted.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from arrowslit.observe.journal import segments
from arrowslit.store.values import JournalLine

_READ: Final = 1024 * 1024
"""Octets of one segment that are taken at once; some thousand records."""

Take = Callable[[Sequence[JournalLine]], int]


@dataclass(slots=True)
class _Segment:
    path: Path
    fd: int
    read: int = 0

    def finished(self) -> bool:
        """Whether nobody writes to it any more."""
        try:
            fcntl.flock(self.fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class Intake:
    """`take` puts lines into the store and may raise; then they are offered again. Raises OSError for the folder."""

    def __init__(self, folder: Path, take: Take) -> None:
        self._folder, self._take = folder, take
        self._open: dict[str, _Segment] = {}
        self.cut = 0
        """Lines that a crash left incomplete."""

    def turn(self) -> int:
        """Take what one read of each segment gives; how many octets that were, 0 where nothing waits."""
        taken = 0
        for path in segments(self._folder):
            taken += self._one(path)
        return taken

    def close(self) -> None:
        """Let go of all files; what was not taken waits."""
        for name in tuple(self._open):
            self._forget(name)

    def _one(self, path: Path) -> int:
        segment = self._open.get(path.name) or self._opened(path)
        finished = segment.finished()  # before the read: what is written later belongs to another read
        data = os.pread(segment.fd, _READ, segment.read)
        whole = data.rfind(b"\n") + 1
        if whole:
            self._take(_lines(path.name, segment.read, data[:whole]))
            segment.read += whole
        elif len(data) == _READ or (data and finished):
            self.cut += 1
            segment.read += len(data)
        elif finished:
            path.unlink(missing_ok=True)
            self._forget(path.name)
        return len(data)

    def _opened(self, path: Path) -> _Segment:
        segment = self._open[path.name] = _Segment(path, os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW))
        return segment

    def _forget(self, name: str) -> None:
        os.close(self._open.pop(name).fd)


def _lines(segment: str, offset: int, data: bytes) -> list[JournalLine]:
    """The lines in `data`, each with where it begins in its segment; empty ones are left out."""
    lines = []
    for line in data.split(b"\n")[:-1]:
        if line:
            lines.append(JournalLine(segment, offset, line))
        offset += len(line) + 1
    return lines
