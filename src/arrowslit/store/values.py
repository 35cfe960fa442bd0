"""What the store takes and gives: plain values.

Terms: the *head* says which revision is active, its generation, and what is pending. The *generation* counts each
change of the resolved contents of networks, for all nodes. *Pending*: applied but not confirmed, and undone when
nobody confirms in time. All times are Unix seconds.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Revision:
    """One immutable version of the policy. `sha256` is that of the text in UTF-8, in hexadecimal."""

    number: int
    text: str
    sha256: str
    kind: str
    """"first", "apply", "entry", "undo", "timer" (undone by itself) or "import"."""
    author: str
    at: float
    message: str
    based_on: int | None
    confirmed_by: str | None = None
    """Who kept it, where it was pending first."""
    confirmed_at: float | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """The active revision waits to be confirmed, `seconds` from `since` on."""

    seconds: float
    since: float
    """Wall clock of the apply."""
    back_to: int
    """The last confirmed revision."""
    author: str
    connection: str
    """Which line it was applied over; opaque, empty where unknown."""


@dataclass(frozen=True, slots=True)
class Head:
    """What is active. `version` counts each change of the head."""

    revision: int
    generation: int
    at: float
    pending: Pending | None
    version: int


@dataclass(frozen=True, slots=True)
class NodeState:
    """What a node says of itself: what it has taken up, its program's version, and why not more (or empty)."""

    node: str
    revision: int
    generation: int
    program: str
    seen: float
    problem: str


@dataclass(frozen=True, slots=True)
class NetworkState:
    """What the store has for a network. `contents` is JSON; `held`: a change waits for an administrator."""

    name: str
    contents: str
    held: bool
    at: float


@dataclass(frozen=True, slots=True)
class NetworkChange:
    """One event in the life of a network."""

    network: str
    at: float
    generation: int
    kind: str
    """"refresh", "held", "accepted", "failed" or "recovered"."""
    added: tuple[str, ...]
    removed: tuple[str, ...]
    because: str


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One decision record on its way: a line of JSON, and the octet of its segment where it begins.

    Lines of one segment are taken in the order of `position`.
    """

    segment: str
    position: int
    line: bytes
