"""What is about to be handed over, kept where it outlives the worker (decisions 18).

Terms: an *intent* is put down before the final dot goes out to the next hop and done away with when the next hop's
answer is in. Whoever dies in between leaves it behind, and whoever looks afterwards knows that nobody knows what
became of that message: a record with outcome "unknown" (RFC 1047 says why it may have been delivered).

A file of fixed slots, mapped, one for each worker. Its blocks are taken from the disk when it is made: a mapped page
that a full disk has no block for would kill the process. No fsync: what is protected against is the death of a
process; after the death of the machine slots may be missing or torn, and torn ones are counted. The worker holds a
lock on its file, so that nobody takes the intents of a living one for left over.

Never raises for a full file or a full disk: mail goes on, and `overflowed` counts.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SLOT: Final = 1024
_SLOTS: Final = 4096
_HEADER: Final = struct.Struct("<III")  # mark, octets, CRC-32
_MARK: Final = 0x544E4941
_FREE: Final = b"\0\0\0\0"
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})

PAYLOAD_OCTETS: Final = _SLOT - _HEADER.size
"""The longest payload; `observe.record.to_intent` keeps to it."""


@dataclass(frozen=True, slots=True)
class LeftOver:
    """What a dead worker left: the payloads, and how many slots could not be read."""

    payloads: tuple[bytes, ...]
    torn: int


class Intents:
    """The intents of one living worker. Raises OSError when the file can't be made or another process holds it.

    `problem` says so where there is no room for its slots; then it keeps nothing.
    """

    def __init__(self, path: Path) -> None:
        self.overflowed = 0
        self.problem = ""
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._fd, 0)
            slots = _SLOTS if self._has_room(path) else 0
            self._map = mmap.mmap(self._fd, _SLOT * slots) if slots else mmap.mmap(-1, _SLOT)
        except OSError:
            os.close(self._fd)
            raise
        self._slots = slots
        self._free = list(range(slots - 1, -1, -1))

    def _has_room(self, path: Path) -> bool:
        try:
            os.posix_fallocate(self._fd, 0, _SLOT * _SLOTS)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            os.ftruncate(self._fd, 0)
            self.problem = f"what is being handed over can't be kept in {path}: {error.strerror}"
            return False
        return True

    def put(self, payload: bytes) -> int:
        """Keep `payload` until `done(slot)`; gives the slot, or -1 when all are taken.

        Raises ValueError for more than PAYLOAD_OCTETS.
        """
        octets = len(payload)
        if octets > PAYLOAD_OCTETS:
            raise ValueError(f"an intent of {octets} octets does not fit in {PAYLOAD_OCTETS}")
        if not self._free:
            self.overflowed += 1
            return -1
        slot = self._free.pop()
        start = slot * _SLOT
        body = start + _HEADER.size
        self._map[body : body + octets] = payload
        _HEADER.pack_into(self._map, start, _MARK, octets, zlib.crc32(payload))
        return slot

    def done(self, slot: int) -> None:
        """The answer is in and recorded."""
        if slot >= 0:
            start = slot * _SLOT
            self._map[start : start + 4] = _FREE
            self._free.append(slot)

    @property
    def taken(self) -> int:
        """How many are under way."""
        return self._slots - len(self._free)

    def close(self) -> None:
        """Let go of the file; what is still in it counts as left over."""
        self._map.close()
        os.close(self._fd)


def intents_path(state_directory: Path, parent: int, worker: int) -> Path:
    """Where worker number `worker` of the parent with process id `parent` keeps its intents."""
    return state_directory / f"intents-{parent}-{worker}"


def left_over(path: Path) -> LeftOver | None:
    """What the dead owner of `path` left there. None when the owner lives, or there is no such file.

    Raises OSError when the file can't be read.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return _read(fd)
    except BlockingIOError:
        return None
    finally:
        os.close(fd)


def all_left_over(state_directory: Path) -> list[Path]:
    """The files of intents in the state directory, whoever they belong to."""
    return sorted(state_directory.glob("intents-*-*"))


def _read(fd: int) -> LeftOver:
    payloads: list[bytes] = []
    torn = 0
    for slot in range(_SLOTS):
        octets = os.pread(fd, _SLOT, slot * _SLOT)
        if not octets or octets[:4] == _FREE:
            continue
        payload = _payload(octets)
        if payload is None:
            torn += 1
        else:
            payloads.append(payload)
    return LeftOver(tuple(payloads), torn)


def _payload(slot: bytes) -> bytes | None:
    """The payload of a taken slot, or None when it is torn."""
    if len(slot) < _HEADER.size:
        return None
    mark, octets, checksum = _HEADER.unpack_from(slot)
    payload = slot[_HEADER.size : _HEADER.size + octets]
    if mark != _MARK or len(payload) != octets or zlib.crc32(payload) != checksum:
        return None
    return payload
