"""What takes the attempts that are read: a rehearsal, an inventory. It can be saved, so that reading can be stopped."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from arrowslit.traffic.attempt import Attempt


class Sink(Protocol):
    """Takes attempts."""

    def take(self, attempts: Iterable[Attempt]) -> None:
        """Count these in."""

    def state(self) -> dict[str, Any]:
        """All that was counted, in the types that JSON has."""

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
