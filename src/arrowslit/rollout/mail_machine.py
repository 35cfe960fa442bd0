"""A machine with a mail server on it: its programs and its files, as the agent works with them. Needs root there."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from arrowslit.documents.atomic import write_atomically
from arrowslit.rollout.point import RolloutError

_SECONDS: Final = 120.0
_SHOWN: Final = 500
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def _directly(address: str, port: int, seconds: float) -> socket.socket:
    return socket.create_connection((address, port), seconds)


@dataclass(frozen=True, slots=True)
class MailMachine:
    """`prefix` and `root` are for one that lives in another place, such as a namespace and a root of its own.

    `connect` opens a connection from the machine to one of its own addresses.
    """

    prefix: Sequence[str] = ()
    root: Path = Path("/")
    environment: Mapping[str, str] = field(default_factory=dict)
    connect: Callable[[str, int, float], socket.socket] = _directly

    def run(self, *argv: str, given: str = "", fine: Sequence[int] = (0,)) -> str:
        """What a program there says; also what it says of errors. Raises RolloutError where it fails."""
        environment = {"PATH": _PATH, "LC_ALL": "C", **self.environment}
        command = (*self.prefix, *argv)
        try:
            done = subprocess.run(  # noqa: S603
                command, input=given.encode(), capture_output=True, timeout=_SECONDS, check=False, env=environment
            )
        except FileNotFoundError:
            raise RolloutError(f"{argv[0]} is not installed here") from None
        except subprocess.TimeoutExpired:
            raise RolloutError(f"{argv[0]} did not end in {_SECONDS:.0f} s") from None
        said = done.stderr.decode("utf-8", "replace")
        if done.returncode not in fine:
            words = " ".join((said or done.stdout.decode("utf-8", "replace")).split())
            raise RolloutError(f"{argv[0]}: {words[-_SHOWN:] or f'it failed with {done.returncode}'}")
        return done.stdout.decode("utf-8", "replace")

    def path(self, inside: str) -> Path:
        """Where a file of the machine is for us."""
        return self.root / inside.lstrip("/")

    def read(self, inside: str) -> str | None:
        """A file's text; None where there is none. Raises RolloutError."""
        try:
            return self.path(inside).read_text("utf-8", "surrogateescape")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise RolloutError(f"{inside} can't be read: {error.strerror}") from None

    def write(self, inside: str, text: str, mode: int = 0o644) -> None:
        """Put a whole file there, on the disk before it has its name. A symbolic link stays. Raises RolloutError."""
        try:
            path = self._real(inside)
            write_atomically(path, text.encode("utf-8", "surrogateescape"), mode)
        except OSError as error:
            raise RolloutError(f"{inside} can't be written: {error.strerror}") from None

    def rewrite(self, inside: str, text: str) -> None:
        """The same for a file that is there: its rights and its owner stay."""
        try:
            path = self._real(inside)
            before = path.stat()
            write_atomically(path, text.encode("utf-8", "surrogateescape"), before.st_mode & 0o7777)
            os.chown(path, before.st_uid, before.st_gid)
        except OSError as error:
            raise RolloutError(f"{inside} can't be written: {error.strerror}") from None

    def remove(self, inside: str) -> None:
        """Take a file away, if it is there. Raises RolloutError."""
        try:
            self.path(inside).unlink(missing_ok=True)
        except OSError as error:
            raise RolloutError(f"{inside} can't be removed: {error.strerror}") from None

    def folder(self, inside: str) -> None:
        """Make a folder that only root may read. Raises RolloutError."""
        try:
            self.path(inside).mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise RolloutError(f"{inside} can't be made: {error.strerror}") from None

    def _real(self, inside: str) -> Path:
        path = self.path(inside)
        return path.resolve() if self.root == Path("/") else path
