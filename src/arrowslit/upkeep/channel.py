"""What the process beside tells the parent of the node (`gateway.beside` has the words)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arrowslit.gateway.alarm_line import AlarmLine
from arrowslit.store.values import Head


class Channel:
    """`send` takes a message for the parent."""

    def __init__(self, send: Callable[[dict[str, Any]], object]) -> None:
        self._send = send
        self._over: set[tuple[str, str]] = set()
        """What is known to be well. A process before this one may have raised all else."""
        self.line = AlarmLine(send)

    def alarm(self, name: str, text: str, subject: str = "") -> None:
        """Somebody must act on this."""
        self._over.discard((name, subject))
        self.line.ring(name, text, subject)

    def over(self, name: str, subject: str = "") -> None:
        """The cause of this is gone, or was not there; said once."""
        if (name, subject) not in self._over:
            self._over.add((name, subject))
            self.line.over(name, subject)

    def active(self, head: Head, now: float | None) -> None:
        """What the store has as active.

        `now` is the wall clock where this process has just started, and may have missed a part of the time to confirm;
        None where it has seen the change come: then all of it is left, whatever the clocks of two machines say.
        """
        pending = head.pending
        self._send(
            {
                "is": "active",
                "revision": head.revision,
                "generation": head.generation,
                "pending": None
                if pending is None
                else {
                    "back_to": pending.back_to,
                    "seconds": pending.seconds,
                    "left": pending.seconds if now is None else pending.seconds - max(now - pending.since, 0.0),
                },
            }
        )

    def undo(self, revision: int, back_to: int, why: str) -> None:
        """The pending revision does harm."""
        self._send({"is": "undo", "revision": revision, "back_to": back_to, "why": why})

    def told(self, revision: int) -> None:
        """The store knows that this revision was undone."""
        self._send({"is": "told", "revision": revision})

    def metrics(self, snapshot: object) -> None:
        """What is counted here."""
        self._send({"is": "metrics", "metrics": snapshot})
