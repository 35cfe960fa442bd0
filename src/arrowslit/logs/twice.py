"""Counts nothing twice: the same attempt in two pieces (a copy of a log, a rotated piece that overlaps) is one.

An attempt is known by its time, the log's own id, client, recipient and what was told. Times count in whole seconds,
since one piece may have fractions of them and another not. The same piece may hold two equal ones, which are two: so
the second of a piece is only equal to the second of another. Only what may come again is remembered: attempts from the
first time of any later piece on. There is a limit; beyond it nothing is dropped any more, and `full` says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from math import floor
from typing import Any, Final

from arrowslit.traffic.attempt import Attempt

REMEMBERED: Final = 3_000_000
_NEAR: Final = 16_384


class Twice:
    """Passes attempts on but for those that came in an earlier piece."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._near: dict[int, int] = {}
        self._from = float("inf")
        self.dropped = 0
        self.full = False

    def piece(self, later: Iterable[float | None], *, goes_on: bool = False) -> None:
        """A piece begins (or `goes_on` after a stop); `later` are the first times of those behind it.

        A piece of which no time is known (None) may hold anything again.
        """
        self._near = self._near if goes_on else {}
        self._from = float("inf")
        for one in later:
            self._from = min(self._from, float("-inf") if one is None else floor(one))

    def only_new(self, attempts: Iterable[Attempt]) -> Iterator[Attempt]:
        """Those that are not in an earlier piece."""
        for attempt in attempts:
            if not self._seen and attempt.time < self._from:
                yield attempt
                continue
            key = self._key(attempt)
            if key in self._seen:
                self.dropped += attempt.repeats
                continue
            if attempt.time >= self._from:
                self._remember(key)
            yield attempt

    def _key(self, attempt: Attempt) -> int:
        plain = _digest((floor(attempt.time), attempt.id, attempt.client_address, attempt.forward_path, attempt.told))
        number = self._near.pop(plain, 0) + 1
        self._near[plain] = number
        if len(self._near) > _NEAR:
            del self._near[next(iter(self._near))]
        return plain if number == 1 else _digest((plain, number))

    def _remember(self, key: int) -> None:
        if len(self._seen) < REMEMBERED:
            self._seen.add(key)
        else:
            self.full = True

    def state(self) -> dict[str, Any]:
        """What has to be known to go on."""
        return {"dropped": self.dropped, "full": self.full, "seen": list(self._seen), "near": list(self._near.items())}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from `state`; `piece` is to be called before anything else."""
        self.dropped, self.full, self._seen = state["dropped"], state["full"], set(state["seen"])
        self._near = dict(state["near"])


def _digest(values: tuple[Any, ...]) -> int:
    """The same in every run of the program, which `hash` is not, and for all equal values, which `marshal` is not."""
    return int.from_bytes(blake2b(repr(values).encode(), digest_size=8).digest())
