"""Who delivers to us, from past traffic: by way (through the filter, around it, from inside, ...), by client, by day.

Terms: see `origins` for ways and places. A recipient that was let in counts for its day; where a log tells of
connections only, these count instead. *Outward* is a recipient whose domain is not ours; where nobody told which are,
the days keep the largest domains of each way, so that it can be said at the end, by domains that are proposed. A
stranger (AROUND) stays one, whoever he writes to; whoever signed in is SIGNED_IN, wherever he was.

Attempts are taken as they come and not kept; what is kept is bounded. Nothing is judged here: what a policy would say
is for `rehearsal`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from arrowslit.traffic.attempt import NOT_TOLD, PERMITTED, REFUSED, Attempt
from arrowslit.traffic.clients import domain_of
from arrowslit.traffic.largest import add, count
from arrowslit.traffic.origins import INSIDE, SIGNED_IN, UNTOLD, Known, Origin, Origins
from arrowslit.traffic.own_domains import IsOurs, proposed, remembered
from arrowslit.traffic.senders import LONGEST, SENDERS, Sender, fold, sender

DAYS: Final = 800
DOMAINS: Final = 50
BEFORE: Final = -1
"""In place of a day: all that were too old to be kept by day."""
NOT_NAMED: Final = "?"
"""In place of a domain where the log names no recipient."""
OURS: Final = "ours"
THEIRS: Final = "theirs"
"""In place of domains where it was told which are ours."""
_DAY: Final = 86_400.0
_ARRIVED: Final = frozenset({PERMITTED, NOT_TOLD})
_NO_TIME: Final = 253_402_300_800.0
"""The year 10000: whatever lies behind it, or is no number, is no time of a log."""

Day = dict[str, dict[str, int]]
"""Way -> domain -> recipients that were let in, or of which the log does not tell."""


@dataclass(slots=True)
class Inventory:
    """The result so far. Times are Unix seconds, days since 1970 (UTC). `told`: it was told which domains are ours."""

    told: bool = False
    attempts: int = 0
    messages: int = 0
    permitted: int = 0
    refused: int = 0
    refused_otherwise: int = 0
    not_told: int = 0
    first: float | None = None
    last: float | None = None
    days: dict[int, Day] = field(default_factory=dict)
    connections: dict[int, Day] = field(default_factory=dict)
    """The same where no recipient was named."""
    senders: dict[str, Sender] = field(default_factory=dict)
    strangers_to: dict[str, int] = field(default_factory=dict)
    """Recipients by domain, of mail that was let in from outside without signing in."""

    def add(self, other: Inventory) -> None:
        """Count another's in. Raises ValueError where only one was told which domains are ours."""
        if self.told is not other.told:
            raise ValueError("one inventory was told which domains are ours, the other was not")
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for one in (other.first, other.last):
            if one is not None:
                self.see(one)
        for mine, others in ((self.days, other.days), (self.connections, other.connections)):
            for number, day in others.items():
                _add_day(mine.setdefault(number, {}), day)
            _forget(mine)
        add(self.strangers_to, other.strangers_to, DOMAINS)
        self._add_senders(other)

    def _add_senders(self, other: Inventory) -> None:
        for key, one in other.senders.items():
            mine = self.senders.get(key)
            if mine is None:
                self.senders[key] = Sender(**one.to_json())
            else:
                mine.add(one, one.clients if one.together else 0)
        if len(self.senders) > SENDERS:
            self.senders = fold(self.senders, SENDERS)

    def see(self, time: float) -> None:
        """Something was at `time`."""
        self.first = time if self.first is None else min(self.first, time)
        self.last = time if self.last is None else max(self.last, time)

    def to_json(self) -> dict[str, Any]:
        """All of it, to be saved."""
        made: dict[str, Any] = {name: getattr(self, name) for name in _PLAIN}
        made |= {name: {str(day): ways for day, ways in getattr(self, name).items()} for name in _BY_DAY}
        return made | {"senders": [one.to_json() for one in self.senders.values()]}

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> Inventory:
        """What `to_json` gave. Raises KeyError, TypeError and ValueError for anything else."""
        made: dict[str, Any] = {name: saved[name] for name in _PLAIN}
        made |= {name: {int(day): ways for day, ways in saved[name].items()} for name in _BY_DAY}
        senders = [Sender(**one) for one in saved["senders"]]
        return cls(**made, senders={one.key: one for one in senders})


