"""What syslog does to Exim's messages: long ones come in parts, refusals come twice.

Exim cuts what is longer than syslog takes into `[1/3]`, `[2/3]`, ...; a message of several lines (a refusal with the
headers of what was refused) into `[1\\4]`, ..., of which the first line has all that counts. With `syslog_duplication`,
which is the default, a refusal is written for mainlog and for rejectlog, one right after the other.
"""

from __future__ import annotations

import re
from typing import Any, Final

_PART: Final = re.compile(r"\[(?P<part>[0-9]{1,3})(?P<kind>[/\\])(?P<parts>[0-9]{1,3})\] (?P<text>.*)", re.DOTALL)
_REMEMBERED: Final = 10_000


class Unpacking:
    """Gives the messages of each process once and whole."""

    def __init__(self) -> None:
        self._parts: dict[str, list[str]] = {}
        self._last: dict[str, str] = {}

    def whole(self, pid: str, message: str) -> str | None:
        """The message; None where parts are missing, or it is a line that doesn't count."""
        found = _PART.fullmatch(message)
        if found is None:
            return message
        number = int(found["part"])
        if found["kind"] == "\\":
            return found["text"] if number == 1 else None
        parts = self._parts.pop(pid, []) if number > 1 else []
        if len(parts) != number - 1:
            return None
        parts.append(found["text"])
        if number >= int(found["parts"]):
            return "".join(parts)
        _put(self._parts, pid, parts)
        return None

    def again(self, pid: str, message: str) -> bool:
        """Whether this is the second of two equal refusals."""
        if self._last.pop(pid, None) == message:
            return True
        if "rejected " in message or "refused" in message:
            _put(self._last, pid, message)
        return False

    def state(self) -> dict[str, Any]:
        """What is kept, as JSON has it."""
        return {"parts": self._parts, "last": self._last}

    def resume(self, state: dict[str, Any]) -> None:
        """Take it up again."""
        self._parts, self._last = state["parts"], state["last"]


def _put(kept: dict[str, Any], pid: str, value: Any) -> None:
    kept[pid] = value
    if len(kept) > _REMEMBERED:
        del kept[next(iter(kept))]
