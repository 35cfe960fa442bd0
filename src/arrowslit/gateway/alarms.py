"""What somebody must act on: when it began, how often it happened, whether it is over, and what is still to be told.

Terms: an alarm is known by its *name* (`documents.alarms`) and its *subject*, such as one address of a next hop. To
be *told* is to be handed out by `due`, whoever sends it on: when it is raised first, then at most once an hour while
it goes on, and when it is over where its kind says so. Times are Unix seconds and come in as values. Bounded, so that
no fault grows it; nothing in it holds a character that a screen or a log could take for a command.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

from arrowslit.documents.alarms import ALARMS, AlarmKind, Ends

_MOST: Final = 200
_TEXT: Final = 500
_AGAIN: Final = 3600.0
_QUIET: Final = {Ends.FORGOTTEN: 86_400.0, Ends.SILENT: 120.0, Ends.SAID: 172_800.0}
_UNKNOWN: Final = AlarmKind("")


class RaiseAlarm(Protocol):
    """How the rest of the gateway raises one."""

    def __call__(self, name: str, text: str, subject: str = "") -> None:
        """Somebody must act on this. `subject` tells apart what has the same name."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What is told of one alarm: `count` times since `first`, and whether it is over."""

    name: str
    subject: str
    text: str
    first: float
    last: float
    count: int
    over: bool = False


@dataclass(slots=True)
class Alarm:
    """One alarm as it stands. `told` is whether whoever is told knows it as open."""

    name: str
    subject: str
    text: str
    first: float
    last: float
    count: int = 1
    open: bool = True
    told: bool = False
    told_at: float = float("-inf")
    told_count: int = 0

    @property
    def kind(self) -> AlarmKind:
        """What its name stands for."""
        return ALARMS.get(self.name, _UNKNOWN)

    def notice(self, *, over: bool) -> Notice:
        """As it is told."""
        return Notice(self.name, self.subject, self.text, self.first, self.last, self.count, over)


class Alarms:
    """The alarms of one node."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Alarm] = {}

    def ring(self, name: str, text: str, now: float, subject: str = "", count: int = 1) -> None:
        """It happened (again), `count` times. When there are too many, the one that happened longest ago is dropped."""
        name, text, subject = printable(name), printable(text), printable(subject)
        known = self._known.get((name, subject))
        if known is None:
            self._make_room()
            self._known[name, subject] = Alarm(name, subject, text, now, now, count)
        elif known.open:
            known.text, known.last, known.count = text, now, known.count + count
        else:
            known.text, known.first, known.last, known.count = text, now, now, count
            known.open, known.told_count = True, 0

    def over(self, name: str, subject: str = "") -> None:
        """Its cause is gone."""
        known = self._known.get((name, printable(subject)))
        if known is not None:
            known.open = False

    def over_except(self, name: str, subjects: set[str], *, quietly: set[str]) -> None:
        """Its cause is gone everywhere but there. `quietly`: where that is told to nobody, for it only got worse."""
        for known in self._known.values():
            if known.name == name and known.subject not in subjects:
                known.open = False
                known.told = known.told and known.subject not in quietly

    def due(self, now: float) -> list[Notice]:
        """What is to be told now; it counts as told. To be called every second or so."""
        notices = [notice for alarm in self._known.values() if (notice := _due(alarm, now)) is not None]
        for key, alarm in tuple(self._known.items()):
            # One that is over is kept for the hour, so that it is not told of at every turn of a fault that flutters.
            if not alarm.open and now - alarm.told_at >= _AGAIN:
                del self._known[key]
        return notices

    def names(self) -> frozenset[str]:
        """The names of those that are open."""
        return frozenset(alarm.name for alarm in self._open())

    def as_message(self) -> list[dict[str, Any]]:
        """Those that are open, for `arrowslit status`, the latest first."""
        return [
            {name: getattr(alarm, name) for name in ("name", "subject", "text", "first", "last", "count")}
            for alarm in sorted(self._open(), key=lambda alarm: -alarm.last)
        ]

    def _open(self) -> list[Alarm]:
        return [alarm for alarm in tuple(self._known.values()) if alarm.open]

    def _make_room(self) -> None:
        if len(self._known) >= _MOST:
            oldest = min(self._known.values(), key=lambda alarm: (alarm.open, alarm.last))
            del self._known[oldest.name, oldest.subject]


def _due(alarm: Alarm, now: float) -> Notice | None:
    kind = alarm.kind
    if alarm.open and now - alarm.last > _QUIET[kind.ends]:
        alarm.open = False
        alarm.told = alarm.told and kind.ends is Ends.SILENT
    if not kind.sent:
        return None
    if alarm.open and alarm.count > alarm.told_count and now - alarm.told_at >= _AGAIN:
        alarm.told, alarm.told_at, alarm.told_count = True, now, alarm.count
        return alarm.notice(over=False)
    if not alarm.open and alarm.told:
        alarm.told = False
        return alarm.notice(over=True) if kind.ends is not Ends.FORGOTTEN else None
    return None


def printable(text: str) -> str:
    """In one line, of characters that can be shown, and not too long."""
    return "".join(c if c.isprintable() else "?" for c in text[:_TEXT])
