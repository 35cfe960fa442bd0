"""Who delivered: one client after many attempts, or, where there are too many of them, a network of clients.

Times are Unix seconds, days are days since 1970 (UTC). Numbers are of recipients, where the log names them, else of
connections. Each collection that a stranger can make grow has a limit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from arrowslit.traffic.attempt import NOT_TOLD, PERMITTED, REFUSED, Attempt
from arrowslit.traffic.clients import domain_of, names_of
from arrowslit.traffic.hidden import STRANGERS
from arrowslit.traffic.largest import add, count
from arrowslit.traffic.origins import INSIDE, Origin

SENDERS: Final = 20_000
NAMES: Final = 4
DOMAINS: Final = 16
DAYS: Final = 400
OTHERS: Final = "others"
LONGEST: Final = 255
"""Characters that are kept of a name."""
_DAY: Final = 86_400.0
_ARRIVED: Final = frozenset({PERMITTED, NOT_TOLD})


@dataclass(slots=True)
class Sender:
    """One client, or several of a network or of anywhere (`together`) where there were too many.

    `name` is the client's address, the network, or OTHERS.
    """

    name: str
    way: str
    place: str
    network: str
    listed: bool
    together: bool = False
    clients: int = 1
    permitted: int = 0
    refused: int = 0
    refused_otherwise: int = 0
    not_told: int = 0
    messages: int = 0
    signed_in: int = 0
    """Of those let in."""
    outward: int = 0
    """Of those let in, to a domain that is not ours; counted where it was told which are."""
    first: float = 0.0
    last: float = 0.0
    days: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    """As `clients.names_of` has them."""
    to_domains: dict[str, int] = field(default_factory=dict)
    """Of those let in, and of those of which it is not told."""
    from_domains: dict[str, int] = field(default_factory=dict)
    """Of reverse-paths of who did not sign in; kept for inside addresses only."""
    helo_names: list[str] = field(default_factory=list)
    """The same, at most STRANGERS."""

    @property
    def key(self) -> str:
        """What no other has."""
        return self.name if not self.together else f"{self.name} {self.way} {self.listed:d} {self.place}"

    @property
    def arrived(self) -> int:
        """Let in, or not told."""
        return self.permitted + self.not_told

    def take(self, attempt: Attempt, *, outward: bool) -> None:
        """Count `attempt` in."""
        number, told, time = attempt.repeats, attempt.told, attempt.time
        self.messages += attempt.first
        if told in _ARRIVED:
            self._let_in(attempt, number, outward=outward)
        elif told == REFUSED:
            self.refused += number
        else:
            self.refused_otherwise += number
        self.first = min(self.first, time) if self.last else time
        self.last = max(self.last, time)
        day = int(time // _DAY)
        if not self.days or self.days[-1] != day:
            _add(self.days, (day,), DAYS)
        if len(self.names) < NAMES:
            _add(self.names, (name[:LONGEST] for name in names_of(attempt)), NAMES)
        if self.way == INSIDE and not attempt.authenticated_as:
            self._look_who(attempt, number)

    def _let_in(self, attempt: Attempt, number: int, *, outward: bool) -> None:
        if attempt.told == PERMITTED:
            self.permitted += number
            self.signed_in += number if attempt.authenticated_as else 0
            self.outward += number if outward else 0
        else:
            self.not_told += number
        if attempt.forward_path is not None:
            count(self.to_domains, domain_of(attempt.forward_path)[:LONGEST], number, DOMAINS)

    def _look_who(self, attempt: Attempt, number: int) -> None:
        if attempt.reverse_path:
            count(self.from_domains, domain_of(attempt.reverse_path)[:LONGEST], number, DOMAINS)
        if attempt.helo_name and len(self.helo_names) < STRANGERS:
            _add(self.helo_names, (attempt.helo_name[:LONGEST].lower(),), STRANGERS)

    def add(self, other: Sender, clients: int = 0) -> None:
        """Count another's in; `clients` more are counted."""
        self.clients += clients
        for name in _NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.first = min(self.first, other.first) if self.last else other.first
        self.last = max(self.last, other.last)
        _add(self.days, other.days, DAYS)
        _add(self.names, other.names, NAMES)
        _add(self.helo_names, other.helo_names, STRANGERS)
        add(self.to_domains, other.to_domains, DOMAINS)
        add(self.from_domains, other.from_domains, DOMAINS)

    def to_json(self) -> dict[str, Any]:
        """All of it, in the types that JSON has."""
        return asdict(self)


_NUMBERS: Final = ("permitted", "refused", "refused_otherwise", "not_told", "messages", "signed_in", "outward")


def sender(name: str, origin: Origin) -> Sender:
    """A client of which nothing is counted yet."""
    return Sender(name, origin.way, origin.place, origin.network, origin.listed)


def fold(senders: dict[str, Sender], most: int) -> dict[str, Sender]:
    """At most 3/4 of `most`: of the smaller half those of one network are put together; and what is alone in its
    network, or comes to too many networks, by way and place.
    """
    ranked = sorted(senders.values(), key=_weight, reverse=True)
    kept = {one.key: one for one in ranked[: most // 2]}
    rest = ranked[most // 2 :]
    sizes = Counter(one.network for one in rest)
    for one in rest:
        several = one.together or sizes[one.network] > 1
        _put(kept, one, one.network if several and len(kept) < most * 3 // 4 else "")
    return kept


def _put(kept: dict[str, Sender], one: Sender, network: str) -> None:
    """Count `one` in where those of its network stand, else those of anywhere."""
    made = Sender(network or OTHERS, one.way, one.place, network, one.listed, together=True, clients=0)
    kept.setdefault(made.key, made).add(one, one.clients)


def _weight(one: Sender) -> tuple[bool, int, int, float]:
    """Inside addresses stay single: strangers can't make more of them, and hidden clients are looked for there."""
    return one.way == INSIDE, one.arrived, one.refused + one.refused_otherwise, one.last


def _add(known: list[Any], more: Iterable[Any], limit: int) -> None:
    for one in more:
        if one not in known and len(known) < limit:
            known.append(one)
