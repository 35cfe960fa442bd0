"""Numbers of the node that all workers count together (decisions 20), in memory that the parent owns.

Terms: a *column* belongs to one worker, and nobody else writes to it, so nothing needs a lock and no update is lost;
a number of the node is the sum over the columns. A *sketch* (count-min: Cormode and Muthukrishnan 2005) counts by a
name in fixed room: it may say too much where names collide in every row, never too little. Its hash is keyed anew at
each start, so that nobody can choose addresses that collide. A *slot* stands for one next hop.

Never reads a clock: time comes in as `now`, seconds of a clock that is the same for all processes
(`time.monotonic()`). Never grows: strangers choose names, not room.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import secrets
import tempfile
from dataclasses import dataclass
from typing import Any, Final

_ROWS: Final = 3
_WIDTH: Final = 16_384
_ROW_BITS: Final = 14
_FAILED_WIDTH: Final = 4_096
_SLOTS: Final = 4_096
_REMEMBERED: Final = 8_192
_CELL: Final = 8
_SESSIONS, _SPOOL, _EPOCHS, _NUMBERS = 0, 1, 2, 4

FAILURE_WINDOW: Final = 600.0
"""Seconds of one window of failed sign-ins; two are looked at, so one counts for 10 to 20 minutes."""


@dataclass(frozen=True, slots=True)
class CountersPlace:
    """What a worker needs to find the counters: an inherited file descriptor, how many columns, the hash's key."""

    fd: int
    workers: int
    key: bytes

    def as_message(self) -> dict[str, Any]:
        """For the start message."""
        return {"fd": self.fd, "workers": self.workers, "key": self.key.hex()}

    @staticmethod
    def from_message(message: dict[str, Any]) -> CountersPlace:
        """What `as_message` gave."""
        return CountersPlace(int(message["fd"]), int(message["workers"]), bytes.fromhex(message["key"]))


