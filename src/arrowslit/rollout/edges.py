"""What every live enforcement point that keeps a list asks of it: addresses at its edges, its prefixes, a token."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from arrowslit.mail.address import IPAddress
from arrowslit.mail.address_range import address_set, parse_range
from arrowslit.mail.address_set import AddressSet
from arrowslit.rollout.point import RolloutError
from arrowslit.targets.text import prefixes


def edges(listed: AddressSet, most: int) -> Iterator[tuple[IPAddress, bool]]:
    """Up to about `most` addresses in and just outside of some ranges, and whether they are listed."""
    ranges = list(listed.ranges())
    for first, last in ranges[:: max(1, len(ranges) * 4 // most)]:
        make: Callable[[int], IPAddress] = IPv4Address if first.version == 4 else IPv6Address
        end = 2**first.max_prefixlen
        for number in (int(first) - 1, int(first), int(last), int(last) + 1):
            if 0 <= number < end:
                yield make(number), listed.contains(make(number))


def written(listed: AddressSet) -> list[str]:
    """The fewest prefixes of both families."""
    return [text for version in (4, 6) for text in prefixes(listed, version)]


def read_set(texts: list[str], where: str) -> AddressSet:
    """The set of what a place lists. Raises RolloutError for what is no address: nobody knows what it lets in."""
    try:
        return address_set(map(parse_range, texts))
    except ValueError as error:
        raise RolloutError(f"{where} has something that is no address: {error}") from None


def token_of(*parts: Any) -> str:
    """Changes with whatever changes in the parts."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
