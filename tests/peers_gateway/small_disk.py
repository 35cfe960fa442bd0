"""A disk that really gets full: a tmpfs of a few hundred KiB that only the node in its mount namespace has.

    disk = SmallDisk(tmp_path / "node" / "small", kib=1024)
    with serving(tmp_path / "node", policy, more='[limits]\nspool = "small"\n', prefix=disk.prefix) as node:
        disk.seen_by(node.process.pid).fill()

Needs root and the program unshare (Debian package util-linux).
"""

from __future__ import annotations

import errno
import functools
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_MOUNT = 'mount -t tmpfs -o "size=$1k" tmpfs "$2" && shift 2 && exec "$@"'


@functools.cache
def missing() -> str | None:
    """Say why there can be no such disk here, or None if there can."""
    if shutil.which("unshare") is None:
        return "a small disk needs the program unshare (Debian package util-linux)"
    if os.geteuid() != 0:
        return "a small disk needs root"
    tried = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False)
    return f"a tmpfs can't be mounted here: {tried.stderr.decode(errors='replace')}" if tried.returncode else None


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """`folder` is where it is mounted, `kib` its size."""

    folder: Path
    kib: int

    @property
    def prefix(self) -> tuple[str, ...]:
        """What goes before a command so that it has this disk."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return ("unshare", "-m", "--propagation", "private", "sh", "-c", _MOUNT, "sh", str(self.kib), str(self.folder))

    def seen_by(self, pid: int) -> Content:
        """What the process of that id sees there."""
        return Content(Path(f"/proc/{pid}/root{self.folder}"))


@dataclass(frozen=True, slots=True)
class Content:
    """The disk's content, reachable from everywhere."""

    folder: Path

    def fill(self) -> None:
        """Take all the room that is left, to the last octet."""
        with (self.folder / "ballast").open("ab", buffering=0) as ballast:
            for size in (65_536, 1):
                _write_until_full(ballast.fileno(), bytes(size))

    def free(self) -> None:
        """Give it back."""
        (self.folder / "ballast").unlink()


def _write_until_full(fd: int, block: bytes) -> None:
    try:
        while os.write(fd, block):
            pass
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
