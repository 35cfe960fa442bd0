"""The journal: decision records on their way from the workers to the store, kept on disk in between.

Terms: a *segment* is a file of whole JSON lines that one process appends to for a while. The process holds a lock on
it; it is finished once nobody does. `upkeep` takes segments into the store and removes them, so that a store
that is away for hours costs no record, and a process that is killed costs none that was flushed.

The folder has a budget. Over it permits are dropped first, over twice the budget everything; both are counted. Never
raises, never waits, and never knows a database.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path
from typing import Final

from arrowslit.observe.sinks import Sink, batch_of

BUDGET: Final = 256 * 1024 * 1024
"""Octets that may wait for the store on one node before permits are dropped."""

SEGMENT_SUFFIX: Final = ".jsonl"
_SEGMENT_OCTETS: Final = 4 * 1024 * 1024
_SEGMENT_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 1.0
_MODE: Final = 0o600


class JournalSink(Sink):
    """Appends to the segments of this process in `folder`; `budget` is in octets, for the whole folder."""

    def __init__(self, folder: Path, budget: int = BUDGET) -> None:
        super().__init__("journal")
        self._folder, self._budget = folder, budget
        self._start = f"{time.time_ns():020}-{os.getpid()}"
        self._number = 0
        self._fd = -1
        self._octets = 0
        self._since = 0.0
        self._looked = float("-inf")
        self._waiting = 0

    def add(self, line: bytes, permit: bool) -> None:
        """Keep a line for the next flush, unless too much waits for the store already."""
        if self._waiting > self._budget and (permit or self._waiting > 2 * self._budget):
            self.dropped["permit" if permit else "refusal"] += 1
            return
        super().add(line, permit)

    def flush(self, now: float) -> None:
        """Write what is there, and say so where the store is too far behind."""
        super().flush(now)
        if not self.problem and self._waiting > self._budget:
            self.problem = f"{self._waiting // 1_000_000} MB wait for the store, so permits are not recorded"

    def prepare(self, now: float) -> None:
        """Look at the folder once a second; begin another segment where this one is full or old."""
        if now - self._looked >= _LOOK_SECONDS:
            self._looked = now
            self._waiting = waiting_octets(self._folder)
        if self._fd >= 0 and (self._octets >= _SEGMENT_OCTETS or now - self._since >= _SEGMENT_SECONDS):
            self.reopen()
        if self._fd < 0 and self._lines:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._fd = self._begin(f"{self._start}-{self._number:06}{SEGMENT_SUFFIX}")
            self._number += 1
            self._octets, self._since = 0, now

    def _begin(self, name: str) -> int:
        """A segment appears under its name when it is locked, so that nobody takes it for finished before."""
        hidden = self._folder / f".{name}"
        fd = os.open(hidden, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _MODE)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            hidden.replace(self._folder / name)
        except OSError:
            os.close(fd)
            raise
        return fd

    def write(self, lines: list[bytes]) -> int:
        """One write of whole lines. Where the disk took only a part, the segment ends behind the last whole line."""
        batch, octets = batch_of(lines)
        sent = os.write(self._fd, b"".join(lines[:batch]))
        self._octets += sent
        if sent == octets:
            return batch
        whole = 0
        while sent >= len(lines[whole]):
            sent -= len(lines[whole])
            whole += 1
        self._octets -= sent
        os.ftruncate(self._fd, self._octets)
        if not whole:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return whole

    def reopen(self) -> None:
        """The next line begins another segment."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def close(self) -> None:
        """Finish the segment."""
        self.reopen()


def segments(folder: Path) -> list[Path]:
    """The segments in `folder`, oldest first; none where it is not there."""
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == SEGMENT_SUFFIX and path.name[0] != ".")
    except FileNotFoundError:
        return []


def waiting_octets(folder: Path) -> int:
    """How much lies in the journal, in octets; 0 where there is none."""
    total = 0
    try:
        with os.scandir(folder) as found:
            for entry in found:
                total += entry.stat().st_size
    except FileNotFoundError:
        return total
    return total
