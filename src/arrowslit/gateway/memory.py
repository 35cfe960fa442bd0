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
_ANY = "*"

_NO_SUCH_MAILBOX = frozenset({"5.1.1", "5.1.10"})

Key = tuple[str, str]
"""Next hop and the recipient's address in lower case."""


class Memory:
    """Of one worker."""

    __slots__ = ("_refused", "_verified")

    def __init__(self) -> None:
        self._refused: OrderedDict[tuple[Key, str], tuple[float, Outcome]] = OrderedDict()
        self._verified: OrderedDict[Key, float] = OrderedDict()

    def refusal(self, key: Key, reverse_path: str, now: float) -> Outcome | None:
        """The refusal that is remembered for this recipient, or for it from this reverse-path, if any."""
        if not self._refused:
            return None
        return self._remembered((key, _ANY), now) or self._remembered((key, reverse_path), now)

    def _remembered(self, key: tuple[Key, str], now: float) -> Outcome | None:
        known = self._refused.get(key)
        if known is None or known[0] >= now:
            return known[1] if known else None
        del self._refused[key]
        return None

    def refused(self, key: Key, reverse_path: str, outcome: Outcome, now: float) -> None:
        """The next hop refused the recipient for good.

        Only "no such mailbox" (RFC 3463 5.1.1) holds for every reverse-path: other refusals may be about the sender.
        """
        mailbox = outcome.said is not None and outcome.said.enhanced in _NO_SUCH_MAILBOX
        self._refused[(key, _ANY if mailbox else reverse_path)] = (now + REFUSED_SECONDS, outcome)
        if mailbox:
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
