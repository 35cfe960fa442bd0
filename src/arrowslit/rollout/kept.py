"""What `undo` needs of a place that keeps no time: one file of JSON for each enforcement point, whole or not there.

Terms: *original* is what was there before any of ours, *before* is what a change that nobody has confirmed yet would go
back to. Both are written before the place is touched, so that whoever starts again after a crash can go back.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from arrowslit.documents.atomic import write_atomically
from arrowslit.rollout.point import RolloutError

_FORMAT: Final = 1

Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kept:
    """`before` is None where nothing is pending, `original` where there is nothing of ours."""

    original: Data | None = None
    before: Data | None = None


@dataclass(frozen=True, slots=True)
class KeptFile:
    """The file of one enforcement point. Raises RolloutError."""

    path: Path

    def read(self) -> Kept:
        """What is kept; nothing where there is no file."""
        try:
            found = json.loads(self.path.read_bytes())
            if found["format"] != _FORMAT:
                raise ValueError("it is of another version of this program")  # noqa: TRY301
            return Kept(found["original"], found["before"])
        except FileNotFoundError:
            return Kept()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RolloutError(f"{self.path} can't be read: {error}") from None

    def write(self, kept: Kept) -> None:
        """Keep it, on the disk when this returns."""
        data = {"format": _FORMAT, "original": kept.original, "before": kept.before}
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self.path, json.dumps(data).encode(), 0o600)
        except OSError as error:
            raise RolloutError(f"{self.path} can't be written: {error.strerror}") from None

    def remove(self) -> None:
        """Nothing of ours is there any more."""
        try:
            self.path.unlink(missing_ok=True)
            if self.path.parent.exists():
                handle = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)
        except OSError as error:
            raise RolloutError(f"{self.path} can't be removed: {error.strerror}") from None
