"""The access lists of a policy one by one, with their keys: what lint, show and the compilers go over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from arrowslit.policy.model import Policy
from arrowslit.policy.parts import ALL_EXCEPT_LISTED, ONLY_LISTED, AccessList, Entry, VirtualServer
from arrowslit.policy.reading import dotted

GRANTS = ("connection_control", "delivery", "skip_checks", "relay_restrictions")


@dataclass(frozen=True, slots=True)
class PlacedList:
    """One list: the key of its table, the grant, and the virtual server it belongs to (None for accepted domains)."""

    key: str
    grant: str
    access: AccessList
    server: VirtualServer | None = None


def lists(policy: Policy) -> Iterator[PlacedList]:
    """Every access list of the policy, those of accepted domains last."""
    for server in policy.virtual_servers.values():
        for grant in GRANTS:
            key = dotted(dotted("virtual_servers", server.name), grant)
            yield PlacedList(key, grant, getattr(server, grant), server)
    for accepted in policy.accepted_domains.values():
        if accepted.delivery is not None:
            key = dotted(dotted("accepted_domains", accepted.name), "delivery")
            yield PlacedList(key, "delivery", accepted.delivery)


def entries(placed: PlacedList) -> Iterator[tuple[str, Entry]]:
    """The entries of both modes, with their keys."""
    for mode in (ONLY_LISTED, ALL_EXCEPT_LISTED):
        yield from entries_of(placed, mode)


def entries_of(placed: PlacedList, mode: str) -> Iterator[tuple[str, Entry]]:
    """The entries of one mode, with their keys."""
    for number, entry in enumerate(getattr(placed.access, mode)):
        yield f"{placed.key}.{mode}[{number}]", entry
