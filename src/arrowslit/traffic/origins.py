"""Where a client is, seen from us: the filter, a place that the policy lists, inside, or anywhere else.

Terms: a *place* is a named set of addresses (a network of the policy, a service of the catalogue, what the
administrator says); a *way* is how mail came in. *Inside* are addresses that the Internet does not route (RFC 1918,
6598, 3927, 4193, 4291, 1122). Sets of addresses come in as values: no name is looked up here, so a service is only
recognised by the ranges that its vendor publishes, not by its SPF names or hosts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Final, NamedTuple

from arrowslit.mail.address import IPAddress, parse_address
from arrowslit.mail.address_range import address_set, parse_range
from arrowslit.mail.address_set import EMPTY, AddressSet
from arrowslit.mail.domain import name_matches, normalise_domain

FILTER: Final = "filter"
LISTED: Final = "listed"
INSIDE: Final = "inside"
SIGNED_IN: Final = "signed_in"
OUTWARD: Final = "outward"
AROUND: Final = "around"
UNTOLD: Final = "untold"
"""The log has no address for the client, or one that is none."""

WAYS: Final = (FILTER, LISTED, INSIDE, SIGNED_IN, OUTWARD, UNTOLD, AROUND)
"""In the order in which they are shown. An address alone is never SIGNED_IN or OUTWARD."""

_INSIDE: Final = address_set(
    parse_range(text)
    for text in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8"),
        *("fc00::/7", "fe80::/10", "::1"),
    )
)
_CACHED: Final = 100_000


class Place(NamedTuple):
    """A named set of addresses. `name` is shown as it is: "network office", "service mimecast"."""

    name: str
    addresses: AddressSet


class Origin(NamedTuple):
    """Where one client is. `place` is "" where no place holds it; `network` its /24 or /64, as text."""

    way: str
    place: str
    network: str
    listed: bool
    """The policy's connection control lists it by address or by name."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of places: `filters` deliver to us, `listed` is whom the policy lets connect by address,
    `listed_names` (normal form) whom it lets connect by confirmed name; `places` only give names, the first one wins.
    """

    filters: Sequence[Place] = ()
    listed: AddressSet = EMPTY
    listed_names: Sequence[str] = ()
    places: Sequence[Place] = ()


class Origins:
    """Tells of each client where it is; equal ones are looked up once."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._by_name = bool(known.listed_names)
        places = [*known.filters, *known.places]
        self._anywhere = known.listed.union(*(one.addresses for one in places))
        self._cache: dict[tuple[str | None, str | None], Origin] = {}

    def of(self, address: str | None, client_name: str | None) -> Origin:
        """Where a client is; `client_name` is the confirmed one, if any."""
        key = (address, client_name if self._by_name else None)
        found = self._cache.get(key)
        if found is None:
            if len(self._cache) >= _CACHED:
                self._cache.clear()
            found = self._cache[key] = self._find(address, client_name)
        return found

    def _find(self, text: str | None, client_name: str | None) -> Origin:
        try:
            address = parse_address(text or "")
        except ValueError:
            return Origin(UNTOLD, "", "", listed=False)
        if address not in self._anywhere:
            # Most strangers are in no place at all.
            listed = self._is_listed(client_name)
            return Origin(_way(address, listed), "", network_of(address), listed)
        known = self._known
        listed = address in known.listed or self._is_listed(client_name)
        for place in known.filters:
            if address in place.addresses:
                return Origin(FILTER, place.name, network_of(address), listed)
        name = next((place.name for place in known.places if address in place.addresses), "")
        return Origin(_way(address, listed), name, network_of(address), listed)

    def _is_listed(self, name: str | None) -> bool:
        if not name or not self._by_name:
            return False
        try:
            normal = normalise_domain(name)
        except ValueError:
            return False
        return any(name_matches(normal, pattern) for pattern in self._known.listed_names)


def _way(address: IPAddress, listed: bool) -> str:
    return INSIDE if is_inside(address) else LISTED if listed else AROUND


def is_inside(address: IPAddress) -> bool:
    """True for an address that the Internet does not route."""
    return address in _INSIDE


def network_of(address: IPAddress) -> str:
    """The /24 of an IPv4 address, the /64 of an IPv6 one."""
    if address.version == 4:
        return f"{str(address).rpartition('.')[0]}.0/24"
    return f"{IPv6Address(int(address) >> 64 << 64)}/64"


def is_loopback(text: str) -> bool:
    """True where `text` is a loopback address."""
    try:
        return parse_address(text).is_loopback
    except ValueError:
        return False