_COUNTS: Final = ("attempts", "messages", "permitted", "refused", "refused_otherwise", "not_told")
_PLAIN: Final = (*_COUNTS, "told", "first", "last", "strangers_to")
_BY_DAY: Final = ("days", "connections")


def _count(days: dict[int, Day], number: int, way: str, domain: str, times: int) -> None:
    day = days.get(number)
    if day is None:
        day = days[number] = {}
        _forget(days)
    count(day.setdefault(way, {}), domain, times, DOMAINS)


def _forget(days: dict[int, Day]) -> None:
    while len(days) - (BEFORE in days) > DAYS:
        gone = days.pop(min(number for number in days if number != BEFORE))
        _add_day(days.setdefault(BEFORE, {}), gone)


def _add_day(mine: Day, other: Day) -> None:
    for way, domains in other.items():
        add(mine.setdefault(way, {}), domains, DOMAINS)


class Inventorying:
    """Takes attempts one after the other; `result` may be read at any time.

    `is_ours` tells of a domain whether it is an accepted one; None where nobody told.
    """

    def __init__(self, known: Known | None = None, is_ours: IsOurs | None = None) -> None:
        self._origins = Origins(known or Known())
        self._is_ours = None if is_ours is None else remembered(is_ours)
        self.result = Inventory(told=is_ours is not None)

    def take(self, attempts: Iterable[Attempt]) -> None:
        """Count these in."""
        for attempt in attempts:
            self._one(attempt if 0.0 <= attempt.time < _NO_TIME else attempt._replace(time=0.0))

    def _one(self, attempt: Attempt) -> None:
        result, told, number = self.result, attempt.told, attempt.repeats
        result.attempts += number
        result.messages += attempt.first
        result.see(attempt.time)
        origin = self._origins.of(attempt.client_address, attempt.client_name)
        outward = False
        if told in _ARRIVED:
            outward = self._arrived(attempt, origin)
        elif told == REFUSED:
            result.refused += number
        else:
            result.refused_otherwise += number
        self._sender(attempt, origin).take(attempt, outward=outward)

    def _arrived(self, attempt: Attempt, origin: Origin) -> bool:
        """Count what was let in; True where it went to a domain that is not ours."""
        result, number = self.result, attempt.repeats
        if attempt.told == PERMITTED:
            result.permitted += number
        else:
            result.not_told += number
        way = SIGNED_IN if attempt.authenticated_as else origin.way
        path, day = attempt.forward_path, int(attempt.time // _DAY)
        if path is None:
            _count(result.connections, day, way, NOT_NAMED, number)
            return False
        domain = domain_of(path)[:LONGEST]
        if way not in {SIGNED_IN, INSIDE, UNTOLD} and attempt.told == PERMITTED:
            count(result.strangers_to, domain, number, DOMAINS)
        ours = None if self._is_ours is None else not domain or self._is_ours(domain)
        _count(result.days, day, way, domain if ours is None else OURS if ours else THEIRS, number)
        return ours is False

    def _sender(self, attempt: Attempt, origin: Origin) -> Sender:
        senders = self.result.senders
        name = attempt.client_address if origin.way != UNTOLD else UNTOLD
        found = senders.get(name or UNTOLD)
        if found is None:
            if len(senders) >= SENDERS:
                senders = self.result.senders = fold(senders, SENDERS)
            found = sender(name or UNTOLD, origin)
            senders[found.key] = found
        return found


def domains_to_propose(inventory: Inventory) -> tuple[str, ...]:
    """The domains that look like accepted ones, where nobody told which are."""
    if inventory.strangers_to:
        return proposed(inventory.strangers_to)
    counts: dict[str, int] = {}
    for day in inventory.days.values():
        for domains in day.values():
            add(counts, domains, 10 * DOMAINS)
    return proposed(counts)
