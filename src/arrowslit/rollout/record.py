"""What the agent remembers of an enforcement point, on disk: which rules hold, and which only for now.

Terms: *settled* rules hold until somebody changes them; after a restart of the machine they are put back where the
place forgets them. *Pending* rules went away with the restart: nobody had confirmed them (decisions 22). A record is
written before the change that it tells of. Files are whole or not there.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from arrowslit.documents.atomic import write_atomically
from arrowslit.rollout.point import RolloutError

_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Record:
    """`settled` and `pending` are texts that can be loaded by themselves; the names say which policy they are of.

    `connection` is the line that the pending one was applied over, `boot` the run of the machine it was applied in,
    `deadline` when it is over, in seconds since that run began.
    """

    settled: str = ""
    settled_named: str = ""
    settled_version: str = ""
    pending: str = ""
    pending_named: str = ""
    pending_version: str = ""
    connection: str = ""
    boot: str = ""
    deadline: float = 0.0

    def confirmed(self) -> Record:
        """With what is pending settled."""
        return replace(self.back(), settled=self.pending, settled_named=self.pending_named,
                       settled_version=self.pending_version)  # fmt: skip

    def back(self) -> Record:
        """Without what is pending."""
        return replace(self, pending="", pending_named="", pending_version="", connection="")


class Records:
    """All records, in a folder that only the agent's account can read. Raises RolloutError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, name: str) -> Record:
        """The record of an enforcement point; an empty one where there is none."""
        path = self._path(name)
        try:
            found = json.loads(path.read_bytes())
            if found.pop("format") != _FORMAT:
                raise ValueError("it is of another version of this program")  # noqa: TRY301
            return Record(**found)
        except FileNotFoundError:
            return Record()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RolloutError(f"{path} can't be read: {error}") from None

    def write(self, name: str, record: Record) -> None:
        """Keep it."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self._path(name), json.dumps({"format": _FORMAT, **asdict(record)}).encode(), 0o600)
        except OSError as error:
            raise RolloutError(f"{self._path(name)} can't be written: {error.strerror}") from None

    def _path(self, name: str) -> Path:
        # Names come from a TOML key and may hold anything.
        return self.folder / f"{name.encode().hex()}.json"
