"""Where lines of a log go: a file, stderr, or syslog; with a bounded buffer in front.

Terms: a *permit* is a line that may be dropped first. `flush` writes what is buffered; a write that fails leaves the
lines where they are, is counted, and is tried again at the next flush. Never raises for a log that can't be written,
and never waits for one that is full.
"""

from __future__ import annotations

import errno
import os
import select
import socket
from collections import Counter
from pathlib import Path
from typing import Final

_LINES: Final = 20_000
_OCTETS_A_WRITE: Final = 256 * 1024
_LOOK_SECONDS: Final = 1.0
_MODE: Final = 0o640


class Sink:
    """The buffer; what is below it says how lines are written."""

    def __init__(self, name: str, limit: int = _LINES, place: str = "") -> None:
        self.name = name
        self.place = place or name
        """Where the lines go, for whoever is told that they can't."""
        self.failures = 0
        self.dropped: Counter[str] = Counter()
        self.problem = ""
        """Why the last write failed; empty when it did not."""
        self._limit = limit
        self._lines: list[tuple[bytes, bool]] = []
        self._permits = 0

    def add(self, line: bytes, permit: bool) -> None:
        """Keep a line for the next flush. When the buffer is full, permits go first, and are counted."""
        if len(self._lines) >= self._limit and not self._make_room(permit):
            return
        self._lines.append((line, permit))
        self._permits += permit

    def _make_room(self, permit: bool) -> bool:
        if permit or not self._permits:
            self.dropped["permit" if permit else "refusal"] += 1
            return False
        self.dropped["permit"] += self._permits
        self._lines = [item for item in self._lines if not item[1]]
        self._permits = 0
        return True

    def flush(self, now: float) -> None:
        """Write what is there; `now` is in seconds of any clock that only goes forward."""
        try:
            self.prepare(now)
            while self._lines:
                self._written(self.write([line for line, _ in self._lines]))
            self.problem = ""
        except OSError as error:
            self.failures += 1
            self.problem = os.strerror(error.errno or 0)

    def _written(self, lines: int) -> None:
        self._permits -= sum(permit for _, permit in self._lines[:lines])
        del self._lines[:lines]

    def prepare(self, now: float) -> None:
        """Open what has to be open. Raises OSError."""

    def write(self, lines: list[bytes]) -> int:
        """Write some of the lines, from the first on; how many. Raises OSError."""
        raise NotImplementedError

    def reopen(self) -> None:
        """The log was rotated."""

    def close(self) -> None:
        """No more lines come."""


class FileSink(Sink):
    """A file that is only appended to, by several processes, and may be moved away by whoever rotates logs."""

    def __init__(self, name: str, path: Path, limit: int = _LINES) -> None:
        super().__init__(name, limit, str(path))
        self._path = path
        self._fd = -1
        self._looked = float("-inf")
        self._broken_line = False

    def prepare(self, now: float) -> None:
        """Open the file, anew when another one or none stands at its path."""
        if self._fd >= 0 and now - self._looked >= _LOOK_SECONDS:
            self._looked = now
            if self._moved():
                self.reopen()
        if self._fd < 0 and self._lines:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)
            self._looked = now

    def _moved(self) -> bool:
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return True
        ours = os.fstat(self._fd)
        return (there.st_ino, there.st_dev) != (ours.st_ino, ours.st_dev)

    def write(self, lines: list[bytes]) -> int:
        """One write of whole lines. A line that was cut by a full disk is ended and written again as a whole."""
        batch, octets = batch_of(lines)
        data = b"".join(lines[:batch])
        if self._broken_line:
            data = b"\n" + data
        sent = os.write(self._fd, data) - self._broken_line
        if sent == octets:
            self._broken_line = False
            return batch
        return self._cut(lines, sent)

    def _cut(self, lines: list[bytes], sent: int) -> int:
        """How many lines went out whole in `sent` octets; remembers that another one was begun."""
        whole = 0
        while sent > 0 and sent >= len(lines[whole]):
            sent -= len(lines[whole])
            whole += 1
        self._broken_line = sent > 0 or (sent < 0 and self._broken_line)
        return whole

    def reopen(self) -> None:
        """The next flush opens what then stands at the path."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1
        self._broken_line = False

    def close(self) -> None:
        """Close the file."""
        self.reopen()


class StreamSink(Sink):
    """A file descriptor that is open already, such as 2. A pipe that nobody reads holds up nothing but its lines."""

    def __init__(self, name: str, fd: int, limit: int = _LINES) -> None:
        super().__init__(name, limit)
        self._fd = fd
        self._rest = b""

    def write(self, lines: list[bytes]) -> int:
        """Write one line; what a pipe did not take of it goes first in the next write."""
        self._send(self._rest + lines[0])
        return 1

    def prepare(self, now: float) -> None:  # noqa: ARG002
        """Send what is left of the last line."""
        while self._rest:
            self._send(self._rest)

    def _send(self, data: bytes) -> None:
        """One write of at most PIPE_BUF octets, which never waits where poll() has said that there is room."""
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        if not poll.poll(0):
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        part = data[: select.PIPE_BUF]
        self._rest = data[os.write(self._fd, part) :]


class SyslogSink(Sink):
    """The system's log socket: a datagram for each line, never waited for."""

    def __init__(self, name: str, path: str = "/dev/log", limit: int = _LINES) -> None:
        super().__init__(name, limit, path)
        self._path = path
        self._socket: socket.socket | None = None

    def prepare(self, now: float) -> None:  # noqa: ARG002
        """Connect."""
        if self._socket is None and self._lines:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            try:
                sock.connect(self._path)
            except OSError:
                sock.close()
                raise
            self._socket = sock

    def write(self, lines: list[bytes]) -> int:
        """Send one line."""
        assert self._socket is not None  # noqa: S101  `prepare` came before
        try:
            self._socket.send(lines[0].rstrip(b"\n"))
        except BlockingIOError:
            raise
        except OSError:
            self.reopen()
            raise
        return 1

    def reopen(self) -> None:
        """Connect anew at the next flush."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def close(self) -> None:
        """Hang up."""
        self.reopen()


def batch_of(lines: list[bytes]) -> tuple[int, int]:
    """How many of the first lines fit into one write, and their octets; one always does."""
    octets = 0
    for number, line in enumerate(lines):
        if octets + len(line) > _OCTETS_A_WRITE and number:
            return number, octets
        octets += len(line)
    return len(lines), octets
