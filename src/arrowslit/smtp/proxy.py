"""The PROXY protocol, versions 1 and 2 (HAProxy, proxy-protocol.txt): header in and out.

Reading is strict, for a header comes from a balancer that is trusted: what is malformed is a `ValueError`. TLVs are
skipped. LOCAL, UNKNOWN, UNSPEC and Unix sockets mean that the connection's own end points stand. IPv4-mapped addresses
become IPv4. Never decides who is trusted.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Final

from arrowslit.mail.address import IPAddress, unmap
from arrowslit.smtp.events import ProxyHeader

Endpoint = tuple[IPAddress, int]

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_V1: Final = b"PROXY "
_V1_OCTETS = 107
_V2_OCTETS = 4096
"""Room for TLVs, a client's certificate among them; the addresses take 36 at most."""
_FAMILIES: Final = {0x11: 4, 0x21: 16}
"""TCP over IPv4 and IPv6: octets of an address."""
_OWN_ENDPOINTS: Final = frozenset({0x00, 0x31})
"""UNSPEC and Unix stream."""


def parse(data: bytes) -> tuple[ProxyHeader, int] | None:
    """The header that `data` starts with and its length in octets; None where more octets are needed.

    Raises ValueError where no valid header can come of it any more.
    """
    if data[: len(SIGNATURE)] == SIGNATURE[: len(data)]:
        return _parse_v2(data)
    if data[: len(_V1)] == _V1[: len(data)]:
        return _parse_v1(data)
    raise ValueError("no PROXY header")


def _parse_v1(data: bytes) -> tuple[ProxyHeader, int] | None:
    end = data.find(b"\r\n", 0, _V1_OCTETS)
    if end < 0:
        if len(data) >= _V1_OCTETS or b"\n" in data:
            raise ValueError("no end of a PROXY header")
        return None
    words = data[:end].decode("ascii").split(" ")
    if words[1] == "UNKNOWN":
        return ProxyHeader(None, None, 1), end + 2
    if len(words) != 6:
        raise ValueError("a PROXY header has six words")
    source = (_address(words[1], words[2]), _port(words[4]))
    destination = (_address(words[1], words[3]), _port(words[5]))
    return ProxyHeader(source, destination, 1), end + 2


def _address(family: str, text: str) -> IPAddress:
    if family == "TCP4":
        return IPv4Address(text)
    if family != "TCP6" or "%" in text:
        raise ValueError("unknown family, or a zone, in a PROXY header")
    return unmap(IPv6Address(text))


def _port(text: str) -> int:
    if not text.isdecimal() or len(text) > 5 or int(text) > 65_535 or str(int(text)) != text:
        raise ValueError("no port in a PROXY header")
    return int(text)


def _parse_v2(data: bytes) -> tuple[ProxyHeader, int] | None:
    if len(data) < 16:
        if len(data) > 12 and data[12] not in (0x20, 0x21):
            raise ValueError("unknown version or command in a PROXY header")
        return None
    command, family, length = data[12], data[13], int.from_bytes(data[14:16], "big")
    if command not in (0x20, 0x21) or length > _V2_OCTETS:
        raise ValueError("unknown version or command, or too long a PROXY header")
    if command == 0x21 and family not in _OWN_ENDPOINTS:
        _check_family(family, length)
    if len(data) < 16 + length:
        return None
    if command == 0x20 or family in _OWN_ENDPOINTS:
        return ProxyHeader(None, None, 2), 16 + length
    return _endpoints(data[16 : 16 + length], _FAMILIES[family]), 16 + length


def _check_family(family: int, length: int) -> None:
    octets = _FAMILIES.get(family)
    if octets is None or length < 2 * octets + 4:
        raise ValueError("unknown family in a PROXY header, or too short a one")


def _endpoints(block: bytes, octets: int) -> ProxyHeader:
    family = IPv4Address if octets == 4 else IPv6Address
    ports = block[2 * octets : 2 * octets + 4]
    source = (unmap(family(block[:octets])), int.from_bytes(ports[:2], "big"))
    destination = (unmap(family(block[octets : 2 * octets])), int.from_bytes(ports[2:], "big"))
    return ProxyHeader(source, destination, 2)


def encode_v1(source: Endpoint | None, destination: Endpoint | None) -> bytes:
    """A version 1 header; UNKNOWN where an end point is None."""
    if source is None or destination is None:
        return b"PROXY UNKNOWN\r\n"
    both = _same_family(source[0], destination[0])
    family = "TCP4" if both[0].version == 4 else "TCP6"
    return f"PROXY {family} {both[0]} {both[1]} {source[1]} {destination[1]}\r\n".encode("ascii")


def encode_v2(source: Endpoint | None, destination: Endpoint | None) -> bytes:
    """A version 2 header without TLVs; LOCAL where an end point is None."""
    if source is None or destination is None:
        return SIGNATURE + b"\x20\x00\x00\x00"
    both = _same_family(source[0], destination[0])
    block = b"".join((both[0].packed, both[1].packed, source[1].to_bytes(2, "big"), destination[1].to_bytes(2, "big")))
    family = b"\x11" if both[0].version == 4 else b"\x21"
    return SIGNATURE + b"\x21" + family + len(block).to_bytes(2, "big") + block


def _same_family(one: IPAddress, other: IPAddress) -> tuple[IPAddress, IPAddress]:
    """Both as they are, or both as IPv6 where one is."""
    if one.version == other.version:
        return one, other
    return _as_ipv6(one), _as_ipv6(other)


def _as_ipv6(address: IPAddress) -> IPv6Address:
    return address if isinstance(address, IPv6Address) else IPv6Address(f"::ffff:{address}")
