"""Reading of the Maildirs that peers deliver into."""

from __future__ import annotations

from pathlib import Path

from tests.peers.process import until


def messages(folder: Path) -> list[bytes]:
    """Return the new messages of a Maildir, oldest first."""
    files = sorted((folder / "new").glob("*"), key=lambda file: (file.stat().st_mtime_ns, file.name))
    return [file.read_bytes() for file in files]


def wait_for(folder: Path, count: int = 1, seconds: float = 10.0) -> list[bytes]:
    """Return the messages once there are this many. Fewer after that time is an assertion error."""
    until(lambda: len(messages(folder)) >= count, seconds)
    found = messages(folder)
    assert len(found) >= count, f"{len(found)} of {count} messages in {folder.name}"
    return found
