"""The mappings of all routers that answer: found, named, and deleted one by one.

A mapping is deleted only where it is still what was seen, and only a list without it counts as deleted: there are
routers that say yes and keep it (miniupnp#628).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Final

from arrowslit.rollout.mappings import igd
from arrowslit.rollout.mappings.igd import Device, FaultError, Service
from arrowslit.rollout.mappings.reading import Mapping, Reading
from arrowslit.rollout.mappings.search import own_address, search
from arrowslit.rollout.point import ChangedMeanwhileError, RolloutError

_SEARCH: Final = 3.0
_IN_ALL: Final = 60.0
_ONE: Final = 30.0


@dataclass(frozen=True, slots=True)
class Router:
    """A router and what it lists. `problem` says why that may not be all; "" where it is."""

    device: Device
    mappings: tuple[Mapping, ...]
    problem: str = ""
    own: IPv4Address | None = None
    """The address that this machine has towards it."""

    @property
    def address(self) -> IPv4Address:
        """Where it is."""
        return self.device.place.address


@dataclass(frozen=True, slots=True)
class Found:
    """What was found. `unread`: devices that answered and could not be read, in words."""

    routers: tuple[Router, ...] = ()
    unread: tuple[str, ...] = ()

    def of(self, ports: Sequence[int]) -> list[tuple[Router, Mapping]]:
        """The mappings that concern these ports, in an order that only depends on them."""
        return [(router, one) for router in self.routers for one in router.mappings if one.concerns(ports)]

    def token(self, ports: Sequence[int]) -> str:
        """Another one whenever those are others."""
        said = [(router.device.place.text, replace(one, lease=None)) for router, one in self.of(ports)]
        return hashlib.sha256(repr(said).encode()).hexdigest()[:16]


def look(interface: str | None, ports: Sequence[int]) -> Found:
    """Ask the routers of this network. Raises RolloutError where none can be looked for, LookupError: no interface."""
    answers = search(interface, _SEARCH)
    deadline, routers, unread = time.monotonic() + _IN_ALL, [], list(answers.refused)
    for place in answers.places:
        try:
            device = igd.device_at(place, deadline)
        except RolloutError as error:
            unread.append(f"{place.address}: {error}")
            continue
        reading = Reading(deadline)
        reading.device(device, [("TCP", port, "") for port in ports])
        routers.append(Router(device, reading.mappings, reading.problem, own_address(place.address)))
    return Found(tuple(routers), tuple(unread))


def delete(router: Router, mapping: Mapping) -> None:
    """Delete it and see that it is gone. Raises RolloutError, ChangedMeanwhileError where another one is there now."""
    there = _there(router, mapping)
    if there is None:
        return
    if there != mapping:
        raise ChangedMeanwhileError("it was changed since it was looked at, and was not touched")
    refused = _refused(router.device.services, mapping, time.monotonic() + _ONE)
    if _there(router, mapping) is None:
        return
    raise RolloutError(refused or "the router says that it has deleted it, and still lists it")


def _there(router: Router, mapping: Mapping) -> Mapping | None:
    """What the router has in its place. Raises RolloutError where it does not say."""
    reading = Reading(time.monotonic() + _ONE)
    reading.device(router.device, [(mapping.protocol, mapping.port, mapping.remote_host)])
    found = reading.found.get(mapping.key)
    if found is None and reading.problem and not reading.denied:
        raise RolloutError(f"whether it is there can't be told: {reading.problem}")
    return found


def _refused(services: Iterable[Service], mapping: Mapping, deadline: float) -> str:
    """Why it was not deleted, as the router says; "" where it says that it was."""
    says = ""
    for service in services:
        try:
            igd.delete(service, mapping.remote_host, mapping.port, mapping.protocol, deadline)
        except FaultError as fault:
            says = str(fault)
            if fault.code == igd.NOT_AUTHORIZED:
                says += f": it may let only {mapping.to} delete it; run this there, or use the router's own pages"
        except RolloutError as error:
            says = str(error)
    return says
