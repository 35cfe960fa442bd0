"""What the routers and firewalls at a site's edge share: names that may be written, and generations of lists.

A *generation* is a name made from a list's content: where a device can't replace a list in one step, the new one is
made beside the old one under its own name, and then taken into use. Making the same list twice makes nothing new.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from arrowslit.mail.address import IPAddress
from arrowslit.mail.address_range import address_set, parse_range
from arrowslit.mail.address_set import AddressSet
from arrowslit.targets.rules import Access
from arrowslit.targets.target import Place, PlaceError
from arrowslit.targets.text import Comment, about

INSIDE: Final[AddressSet] = address_set(
    parse_range(text)
    for text in (
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::1",
        "fc00::/7",
        "fe80::/10",
    )
)
"""Addresses that no client from the Internet has."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,62}")


def interface_of(place: Place, otherwise: str) -> str:
    """The interface that strangers come in by. Raises PlaceError for a name that would need quotes somewhere."""
    if place.interface and not _NAME.fullmatch(place.interface):
        raise PlaceError("interface: only letters, digits and . _ / : @ - can be written for this target")
    return place.interface or otherwise


def server_of(place: Place, version: int) -> IPAddress | None:
    """The mail server's address of that family, if the place has it."""
    return next((address for address in place.server if address.version == version), None)


def generation(lines: Iterable[str]) -> str:
    """A short name for this content, the same for the same content."""
    return sha256("\n".join(lines).encode()).hexdigest()[:8]


def by_source(
    access: Access, version: int, comment: Comment, line: Callable[[IPv4Network | IPv6Network], str]
) -> Iterator[str]:
    """Lines for the prefixes of one family, those of each source under a comment with its rule."""
    for source in access.sources:
        own = [f"{line(prefix)}\n" for prefix in source.addresses.cidrs() if prefix.version == version]
        yield from (comment.line(about(source)), *own) if own else ()
