"""An inventory put together for people: by way, by place, by network, by name, by day, and who is hidden.

Which domains are ours is told to each function that depends on it. Numbers are of recipients that were let in (or of
which the log does not tell), else of connections. Nothing here counts attempts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from arrowslit.traffic.hidden import carries_strangers
from arrowslit.traffic.inventory import BEFORE, NOT_NAMED, OURS, THEIRS, Day, Inventory
from arrowslit.traffic.largest import OTHERS
from arrowslit.traffic.origins import AROUND, FILTER, INSIDE, OUTWARD
from arrowslit.traffic.own_domains import IsOurs
from arrowslit.traffic.senders import Sender

Ways = dict[str, int]
"""Recipients by way; ways of none are left out."""


@dataclass(slots=True)
class Group:
    """Senders that have something in common. `days` is on how many days they came; `names` are a few of theirs."""

    title: str
    ways: dict[str, None] = field(default_factory=dict)
    places: dict[str, None] = field(default_factory=dict)
    clients: int = 0
    arrived: int = 0
    signed_in: int = 0
    outward: int = 0
    refused: int = 0
    first: float = 0.0
    last: float = 0.0
    days: set[int] = field(default_factory=set)
    names: dict[str, None] = field(default_factory=dict)

    def take(self, one: Sender, outward: int) -> None:
        """Count a sender in."""
        self.ways[one.way] = None
        if one.place:
            self.places[one.place] = None
        self.clients += one.clients
        self.arrived += one.arrived
        self.signed_in += one.signed_in
        self.outward += outward
        self.refused += one.refused + one.refused_otherwise
        self.first = min(self.first, one.first) if self.last else one.first
        self.last = max(self.last, one.last)
        self.days.update(one.days)
        self.names.update(dict.fromkeys(one.names))


def by_network(inventory: Inventory, is_ours: IsOurs) -> list[Group]:
    """By /24 and /64, the largest first."""
    return _grouped(inventory, is_ours, lambda one: one.network or one.name)


def by_name(inventory: Inventory, is_ours: IsOurs) -> list[Group]:
    """By the domain of the client's name (see `domain_of_name`), the largest first; "" for those without a name."""
    return _grouped(inventory, is_ours, lambda one: domain_of_name(one.names[0]) if one.names else "")


def by_place(inventory: Inventory, is_ours: IsOurs) -> list[Group]:
    """By network of the policy or service of the catalogue; "" for those that are in none."""
    return _grouped(inventory, is_ours, lambda one: one.place)


def _grouped(inventory: Inventory, is_ours: IsOurs, title_of: Callable[[Sender], str]) -> list[Group]:
    groups: dict[str, Group] = {}
    for one in inventory.senders.values():
        title = title_of(one)
        groups.setdefault(title, Group(title)).take(one, outward_of(inventory, one, is_ours))
    return sorted(groups.values(), key=lambda group: (-group.arrived, -group.refused, group.title))


def outward_of(inventory: Inventory, one: Sender, is_ours: IsOurs) -> int:
    """Recipients of a sender whose domains are not ours."""
    if inventory.told:
        return one.outward
    return sum(number for domain, number in one.to_domains.items() if _is_theirs(domain, one.way, is_ours))


def domain_of_name(name: str) -> str:
    """What a name most likely belongs to: its last two labels, three below such as `co.uk`. The quotes of a HELO name,
    which nobody has confirmed, stay.

    A guess, for a list that people read: no list of public suffixes is asked.
    """
    quote = '"' if name.startswith('"') else ""
    labels = name.strip('"').lower().rstrip(".").split(".")
    if len(labels) < 3 or labels[-1].isdigit() or not labels[-1].isalpha():
        return quote + ".".join(labels) + quote
    kept = 3 if len(labels[-1]) == 2 and len(labels[-2]) <= 3 else 2
    return quote + ".".join(labels[-kept:]) + quote


def hidden(inventory: Inventory, is_ours: IsOurs) -> list[Sender]:
    """Inside clients that strangers' mail comes from, the largest first."""
    found = [one for one in inventory.senders.values() if one.way == INSIDE and _is_hidden(one, is_ours)]
    return sorted(found, key=lambda one: (-one.arrived, one.name))


def _is_hidden(one: Sender, is_ours: IsOurs) -> bool:
    # A server of ours that writes outward for many is none: strangers write to us.
    writes_to_us = not one.to_domains or any(is_ours(domain) for domain in one.to_domains)
    return writes_to_us and carries_strangers(one.from_domains, one.helo_names, is_ours)


def days_of(inventory: Inventory, is_ours: IsOurs) -> dict[int, Ways]:
    """Recipients by day and way, oldest first, days without any between them too; connections where the log names no
    recipient at all. Days that were not kept are left out.
    """
    days = {day: _ways(found, is_ours) for day, found in chosen(inventory).items() if day != BEFORE}
    if not days or max(days) - min(days) > _LONGEST:
        return dict(sorted(days.items()))
    return {day: days.get(day, {}) for day in range(min(days), max(days) + 1)}


def ways_of(inventory: Inventory, is_ours: IsOurs) -> Ways:
    """The same for all days together."""
    made: Ways = {}
    for day in chosen(inventory).values():
        for way, number in _ways(day, is_ours).items():
            made[way] = made.get(way, 0) + number
    return made


def chosen(inventory: Inventory) -> Mapping[int, Day]:
    """Recipients; where there are none, connections."""
    return inventory.days or inventory.connections


def strangers_outward(inventory: Inventory, is_ours: IsOurs) -> int:
    """Recipients outside that were let in for clients that came around the filter: an open relay, or forwarding."""
    days: Iterable[Day] = inventory.days.values()
    found = (day.get(AROUND, {}) for day in days)
    return sum(n for domains in found for domain, n in domains.items() if _is_theirs(domain, AROUND, is_ours))


def _ways(day: Day, is_ours: IsOurs) -> Ways:
    made: Ways = {}
    for way, domains in day.items():
        theirs = sum(number for domain, number in domains.items() if _is_theirs(domain, way, is_ours))
        stays = sum(domains.values()) if way == AROUND else sum(domains.values()) - theirs
        for name, number in ((way, stays), (OUTWARD, 0 if way == AROUND else theirs)):
            if number:
                made[name] = made.get(name, 0) + number
    return made


_LONGEST: Final = 4000
"""Days between which those without any are filled in: a wrong clock must not make a chart of centuries."""
_TAKES_IN: Final = frozenset({FILTER, AROUND})


def _is_theirs(domain: str, way: str, is_ours: IsOurs) -> bool:
    """What was too small to be kept was most likely ours where it came from outside, and theirs else."""
    if domain in {OURS, NOT_NAMED}:
        return False
    if domain == THEIRS:
        return True
    if domain == OTHERS:
        return way not in _TAKES_IN
    return not is_ours(domain)
