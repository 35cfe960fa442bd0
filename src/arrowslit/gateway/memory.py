"""Verdicts on recipients that are remembered: refusals for 5 minutes, good ones for a day (gateway-behaviour 1, 3).

A remembered refusal spares the inner server the error that would make it hang up; a remembered good verdict lets a
fallback take the recipient's mail while the next hop is down. Bounded: the oldest goes first. Time comes in.
"""

from __future__ import annotations

from collections import OrderedDict

from arrowslit.session.actions import Outcome

REFUSED_SECONDS = 300.0
VERIFIED_SECONDS = 86_400.0
_MOST = 100_000

Key = tuple[str, str]
"""Next hop and the recipient's address in lower case."""


class Memory:
    """Of one worker."""

    __slots__ = ("_refused", "_verified")

    def __init__(self) -> None:
        self._refused: OrderedDict[Key, tuple[float, Outcome]] = OrderedDict()
        self._verified: OrderedDict[Key, float] = OrderedDict()

    def refusal(self, key: Key, now: float) -> Outcome | None:
        """The refusal that is remembered, if any."""
        known = self._refused.get(key)
        if known is None:
            return None
        if known[0] < now:
            del self._refused[key]
            return None
        return known[1]

    def refused(self, key: Key, outcome: Outcome, now: float) -> None:
        """The next hop refused the recipient for good."""
        self._refused[key] = (now + REFUSED_SECONDS, outcome)
        self._verified.pop(key, None)
        if len(self._refused) > _MOST:
            self._refused.popitem(last=False)

    def verified(self, key: Key, now: float) -> None:
        """The next hop takes mail for the recipient."""
        self._verified[key] = now + VERIFIED_SECONDS
        if len(self._verified) > _MOST:
            self._verified.popitem(last=False)

    def is_verified(self, key: Key, now: float) -> bool:
        """Whether the next hop took the recipient within the last day."""
        return self._verified.get(key, 0.0) >= now

    def clear_refusals(self) -> None:
        """The policy changed: ask again."""
        self._refused.clear()
