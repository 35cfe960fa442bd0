"""What can be asked of the decisions, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Any


@dataclass(frozen=True, slots=True)
class Query:
    """A record must fit every field that is given."""

    client: IPv4Network | IPv6Network | None = None
    """One address is a network of one."""
    recipient: str | None = None
    """`local@domain`, or `@domain` for all of a domain; letters of either case."""
    actions: frozenset[str] = frozenset()
    """Of "permit", "reject", "defer" and "drop"; empty for all."""
    outcome: str | None = None
    virtual_server: str | None = None
    reason: str | None = None
    rule: str | None = None
    kind: str | None = None
    """"decision", "delivery", "fault", "sign-in" or "unreadable"."""
    would_be: bool | None = None
    """True: only what `observe` or `defer` has let pass and would have been refused; False: only the rest."""
    id: str | None = None
    since: float | None = None
    """Unix seconds; this moment counts."""
    until: float | None = None
    """Unix seconds; this moment does not count any more."""
    limit: int = 100
    cursor: str | None = None
    """From `Page.cursor`: go on below that page."""


@dataclass(frozen=True, slots=True)
class Page:
    """Records, newest first. A record that can't be read has the kind "unreadable"; what it was is in "line"."""

    records: tuple[dict[str, Any], ...]
    cursor: str | None
    """Where to go on, None at the end."""
    looked_to: float | None
    """None: nothing newer than the last record was left out. Else too many records had to be looked at: all after
    this time (Unix seconds) were, and there may be more up to it; `cursor` goes on there."""


@dataclass(frozen=True, slots=True)
class ClientCount:
    """How often a client was met. `count` also counts what one record stands for many times."""

    client: str
    count: int
    first: float
    last: float


@dataclass(frozen=True, slots=True)
class ClientCounts:
    """Clients by count, the most frequent first. `looked_to` as in `Page`."""

    clients: tuple[ClientCount, ...]
    looked_to: float | None


@dataclass(frozen=True, slots=True)
class Partition:
    """One day of decisions. `rows` is an estimate on PostgreSQL; `octets` are with indexes."""

    day: str
    """As in `2026-11-25`, UTC."""
    rows: int
    octets: int
