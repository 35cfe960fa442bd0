"""Keeps the names of clients for a while, so that a busy filter is not looked up for each of its connections.

Bounded in number, and in time whatever the time to live of the answers: a stranger writes his own zone. The clock is
passed in. Never looks anything up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from arrowslit.mail.address import IPAddress
from arrowslit.policy.facts import Unknown

SHORTEST: Final = 5.0
LONGEST: Final = 300.0
_ENTRIES: Final = 10_000

Name = str | Unknown | None
Names = tuple[Name, Name]
"""Reverse name and client name, each a name, None or TEMPORARY_FAILURE."""


class NameCache:
    """Names by client address; the oldest entry makes room for a new one. `clock` gives seconds that only grow."""

    def __init__(self, clock: Callable[[], float], entries: int = _ENTRIES) -> None:
        self._clock = clock
        self._entries = entries
        self._kept: dict[IPAddress, tuple[float, Names]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, address: IPAddress) -> Names | None:
        """What is kept for the address and still holds."""
        kept = self._kept.get(address)
        if kept is None:
            return None
        until, names = kept
        if self._clock() < until:
            return names
        del self._kept[address]
        return None

    def keep(self, address: IPAddress, names: Names, seconds: float) -> None:
        """Keep `names`, for `seconds` brought between `SHORTEST` and `LONGEST`; a failure for `SHORTEST`."""
        if any(isinstance(name, Unknown) for name in names):
            seconds = SHORTEST
        self._kept.pop(address, None)
        if len(self._kept) >= self._entries:
            del self._kept[next(iter(self._kept))]
        self._kept[address] = self._clock() + min(max(seconds, SHORTEST), LONGEST), names
