"""Reads the files that the two documents name, and says what is wrong with them as findings.

A limit stands on every file: what is named by mistake (a disk, a log) must not fill the memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from arrowslit.policy.finding import Finding
from arrowslit.policy.tree import Document


@dataclass(frozen=True, slots=True)
class Placed:
    """A finding and the document that it speaks of; None where the file could not be read."""

    document: Document | None
    finding: Finding


_LARGEST = 512 * 1024 * 1024


def read_text(path: Path, largest: int = _LARGEST) -> str:
    """The text of a file, UTF-8, line ends as they are.

    Raises OSError, or ValueError where it is too large or not UTF-8; both speak to an administrator.
    """
    with path.open("rb") as file:
        octets = file.read(largest + 1)
    if len(octets) > largest:
        raise ValueError(f"larger than {largest} octets")
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: octet {error.start} is 0x{octets[error.start]:02x}") from None


def why(error: OSError | ValueError) -> str:
    """What went wrong with a file, in a few words."""
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
