"""Hidden clients: an address of our own inside that strangers' mail comes from.

A container's gateway, a router that translates addresses, or a relay or content filter of our own stands before the
server: the log has its address instead of the client's. An entry for it would let every stranger in, so no rule may
come from it. How it is told: an inside address, not signed in, that writes in the name of several domains that are
not ours (or, where the log tells no reverse-path, under several HELO names).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from arrowslit.mail.address import parse_address
from arrowslit.traffic.own_domains import IsOurs, related

STRANGERS: Final = 5
"""So many foreign domains are no coincidence: a server of our own that writes for others has one or two."""


def carries_strangers(from_domains: Iterable[str], helo_names: Collection[str], is_ours: IsOurs) -> bool:
    """True where an inside client looks like a hidden one. Domains in lower case; "" is none."""
    told = {one for one in from_domains if one}
    if not told:
        return len(helo_names) >= STRANGERS
    return sum(not related(one, is_ours) for one in told) >= STRANGERS


def looks_like(address: str) -> str:
    """What a hidden client's address is, as far as it shows."""
    try:
        found = parse_address(address)
    except ValueError:
        return "no address"
    if found.is_loopback:
        return "this machine itself: a content filter, or a proxy before the server"
    if found.version == 4 and found.packed[0] == 172 and found.packed[3] == 1:
        return "the gateway of a container network, by its look"
    return "a gateway that translates addresses, or a relay of your own"
