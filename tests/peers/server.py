"""What the mail servers that tests start have in common: where they listen, what they log, what they delivered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.peers import maildir
from tests.peers.process import Running


@dataclass(slots=True)
class Server:
    """A running mail server with a Maildir for each recipient."""

    folder: Path  # as seen from outside the chroot
    running: Running
    address: str
    port: int

    @property
    def at(self) -> tuple[str, int]:
        """Return where it listens."""
        return self.address, self.port

    def log(self) -> str:
        """Return its log."""
        return self.running.log_text()

    def messages(self, recipient: str, count: int = 0) -> list[bytes]:
        """Return what was delivered to this recipient, waiting until there are `count`."""
        return maildir.wait_for(self.folder / "mail" / recipient.lower(), count)
