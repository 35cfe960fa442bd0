"""What is counted once though a log has it twice: two servers log the same message, or one logs it again.

Terms: a *key* is what is the same both times. Keys are kept as digests, the newest KEPT of them; a stranger can make
no two keys alike, and none that pushes another's out before KEPT others came.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

KEPT: Final = 200_000


def digest(parts: Iterable[str]) -> str:
    """A short name for `parts`."""
    return blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=9).hexdigest()


def same(identifier: str) -> str:
    """A GUID as one of its ways of writing; exports of one service differ in it."""
    return identifier.replace("-", "").casefold()


class Once:
    """Tells whether a key is new."""

    def __init__(self, kept: Iterable[str] = ()) -> None:
        self._kept = dict.fromkeys(kept)

    def new(self, *parts: str) -> bool:
        """Whether this comes for the first time."""
        key = digest(parts)
        if key in self._kept:
            return False
        self._kept[key] = None
        if len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]
        return True

    def state(self) -> list[str]:
        """What the constructor takes."""
        return list(self._kept)


class Pairs:
    """Two sides tell of the same things, each as often as they happened: the second to tell counts nothing."""

    def __init__(self, kept: dict[str, int] | None = None) -> None:
        self._kept = dict(kept or {})

    def new(self, side: bool, *parts: str) -> bool:
        """Whether `side` tells of it before the other does."""
        key, step = digest(parts), 1 if side else -1
        ahead = self._kept.pop(key, 0) + step
        if ahead:
            self._kept[key] = ahead
        if len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]
        return ahead * step > 0

    def state(self) -> dict[str, int]:
        """What the constructor takes."""
        return self._kept