class SharedCounters:
    """The counters as one process sees them; `worker` is the column that it writes, from 0."""

    def __init__(self, place: CountersPlace, worker: int = 0) -> None:
        if not 0 <= worker < place.workers:
            raise ValueError(f"worker {worker} has no column among {place.workers}")
        self.place = place
        self._worker = worker
        self._columns = place.workers
        self._map = mmap.mmap(place.fd, _octets(place.workers))
        self._cells = memoryview(self._map).cast("q")
        columns = place.workers
        self._sketch = _NUMBERS * columns
        self._failed = self._sketch + _ROWS * _WIDTH * columns
        self._hops = self._failed + 2 * _ROWS * _FAILED_WIDTH * columns
        self._names = self._hops + _SLOTS * columns
        self._places: dict[bytes, tuple[int, ...]] = {}
        self._slots: dict[str, int] = {}

    @staticmethod
    def create(workers: int) -> SharedCounters:
        """New counters, all zero, for the parent. The file descriptor in `place` is to be passed to the workers."""
        fd = _unnamed_memory()
        os.ftruncate(fd, _octets(workers))
        return SharedCounters(CountersPlace(fd, workers, secrets.token_bytes(32)))

    # --- connections by source ----------------------------------------------------------------------------------

    def open(self, source: bytes) -> int:
        """Count a connection from `source` (`mail.address.source_key`); how many it has now, this one included."""
        cells, columns = self._cells, self._columns
        own = self._worker
        least = 1 << 62
        for start in self._places.get(source) or self._find(source):
            cells[start + own] += 1
            total = sum(cells[start : start + columns])
            least = min(least, total)
        return least

    def close(self, source: bytes) -> None:
        """A connection that was counted by `open` in this worker is gone."""
        cells, own = self._cells, self._worker
        for start in self._places.get(source) or self._find(source):
            cells[start + own] -= 1

    def connections(self, source: bytes) -> int:
        """Connections open from `source` on the whole node."""
        return min(self._total(start) for start in self._find(source))

    def _find(self, source: bytes) -> tuple[int, ...]:
        """The cells of a source; the last few thousand sources are remembered."""
        found = self._places.get(source)
        if found is None:
            if len(self._places) >= _REMEMBERED:
                self._places.clear()
            mixed = self._hash(source)
            found = tuple(
                self._sketch + (row * _WIDTH + (mixed >> (row * _ROW_BITS)) % _WIDTH) * self._columns
                for row in range(_ROWS)
            )
            self._places[source] = found
        return found

    def _hash(self, name: bytes) -> int:
        return int.from_bytes(hashlib.blake2b(name, digest_size=8, key=self.place.key).digest(), "little")

    def _total(self, start: int) -> int:
        return sum(self._cells[start : start + self._columns])

    # --- failed sign-ins ----------------------------------------------------------------------------------------

    def sign_in_failed(self, now: float, login: bytes, source: bytes) -> tuple[int, int]:
        """Count a failed sign-in; failures of late by that login and from that source, this one included."""
        epoch = self._turn_window(now)
        for name in (b"l" + login, b"s" + source):
            for start in self._failure_cells(name, epoch):
                self._cells[start + self._worker] += 1
        return self.sign_in_failures(now, login, source)

    def sign_in_failures(self, now: float, login: bytes, source: bytes) -> tuple[int, int]:
        """Failures of late (this window of `FAILURE_WINDOW` seconds and the one before) by login and by source."""
        epoch = int(now // FAILURE_WINDOW) + 1
        return self._failures(b"l" + login, epoch), self._failures(b"s" + source, epoch)

    def _failures(self, name: bytes, epoch: int) -> int:
        return sum(
            min(self._sum_of_epoch(start, when) for start in self._failure_cells(name, when))
            for when in (epoch, epoch - 1)
        )

    def _sum_of_epoch(self, start: int, epoch: int) -> int:
        """The sum over the columns whose half belongs to that window; the others have not counted in it."""
        marks = (_EPOCHS + epoch % 2) * self._columns
        cells = self._cells
        return sum(cells[start + c] for c in range(self._columns) if cells[marks + c] == epoch)

    def _failure_cells(self, name: bytes, epoch: int) -> list[int]:
        mixed = self._hash(name)
        half = epoch % 2 * _ROWS * _FAILED_WIDTH
        return [
            self._failed + (half + row * _FAILED_WIDTH + (mixed >> (row * _ROW_BITS)) % _FAILED_WIDTH) * self._columns
            for row in range(_ROWS)
        ]

    def _turn_window(self, now: float) -> int:
        """The number of the window at `now`, its half of the own column emptied when it is new."""
        epoch = int(now // FAILURE_WINDOW) + 1
        mark = (_EPOCHS + epoch % 2) * self._columns + self._worker
        if self._cells[mark] != epoch:
            first = self._failed + epoch % 2 * _ROWS * _FAILED_WIDTH * self._columns
            self._empty(first, _ROWS * _FAILED_WIDTH, self._worker)
            self._cells[mark] = epoch
        return epoch

    # --- connections to next hops -------------------------------------------------------------------------------

    def slot(self, next_hop: str) -> int:
        """The number that stands for a next hop in all workers.

        When all 4,096 are given away, a next hop shares one with another, and both share the cap.
        """
        known = self._slots.get(next_hop)
        if known is None:
            if len(self._slots) >= _SLOTS:
                self._slots.clear()
            known = self._slots[next_hop] = self._claim(self._hash(b"h" + next_hop.encode()) >> 1 or 1)
        return known

    def _claim(self, mark: int) -> int:
        """The first slot that bears `mark` or, under the lock of all processes, takes it."""
        first = mark % _SLOTS
        fcntl.lockf(self.place.fd, fcntl.LOCK_EX)
        try:
            for step in range(_SLOTS):
                slot = (first + step) % _SLOTS
                taken = self._cells[self._names + slot]
                if taken in (0, mark):
                    self._cells[self._names + slot] = mark
                    return slot
            return first
        finally:
            fcntl.lockf(self.place.fd, fcntl.LOCK_UN)

    def acquire(self, slot: int, cap: int) -> bool:
        """Take one of the `cap` connections that the node may have there.

        Counted first and looked at then, so that two workers never both take the last one; they may both let it go,
        and the caller tries again.
        """
        start = self._hops + slot * self._columns
        cells = self._cells
        cells[start + self._worker] += 1
        if sum(cells[start : start + self._columns]) <= cap:
            return True
        cells[start + self._worker] -= 1
        return False

    def release(self, slot: int) -> None:
        """Give back what `acquire` took."""
        self._cells[self._hops + slot * self._columns + self._worker] -= 1

    def next_hop_connections(self, slot: int) -> int:
        """Connections that the node has there now."""
        return self._total(self._hops + slot * self._columns)

    # --- spool and sessions -------------------------------------------------------------------------------------

    def spool_add(self, octets: int) -> int:
        """Octets spooled by this worker; the node's total now."""
        start = _SPOOL * self._columns
        self._cells[start + self._worker] += octets
        return sum(self._cells[start : start + self._columns])

    def spool_sub(self, octets: int) -> None:
        """Octets given free."""
        self._cells[_SPOOL * self._columns + self._worker] -= octets

    def spool_total(self) -> int:
        """Octets spooled on the node."""
        return self._total(_SPOOL * self._columns)

    def session_opened(self) -> int:
        """One session more in this worker; sessions on the node now."""
        self._cells[_SESSIONS * self._columns + self._worker] += 1
        return self._total(_SESSIONS * self._columns)

    def node_sessions(self) -> int:
        """Sessions on the node now."""
        return self._total(_SESSIONS * self._columns)

    def session_closed(self) -> None:
        """One session less."""
        self._cells[_SESSIONS * self._columns + self._worker] -= 1

    def sessions(self) -> list[int]:
        """Sessions open, by worker."""
        start = _SESSIONS * self._columns
        return list(self._cells[start : start + self._columns])

    # --- for the parent -----------------------------------------------------------------------------------------

    def forget(self, worker: int) -> None:
        """Zero what a dead worker had open. Its failed sign-ins stay: no crash gives an attacker new tries."""
        self._empty(0, _EPOCHS, worker)
        self._empty(self._sketch, _ROWS * _WIDTH, worker)
        self._empty(self._hops, _SLOTS, worker)

    def _empty(self, first: int, cells: int, worker: int) -> None:
        zeros = memoryview(bytes(cells * _CELL)).cast("q")
        self._cells[first + worker : first + cells * self._columns : self._columns] = zeros

    def detach(self) -> None:
        """Let go of the memory; the object is of no more use. The file descriptor is left to its owner."""
        self._cells.release()
        self._map.close()


def _unnamed_memory() -> int:
    """A file descriptor of memory without a name; an unlinked temporary file where the system has no memfd."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("arrowslit-counters")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _octets(workers: int) -> int:
    cells = (_NUMBERS + _ROWS * _WIDTH + 2 * _ROWS * _FAILED_WIDTH + _SLOTS) * workers + _SLOTS
    return cells * _CELL
