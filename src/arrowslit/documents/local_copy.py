"""The last revisions of the policy as files of one node: what its workers load, with or without the store.

Terms: a *copy* is the text of a revision and, beside it, the addresses of its networks as one *generation* has them
(`documents.packed`). The *active* record says which of them this node has taken up. Whoever finds a copy damaged
treats it as absent: the hash of its text stands in the active record. Never judges a policy.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from arrowslit.documents.atomic import write_atomically
from arrowslit.documents.packed import folder_of, generations, is_packed, pack
from arrowslit.mail.address_set import AddressSet

KEPT: Final = 10
"""How many revisions a node keeps; those that it may have to go back to are kept beyond that."""


@dataclass(frozen=True, slots=True)
class Target:
    """Which policy: the number of a revision, and the generation of what it names."""

    revision: int
    generation: int


@dataclass(frozen=True, slots=True)
class ActiveCopy:
    """What this node has taken up. `sha256` (hex) is that of the revision's text."""

    revision: int
    generation: int
    sha256: str

    @property
    def target(self) -> Target:
        """Its number and generation."""
        return Target(self.revision, self.generation)


def text_hash(text: str) -> str:
    """The SHA-256 (hex) of a policy's text."""
    return hashlib.sha256(text.encode()).hexdigest()


class LocalCopies:
    """The copies in the state folder of a node. Writing raises OSError."""

    def __init__(self, state: Path) -> None:
        self.folder = state.absolute() / "revisions"

    def path(self, revision: int) -> Path:
        """Where the text of a revision lies, or would."""
        return self.folder / f"{revision}.toml"

    def text(self, revision: int) -> str | None:
        """The text of a revision; None where there is no copy."""
        try:
            return self.path(revision).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def write(self, target: Target, text: str, networks: Mapping[str, AddressSet]) -> Path:
        """Keep a revision with the addresses of its networks; gives the path of the text."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.path(target.revision)
        if self.text(target.revision) != text:
            write_atomically(path, text.encode(), 0o600)
        if not is_packed(path, target.generation):
            pack(networks, path, target.generation)
        return path

    def has(self, target: Target) -> bool:
        """Whether that revision and generation lie here whole."""
        path = self.path(target.revision)
        return path.is_file() and is_packed(path, target.generation)

    def newest(self, revision: int) -> Target | None:
        """The newest generation of a revision that lies here whole; None where there is none."""
        found = [Target(revision, number) for number in generations(self.path(revision))]
        return next((target for target in reversed(found) if self.has(target)), None)

    def active(self) -> ActiveCopy | None:
        """What was taken up last; None where nothing was, or its record or its copy is broken."""
        try:
            found = json.loads((self.folder / "active.json").read_bytes())
            active = ActiveCopy(int(found["revision"]), int(found["generation"]), str(found["sha256"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        text = self.text(active.revision)
        whole = text is not None and text_hash(text) == active.sha256 and self.has(active.target)
        return active if whole else None

    def set_active(self, target: Target) -> None:
        """Record what this node has taken up."""
        text = self.text(target.revision)
        if text is None:
            raise FileNotFoundError(f"there is no copy of revision {target.revision} in {self.folder}")
        record = ActiveCopy(target.revision, target.generation, text_hash(text))
        write_atomically(self.folder / "active.json", json.dumps(asdict(record)).encode(), 0o600)

    def prune(self, needed: Iterable[int]) -> None:
        """Remove the oldest copies, but none of those in `needed`."""
        keep = set(needed)
        for number in self.numbers()[:-KEPT]:
            if number not in keep:
                path = self.path(number)
                path.unlink(missing_ok=True)
                shutil.rmtree(folder_of(path), ignore_errors=True)

    def numbers(self) -> list[int]:
        """The revisions that lie here, oldest first."""
        stems = [path.stem for path in self.folder.glob("*.toml")]
        return sorted(int(stem) for stem in stems if stem.isascii() and stem.isdigit())
