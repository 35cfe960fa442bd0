"""The octets of a file, whatever it is packed in: gzip, bzip2, xz, Zstandard, or nothing; found by its first octets.

A file can be cut off in the middle, be damaged, or be made to swell (a "zip bomb"): what was unpacked until then is
given out, and then `UnpackError` says what is wrong. Never more than a block is in memory.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BLOCK: Final = 1 << 20
_PACKED: Final = 1 << 16
RATIO: Final = 500
"""A log packs 10 to 100 times; what swells more than this is none."""
_FREE: Final = 64 << 20
"""Octets that may come out of any file, however small it is."""
_WINDOW: Final = 27
"""The binary logarithm of the memory that a file may ask for: 128 MB, as the command zstd allows."""
_MEMORY: Final = (1 << _WINDOW) + (1 << 20)
"""The same for xz, whose highest level asks for 65 MB."""
_MAGIC: Final = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}


class UnpackError(Exception):
    """The rest of the file can't be had; says why to an administrator."""


class _Readable(Protocol):
    def read1(self, size: int = ..., /) -> bytes: ...


class _Decoder(Protocol):
    """What `bz2` and `lzma` have in common: one stream."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /, max_length: int = ...) -> bytes: ...


class _Streams:
    """Several streams one behind the other. Unlike the library's own files it takes nothing that is no stream for the
    end: what lies behind it would be lost in silence.
    """

    def __init__(self, file: io.BufferedReader, make: Callable[[], _Decoder]) -> None:
        self._file, self._make = file, make
        self._decoder = make()
        self._rest = b""

    def read1(self, size: int = BLOCK, /) -> bytes:
        """Up to `size` octets. Raises EOFError and what the decoder raises."""
        while True:
            if self._decoder.eof and not self._begins():
                return b""
            if self._decoder.needs_input and not self._rest:
                self._rest = self._file.read1(_PACKED)
                if not self._rest:
                    raise EOFError
            found = self._decoder.decompress(self._rest, size)
            self._rest = b""
            if found:
                return found

    def _begins(self) -> bool:
        """Whether another stream begins; NULs between two are padding (xz)."""
        rest = self._decoder.unused_data.lstrip(b"\0")
        while not rest:
            more = self._file.read1(BLOCK)
            if not more:
                return False
            rest = more.lstrip(b"\0")
        self._decoder, self._rest = self._make(), rest
        return True


class Unpacked:
    """A file that is being unpacked. `size` is in octets as packed, 0 where it is not known (a pipe)."""

    def __init__(self, file: io.BufferedReader, size: int) -> None:
        self._file, self.size = file, size
        self.packing = _packing(file)
        self._stream: _Readable = _stream(file, self.packing)
        self._piped = not file.seekable()

    @property
    def done(self) -> int:
        """How many octets of the packed file were taken."""
        return 0 if self._piped else self._file.tell()

    def blocks(self) -> Iterator[bytes]:
        """Blocks of at most BLOCK octets. Raises UnpackError."""
        given = 0
        while True:
            try:
                # What a damaged file gives before the damage is not lost that way.
                block = self._stream.read1(BLOCK)
            except (EOFError, OSError, zlib.error, lzma.LZMAError, zstd.ZstdError, ValueError) as error:
                raise UnpackError(_words(error, self.packing)) from None
            if not block:
                return
            given += len(block)
            if self.packing and given > _FREE and given > RATIO * max(self.done, 1):
                raise UnpackError(f"it swells more than {RATIO} times when it is unpacked; the rest is left out")
            yield block

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def unpacked(path: Path) -> Unpacked:
    """The file at `path`. Raises OSError and UnpackError, also for what is no file (any more): nobody waits for one."""
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))  # noqa: SIM115
    found = os.fstat(file.fileno())
    if not stat.S_ISREG(found.st_mode):
        file.close()
        raise UnpackError("it is a pipe or a device, and no file")
    try:
        return Unpacked(file, found.st_size)
    except BaseException:
        file.close()
        raise


def _packing(file: io.BufferedReader) -> str:
    head = file.peek(8)
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "")


def _stream(file: io.BufferedReader, packing: str) -> _Readable:
    if packing == "gzip":
        return gzip.GzipFile(fileobj=file)
    if packing == "bzip2":
        return _Streams(file, bz2.BZ2Decompressor)
    if packing == "xz":
        return _Streams(file, lambda: lzma.LZMADecompressor(memlimit=_MEMORY))
    if packing == "zstd":
        return zstd.ZstdFile(file, options={zstd.DecompressionParameter.window_log_max: _WINDOW})
    return file


def _words(error: Exception, packing: str) -> str:
    if isinstance(error, EOFError):
        return f"the {packing} file is cut off"
    if isinstance(error, (lzma.LZMAError, zstd.ZstdError)) and "memory" in str(error).lower():
        return f"the {packing} data asks for more than {1 << _WINDOW - 20} MB of memory to be unpacked"
    if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile) and error.strerror:
        return f"it can't be read any further: {error.strerror}"
    return f"the {packing or 'file'} data is damaged"
