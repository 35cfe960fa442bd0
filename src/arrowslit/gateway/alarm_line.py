"""How alarms get from a worker to the parent: the first at once, what follows within the second as one with a count.

So a fault that every message meets costs the parent no more than one that is met once a second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

_MOST: Final = 200

Key = tuple[str, str]


class AlarmLine:
    """One worker's end. `send` takes a message for the parent (`gateway.worker_link`)."""

    def __init__(self, send: Callable[[dict[str, Any]], object]) -> None:
        self._send = send
        self._followed: dict[Key, tuple[str, int]] = {}
        """Name and subject of what was sent in this second, with the newest text and how many came after it."""

    def ring(self, name: str, text: str, subject: str = "") -> None:
        """Somebody must act on this."""
        known = self._followed.get((name, subject))
        if known is not None:
            self._followed[name, subject] = (text, known[1] + 1)
        elif len(self._followed) < _MOST:
            self._followed[name, subject] = ("", 0)
            self._say(name, text, subject, 1)

    def over(self, name: str, subject: str) -> None:
        """The cause of this is gone."""
        self._tell((name, subject))
        self._send({"is": "over", "name": name, "subject": subject})

    def turn(self) -> None:
        """Another second begins."""
        for key in tuple(self._followed):
            self._tell(key)

    def _tell(self, key: Key) -> None:
        text, count = self._followed.pop(key, ("", 0))
        if count:
            self._say(key[0], text, key[1], count)

    def _say(self, name: str, text: str, subject: str, count: int) -> None:
        self._send({"is": "alarm", "name": name, "text": text, "subject": subject, "count": count})
