"""What is known of one client after many attempts: counts, first and last, and a few examples of each kind of name.

A stranger can make as many clients, names and domains as he likes, so each collection has a limit, and says that
there was more.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Final

from arrowslit.traffic.attempt import REPLY, Attempt

NAMES: Final = 4
DOMAINS: Final = 8
DAYS: Final = 400
LONGEST: Final = 255
"""Characters that are kept of a name or an address."""
OTHERS: Final = "others"
"""The address of all those together who were too many."""
_DAY: Final = 86_400.0


@dataclass(slots=True)
class Client:
    """One client (or "others", for those beyond the limit). Times are Unix seconds."""

    address: str
    attempts: int = 0
    messages: int = 0
    first: float = 0.0
    last: float = 0.0
    reason: str = ""
    """Why the policy says what it says: a name from `policy.reasons`, of the newest attempt."""
    missing: list[str] = field(default_factory=list)
    """The facts that the log does not tell and that the outcome depends on."""
    names: list[str] = field(default_factory=list)
    """Client names (forward-confirmed), else reverse names, else HELO names in quotes."""
    to_domains: dict[str, int] = field(default_factory=dict)
    """Recipients' domains and how many recipients; "" for those beyond the limit."""
    from_domains: list[str] = field(default_factory=list)
    """Domains of reverse-paths, at most DOMAINS."""
    recipient: str = ""
    """The newest recipient."""
    signed_in: int = 0
    relayed: int = 0
    """Recipients outside the accepted domains."""
    days: list[int] = field(default_factory=list)
    """Days since 1970 on which it came, at most DAYS."""
    reply: str = ""
    """What it was answered then, newest."""

    def take(self, attempt: Attempt, reason: str, missing: tuple[str, ...], *, relayed: bool) -> None:
        """Count `attempt` in."""
        number = attempt.repeats
        newest = not self.attempts or attempt.time >= self.last
        self.first = min(self.first, attempt.time) if self.attempts else attempt.time
        self.attempts += number
        self.messages += number * attempt.first
        self.relayed += number * relayed
        self.signed_in += number * bool(attempt.authenticated_as)
        if newest:
            self.last, self.reason, self.reply = attempt.time, reason, attempt.reply[:REPLY]
            self.recipient = (attempt.forward_path or self.recipient)[:LONGEST]
        if missing:
            _add(self.missing, missing, DOMAINS)
        if len(self.names) < NAMES:
            _add(self.names, (name[:LONGEST] for name in names_of(attempt)), NAMES)
        day = int(attempt.time // _DAY)
        if not self.days or (day != self.days[-1] and day not in self.days and len(self.days) < DAYS):
            self.days.append(day)
        if attempt.forward_path is not None:
            count(self.to_domains, domain_of(attempt.forward_path)[:LONGEST], DOMAINS, number)
        if attempt.reverse_path and len(self.from_domains) < DOMAINS:
            _add(self.from_domains, (domain_of(attempt.reverse_path)[:LONGEST],), DOMAINS)

    def add(self, other: Client) -> None:
        """Count another's in."""
        if not self.attempts:
            self.first, self.last = other.first, other.last
        self.attempts += other.attempts
        self.messages += other.messages
        self.relayed += other.relayed
        self.signed_in += other.signed_in
        self.first = min(self.first, other.first)
        if other.last >= self.last:
            self.last, self.reason, self.reply, self.recipient = other.last, other.reason, other.reply, other.recipient
        _add(self.missing, other.missing, DOMAINS)
        _add(self.names, other.names, NAMES)
        _add(self.days, other.days, DAYS)
        _add(self.from_domains, other.from_domains, DOMAINS)
        for domain, number in other.to_domains.items():
            count(self.to_domains, domain, DOMAINS, number)

    def to_json(self) -> dict[str, Any]:
        """All of it, in the types that JSON has."""
        return asdict(self)


def client(clients: dict[str, Client], address: str, limit: int) -> Client:
    """The client of that address. Where there are more than `limit`, the rarest are put together as OTHERS: so nobody
    who comes often is lost among strangers who come once.
    """
    found = clients.get(address)
    if found is None:
        if len(clients) >= limit:
            _thin(clients, limit * 3 // 4)
        found = clients[address] = Client(address)
    return found


def _thin(clients: dict[str, Client], kept: int) -> None:
    others = clients.pop(OTHERS, None) or Client(OTHERS)
    for one in sorted(clients.values(), key=lambda one: (one.attempts, one.last))[: len(clients) - kept]:
        others.add(clients.pop(one.address))
    clients[OTHERS] = others


def names_of(attempt: Attempt) -> tuple[str, ...]:
    """The best name that the log has for the client."""
    name = attempt.client_name or attempt.reverse_name
    if name:
        return (name,)
    return (f'"{attempt.helo_name}"',) if attempt.helo_name else ()


def domain_of(path: str) -> str:
    """The domain of an address in lower case; "" for one without."""
    return path.rpartition("@")[2].lower() if "@" in path else ""


def count(counts: dict[str, int], key: str, limit: int, number: int = 1) -> None:
    """Count `key`, or "" where there are `limit` keys already."""
    if key not in counts and len(counts) >= limit:
        key = ""
    counts[key] = counts.get(key, 0) + number


def _add(known: list[Any], more: Any, limit: int) -> None:
    for one in more:
        if one not in known and len(known) < limit:
            known.append(one)
