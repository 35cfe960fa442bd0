"""What somebody must act on, by name: first and last time, how often. Bounded, so that no fault grows it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

_NAMES: Final = 200
_TEXT: Final = 500


@dataclass(slots=True)
class Alarm:
    """One kind of fault. Times are Unix seconds."""

    name: str
    text: str
    first: float
    last: float
    count: int = 1


class Alarms:
    """The faults that are known now."""

    def __init__(self) -> None:
        self._by_name: dict[str, Alarm] = {}

    def ring(self, name: str, text: str, now: float) -> None:
        """A fault happened (again). When there are too many names, the one that rang longest ago is dropped."""
        name, text = _printable(name[:_TEXT]), _printable(text[:_TEXT])
        known = self._by_name.get(name)
        if known is not None:
            known.text, known.last, known.count = text, now, known.count + 1
            return
        if len(self._by_name) >= _NAMES:
            del self._by_name[min(self._by_name.values(), key=lambda alarm: alarm.last).name]
        self._by_name[name] = Alarm(name, text, now, now)

    def clear(self, name: str) -> None:
        """The fault is over."""
        self._by_name.pop(name, None)

    def names(self) -> frozenset[str]:
        """The names of the faults known now."""
        return frozenset(self._by_name)

    def as_message(self) -> list[dict[str, Any]]:
        """For `arrowslit status`, the latest first."""
        latest_first = sorted(self._by_name.values(), key=lambda alarm: -alarm.last)
        return [asdict(alarm) for alarm in latest_first]


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
