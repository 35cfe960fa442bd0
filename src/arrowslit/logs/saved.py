"""What was read until a stop: one file in the state folder of whoever runs the command, readable for him alone.

It is taken only where it is whole, of the same version of the program, and belongs to whoever reads it. Where there is
no such folder, or it can't be written, nothing is kept: then the next run begins anew. Old ones are cleared away.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import tempfile
import time
from pathlib import Path
from typing import Any, Final

_OLD: Final = 30 * 86_400.0


class Saved:
    """The file for one question; `key` says which."""

    def __init__(self, key: str) -> None:
        self._folder = _folder()
        self._name = f"reading-{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"

    def read(self) -> dict[str, Any] | None:
        """What was kept; None where nothing was, or nothing that could be trusted."""
        if self._folder is None:
            return None
        try:
            digest, _, text = _own(self._folder / self._name).partition(b"\n")
            found = json.loads(text) if digest == _digest(text) else None
        except (OSError, ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    def write(self, value: dict[str, Any]) -> bool:
        """Keep `value` in place of what was kept before; False where that can't be done."""
        if self._folder is None:
            return False
        text = json.dumps(value).encode()
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, made = tempfile.mkstemp(prefix=f".{self._name}.", dir=self._folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(_digest(text) + b"\n" + text)
                Path(made).replace(self._folder / self._name)
            except BaseException:
                Path(made).unlink(missing_ok=True)
                raise
            _clear(self._folder, time.time() - _OLD)
        except OSError:
            return False
        return True

    def remove(self) -> None:
        """Keep nothing any more."""
        if self._folder is not None:
            with contextlib.suppress(OSError):
                (self._folder / self._name).unlink(missing_ok=True)


def _folder() -> Path | None:
    base = os.environ.get("XDG_STATE_HOME", "")
    try:
        # A relative path is to be ignored (XDG Base Directory Specification).
        state = Path(base) if base.startswith("/") else Path.home() / ".local" / "state"
    except RuntimeError:
        return None
    return state / "arrowslit"


def _own(path: Path) -> bytes:
    """The octets of a file of our own. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            raise PermissionError(f"{path} is not ours")
        return file.read()


def _clear(folder: Path, before: float) -> None:
    """Readings that nobody went on with."""
    for path in [*folder.glob("reading-*.json"), *folder.glob(".reading-*.json.*")]:
        if path.lstat().st_mtime < before:
            path.unlink(missing_ok=True)


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest().encode()
