"""Asks all sources of a network at once: host names, SPF, file, web list, catalogue.

Terms: a source has a *name* by which its last good answer is kept: "names", "spf:DOMAIN", "file", "url", "service".
Each is asked by itself, within the same time; one that fails fails alone. Decides nothing: that is `networks.guards`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable
from pathlib import Path

from arrowslit.mail.address_range import parse_range, read_ranges
from arrowslit.mail.address_set import AddressSet
from arrowslit.networks import hosts, spf, web_list
from arrowslit.networks.catalogue import Catalogue, Place, catalogue
from arrowslit.networks.found import Answer, Failed, Found, together
from arrowslit.networks.resolver import Resolver
from arrowslit.policy.parts import Network

SECONDS = 20.0
"""For all the sources of a network."""

_QUESTION = 5.0
_FILE_OCTETS = 512 * 1024 * 1024


def lives(network: Network) -> bool:
    """Whether it has a source besides the addresses that the policy has."""
    return bool(network.names or network.spf or network.file or network.url or network.service)


def described(network: Network) -> str:
    """A digest of what its sources are: another one where the policy asks others."""
    asked = [network.names, network.spf, network.file, network.url, network.service, network.region]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]


async def ask(network: Network, resolver: Resolver, base: Path, services: Catalogue | None = None) -> dict[str, Answer]:
    """The answers of all its sources, by name; files are relative to `base`."""
    asked: dict[str, Awaitable[Answer]] = {}
    if network.names:
        asked["names"] = _all([hosts.addresses_of(resolver, name, _QUESTION) for name in network.names])
    for domain in network.spf:
        asked[f"spf:{domain}"] = _told(spf.addresses_of(resolver, domain, _QUESTION), domain)
    if network.file:
        asked["file"] = asyncio.to_thread(_file, base / network.file)
    if network.url:
        asked["url"] = asyncio.to_thread(web_list.addresses_at, network.url, SECONDS)
    if network.service:
        asked["service"] = _service(network, resolver, services or catalogue())
    answers = await asyncio.gather(*(_bounded(one) for one in asked.values()))
    return dict(zip(asked, answers, strict=True))


async def _bounded(asking: Awaitable[Answer]) -> Answer:
    try:
        return await asyncio.wait_for(asking, SECONDS)
    except TimeoutError:
        return Failed(f"no answer within {SECONDS:g} s")


async def _all(asked: list[Awaitable[Answer]]) -> Answer:
    return together(list(await asyncio.gather(*asked)))


async def _told(asking: Awaitable[Answer], domain: str) -> Answer:
    """SPF says who sends for a domain, and that is said with its addresses."""
    answer = await asking
    if isinstance(answer, Failed):
        return answer
    warning = f"SPF of {domain} says who sends mail for it, which may be others than those who deliver to you"
    return Found(answer.addresses, (*answer.warnings, warning), answer.seconds)


def _file(path: Path) -> Answer:
    try:
        with path.open("rb") as file:
            text = file.read(_FILE_OCTETS).decode("utf-8")
    except (OSError, ValueError) as error:
        return Failed(f"{path}: {getattr(error, 'strerror', None) or error}")
    addresses, problems = read_ranges(text.split("\n"))
    fatal = [f"{path}:{one.line}: {one.says}" for one in problems if one.fatal]
    if fatal:
        return Failed(fatal[0])
    return Found(addresses) if len(addresses) else Failed(f"{path}: it has no address")


async def _service(network: Network, resolver: Resolver, services: Catalogue) -> Answer:
    service = services.services.get(network.service)
    if service is None:
        return Failed(f"the catalogue has no service {network.service}")
    if service.ended:
        return Failed(f"{service.name} has ended")
    places = list(service.places_in(network.region))
    if not places:
        where = f" in the region {network.region}" if network.region else ""
        return Failed(f"the catalogue does not know where {service.name} delivers from{where}: ask its support")
    answer = await _all([_place(place, resolver) for place in places])
    if isinstance(answer, Failed):
        return answer
    return Found(answer.addresses, (*answer.warnings, *_doubts(service.name, places)), answer.seconds)


async def _place(place: Place, resolver: Resolver) -> Answer:
    if place.kind == "range":
        one = parse_range(place.value)
        return Found(AddressSet.from_ranges([(one.first, one.last)]))
    if place.kind == "spf":
        return await spf.addresses_of(resolver, place.value, _QUESTION)
    return await hosts.addresses_of(resolver, place.value, _QUESTION)


def _doubts(name: str, places: list[Place]) -> list[str]:
    found = []
    if any(place.covers == "outbound" for place in places):
        found.append(f"{name}: some addresses are published for its outgoing mail; nobody promises that they deliver")
    if any(place.confidence != "documented" for place in places):
        found.append(f"{name}: some addresses were not read from its own text: check them with its support")
    return found
