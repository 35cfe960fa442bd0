"""The circuit breaker of one endpoint: after three failed connects it is left alone for a while.

States are the count of failures and the time of the next probe: 5 s after the third failure, doubling up to 60 s
(gateway-behaviour 1, Bounds). Time comes in as `now`. Never opens by a 4yz or 421: those mean load, not death.
"""

from __future__ import annotations

_FAILURES = 3
_FIRST, _LONGEST = 5.0, 60.0
_MOST = 4096


class Breaker:
    """All endpoints of a worker, by name."""

    __slots__ = ("_state",)

    def __init__(self) -> None:
        self._state: dict[str, tuple[int, float, float]] = {}

    def allows(self, name: str, now: float) -> bool:
        """Whether to try; while open one probe is let through each time the wait is over."""
        state = self._state.get(name)
        if state is None or state[0] < _FAILURES:
            return True
        failures, next_probe, wait = state
        if now < next_probe:
            return False
        self._state[name] = (failures, now + wait, wait)
        return True

    def failed(self, name: str, now: float) -> bool:
        """A connect failed; True where that leaves the breaker open."""
        failures, _next, wait = self._state.get(name, (0, 0.0, _FIRST / 2))
        failures += 1
        wait = min(wait * 2, _LONGEST) if failures >= _FAILURES else wait
        if len(self._state) >= _MOST:
            self._state.clear()
        self._state[name] = (failures, now + wait, wait)
        return failures >= _FAILURES

    def succeeded(self, name: str) -> bool:
        """A connect worked: closed; True where it was open before."""
        state = self._state.pop(name, None)
        return state is not None and state[0] >= _FAILURES

    def up(self, name: str) -> bool:
        """False while open."""
        return self._state.get(name, (0, 0.0, 0.0))[0] < _FAILURES
