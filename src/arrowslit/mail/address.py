"""Network addresses: one type for both families, with IPv4-mapped IPv6 folded into IPv4 (gateway-behaviour 7).

Never resolves a name.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

IPAddress = IPv4Address | IPv6Address


def unmap(address: IPAddress) -> IPAddress:
    """`::ffff:a.b.c.d` is the IPv4 address, everywhere; anything else comes back as it is."""
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or address
    return address


def parse_address(text: str) -> IPAddress:
    """The address written in `text`, a zone id (`%eth0`) dropped.

    Raises ValueError when it is none.
    """
    return unmap(ip_address(text.partition("%")[0]))


def source_key(address: IPAddress) -> bytes:
    """What limits a source are counted by: the IPv4 address, or the IPv6 /64 (gateway-behaviour 5)."""
    packed = address.packed
    return packed if len(packed) == 4 else packed[:8]
