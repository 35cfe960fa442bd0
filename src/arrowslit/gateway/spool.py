"""The message while it is taken in: in memory, beyond a bound in an unlinked temporary file (gateway-behaviour 1).

Octets stay in transparent form, so that they go to the next hop as they are. No fsync: nothing has been promised yet.
A full disk or a spent budget makes the spool `failed` (452 4.3.1) and never raises into the protocol.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

BLOCK_OCTETS = 65_536


class Spool:
    """One message. `charge(octets)` takes from the node's budget and says False where that is spent."""

    __slots__ = ("_charge", "_charged", "_chunks", "_file", "_folder", "_memory", "failed", "octets", "problem")

    def __init__(self, folder: Path, memory_octets: int, charge: Callable[[int], bool]) -> None:
        self._folder = folder
        self._memory = memory_octets
        self._charge = charge
        self._charged = 0
        self._chunks: list[bytes] = []
        self._file: BinaryIO | None = None
        self.octets = 0
        self.failed = False
        self.problem = ""
        """Why it failed, for an alarm; empty while it has not, and where only the budget was spent."""

    @property
    def in_memory(self) -> bool:
        """True where no file was needed."""
        return self._file is None

    def append(self, chunk: bytes) -> None:
        """Keep `chunk`; after a failure it is dropped."""
        if self.failed:
            return
        self.octets += len(chunk)
        if self._file is None and self.octets <= self._memory:
            self._chunks.append(chunk)
        else:
            self._to_file(chunk)

    def _to_file(self, chunk: bytes) -> None:
        wanted = self.octets - self._charged
        if not self._charge(wanted):
            self._fail()
            return
        self._charged += wanted
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115
                for kept in self._chunks:
                    _write_all(self._file, kept)
                self._chunks.clear()
            _write_all(self._file, chunk)
        except OSError as error:
            self.problem = f"messages can't be kept in {self._folder}: {error.strerror or error}"
            self._fail()

    def _fail(self) -> None:
        self.failed = True
        self.close()

    def whole(self) -> bytes:
        """All of it, for a message that is in memory."""
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)

    def blocks(self) -> Iterator[bytes]:
        """The octets from the beginning, in blocks. Raises OSError where the file cannot be read."""
        if self._file is None:
            yield from self._chunks
            return
        self._file.seek(0)
        while block := self._file.read(BLOCK_OCTETS):
            yield block

    def close(self) -> None:
        """Forget the message and give the budget back."""
        self._chunks.clear()
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None
        if self._charged:
            self._charge(-self._charged)
            self._charged = 0


def _write_all(file: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
