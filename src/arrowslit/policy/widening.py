"""Where a policy lets in more by its very modes than the one before it (decisions 11).

Such a change is sometimes wanted and often a slip of the hand, so whoever applies it has to say so. Entries are not
looked at: adding one is what an administrator does all day, and the rehearsal shows what it does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from arrowslit.policy.model import Policy
from arrowslit.policy.parts import ALL_EXCEPT_LISTED, OBSERVE, VirtualServer


@dataclass(frozen=True, slots=True)
class Widening:
    """`key` is the setting, dotted; `says` what it comes to."""

    key: str
    says: str


def widenings(before: Policy, after: Policy) -> list[Widening]:
    """What is wider in `after`, for the virtual servers that both have."""
    found: list[Widening] = []
    for name, server in after.virtual_servers.items():
        if name in before.virtual_servers:
            found += _of(before.virtual_servers[name], server)
    return found


def _of(before: VirtualServer, after: VirtualServer) -> Iterator[Widening]:
    where = f"virtual_servers.{after.name}"
    if after.mode == OBSERVE and before.mode != OBSERVE:
        yield Widening(f"{where}.mode", "everybody may connect and deliver; refusals are only recorded")
    for grant, what in (("connection_control", "connect"), ("relay_restrictions", "relay")):
        old, new = getattr(before, grant), getattr(after, grant)
        if new.mode == ALL_EXCEPT_LISTED and old.mode != ALL_EXCEPT_LISTED:
            yield Widening(f"{where}.{grant}.mode", f"whoever is not listed may {what}")
