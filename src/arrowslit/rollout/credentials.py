"""The credentials of an enforcement point: a file that only the agent's account can read, `name=value` a line.

What is read here goes into requests alone: `Credentials` shows none of it, and `without` takes it out of texts that
come back from elsewhere before anybody sees them.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from arrowslit.rollout.point import RolloutError

_LARGEST: Final = 65_536
_SHORTEST: Final = 4
"""Octets from which on a value is taken out of texts; what is shorter would tear ordinary words apart."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a file says, by name."""

    path: Path
    _values: dict[str, str] = field(repr=False, default_factory=dict)

    def get(self, name: str) -> str:
        """The value of that name. Raises RolloutError where the file has none."""
        if not self._values.get(name):
            raise RolloutError(f"{self.path} has no line {name}=...")
        return self._values[name]

    def without(self, text: str) -> str:
        """The text with every value of the file replaced."""
        for value in sorted(self._values.values(), key=len, reverse=True):
            if len(value) >= _SHORTEST:
                text = text.replace(value, "...")
        return text


def read_credentials(path: Path | None) -> Credentials:
    """The credentials in that file. Raises RolloutError, never with a line of the file in its text."""
    if path is None:
        raise RolloutError("the enforcement point has no credentials_file")
    try:
        if path.is_dir():
            raise RolloutError(f"{path} is no file")
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            _check(path, os.fstat(handle))
            octets = file.read(_LARGEST + 1)
    except OSError as error:
        raise RolloutError(f"the credentials in {path} can't be read: {error.strerror}") from None
    return Credentials(path, _values(path, octets))


def _check(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise RolloutError(f"{path} is no file")
    if found.st_mode & 0o077:
        raise RolloutError(f"others than its owner may use the credentials in {path}: chmod 600 {path}")


def _values(path: Path, octets: bytes) -> dict[str, str]:
    try:
        lines = octets.decode("utf-8").splitlines() if len(octets) <= _LARGEST else None
    except UnicodeDecodeError:
        lines = None
    if lines is None:
        raise RolloutError(f"{path} is no file of credentials")
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        name, mark, value = (part.strip() for part in line.partition("="))
        if not line.strip() or name.startswith("#"):
            continue
        if not mark or not value.isprintable():
            raise RolloutError(f"{path}, line {number}: write name=value")
        found[name] = value
    return found
