"""What the inventory knows of addresses: the policy's lists and networks, the catalogue's ranges, and what was named.

No name is looked up: a service is known by the ranges that the catalogue has, and by what the policy's networks hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

import click

from arrowslit.cli.errors import ProblemError
from arrowslit.cli.exits import ExitCode
from arrowslit.cli.output import escaped
from arrowslit.mail.address_range import address_set, parse_range
from arrowslit.mail.address_set import EMPTY, AddressSet
from arrowslit.mail.domain import normalise_domain
from arrowslit.networks.catalogue import Service, catalogue
from arrowslit.traffic.origins import Known, Place
from arrowslit.traffic.own_domains import IsOurs, among

if TYPE_CHECKING:
    from arrowslit.policy.model import Policy
    from arrowslit.policy.parts import Entry, Network

_FILTER = "filter"
_BY_ADDRESS = frozenset({"computer", "group", "range"})


@dataclass(frozen=True, slots=True)
class Places:
    """`is_ours` is None where nobody told; `doubts` speak to an administrator."""

    known: Known
    is_ours: IsOurs | None
    doubts: tuple[str, ...]


def places(policy: Policy | None, filters: Sequence[str], domains: Sequence[str]) -> Places:
    """All that is known. Ends the command where a filter or a domain is none."""
    doubts: list[str] = []
    networks = {} if policy is None else {one.name: _network(one) for one in policy.networks.values()}
    services = [_service(one) for one in catalogue().services.values()]
    if filters:
        chosen = [_filter(one, networks, doubts) for one in filters]
    else:
        chosen = [] if policy is None else [networks[one.name] for one in policy.networks.values() if _filters(one)]
    known = Known(
        filters=tuple(one for one in chosen if len(one.addresses)),
        listed=EMPTY if policy is None else _listed(policy, networks),
        listed_names=() if policy is None else tuple(one.value for one in _entries(policy) if one.kind == "domain"),
        places=(*networks.values(), *(one for one in services if len(one.addresses))),
    )
    return Places(known, _is_ours(policy, domains), tuple(doubts))


def _filters(network: Network) -> bool:
    return bool(network.service) or network.name == _FILTER


def _network(network: Network) -> Place:
    """A network of the policy, with the catalogue's ranges where it names a service."""
    found = catalogue().services.get(network.service)
    more = EMPTY if found is None else _ranges(found, network.region)
    return Place(f"network {network.name}", network.addresses.union(more))


def _service(service: Service) -> Place:
    return Place(f"service {service.id}", _ranges(service, ""))


def _ranges(service: Service, region: str) -> AddressSet:
    return address_set(parse_range(one.value) for one in service.places_in(region) if one.kind == "range")


def _filter(text: str, networks: dict[str, Place], doubts: list[str]) -> Place:
    """A network of the policy, a service of the catalogue, or a range."""
    if text in networks:
        return networks[text]
    service = catalogue().services.get(text)
    if service is not None:
        return _named_service(service, doubts)
    try:
        found = parse_range(text)
    except ValueError:
        raise _no_filter(text, networks) from None
    return Place(found.text, address_set([found]))


def _named_service(service: Service, doubts: list[str]) -> Place:
    made = _service(service)
    others = [one.value for one in service.places if one.kind != "range"]
    if not len(made.addresses):
        help = "give its addresses: --filter 198.51.100.0/24, or a network of a policy that has them"
        raise ProblemError(f"the catalogue has no ranges of {service.name}", ExitCode.WRONG_INPUT, help)
    if others:
        doubts.append(
            f"{service.id} may also deliver from addresses that only DNS tells ({', '.join(others[:3])}); nothing is "
            "looked up here, so mail from there counts as around the filter"
        )
    return made


def _no_filter(text: str, networks: dict[str, Place]) -> click.ClickException:
    near = get_close_matches(text, [*networks, *catalogue().services], 1)
    help = f'did you mean "{near[0]}"?' if near else "write an id of the catalogue, or a range like 198.51.100.0/24"
    message = f'"{escaped(text)}" is no network of the policy, no service of the catalogue and no range'
    return ProblemError(message, ExitCode.WRONG_INPUT, help)


def _entries(policy: Policy) -> list[Entry]:
    """Whom connection control lists as those who may connect."""
    controls = (server.connection_control for server in policy.virtual_servers.values())
    return [one for control in controls if control.mode == "only_listed" for one in control.entries]


def _listed(policy: Policy, networks: dict[str, Place]) -> AddressSet:
    entries = _entries(policy)
    by_address = address_set(parse_range(one.value) for one in entries if one.kind in _BY_ADDRESS)
    return by_address.union(*(networks[one.value].addresses for one in entries if one.kind == "network"))


def _is_ours(policy: Policy | None, domains: Sequence[str]) -> IsOurs | None:
    named = among({_domain(one) for one in domains})
    if policy is None:
        return named if domains else None
    return lambda domain: policy.accepted_domain(domain) is not None or named(domain)


def _domain(text: str) -> str:
    below = "*." * text.startswith("*.")
    try:
        return below + normalise_domain(text.removeprefix("*."))
    except ValueError:
        raise click.BadParameter(f'"{escaped(text)}" is no domain', param_hint="--domain") from None
