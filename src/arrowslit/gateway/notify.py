"""Telling systemd how it goes (sd_notify(3)): READY, RELOADING, STOPPING, WATCHDOG, MAINPID, STATUS.

Does nothing where `NOTIFY_SOCKET` is not set. Never raises: a service manager that doesn't listen stops no mail.
"""

from __future__ import annotations

import os
import socket
from typing import Final

_MICRO: Final = 1_000_000


class Notify:
    """The way to the service manager, taken from the environment once."""

    def __init__(self, environment: dict[str, str] | None = None) -> None:
        known = dict(os.environ) if environment is None else environment
        self._address = known.get("NOTIFY_SOCKET", "")
        period = known.get("WATCHDOG_USEC", "")
        meant = known.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
        self.watchdog_seconds = int(period) / _MICRO if period.isdecimal() and meant else 0.0
        """How often the manager wants to hear of us at least; 0 when it does not care."""

    def ready(self, status: str = "") -> None:
        """Started, or done with reloading."""
        self._send("READY=1", f"STATUS={status}")

    def reloading(self, monotonic: float) -> None:
        """A reload begins, at that time of CLOCK_MONOTONIC; `ready` ends it."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={int(monotonic * _MICRO)}")

    def stopping(self, status: str = "") -> None:
        """The end begins."""
        self._send("STOPPING=1", f"STATUS={status}")

    def watchdog(self) -> None:
        """Still alive."""
        self._send("WATCHDOG=1")

    def main_process(self, pid: int) -> None:
        """From now on the service is that process."""
        self._send(f"MAINPID={pid}")

    def extend(self, seconds: float) -> None:
        """A drain takes that long at most; it is no hang."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * _MICRO)}")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        text = "\n".join(line.replace("\n", " ") for line in lines)
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
            try:
                sock.sendto(text.encode(), address)
            except OSError:
                # Nobody to tell: the manager itself is gone or restarting. Its watchdog is the safeguard.
                return
