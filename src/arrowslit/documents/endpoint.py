"""An address and a port, as a listener or the metrics page names them: `127.0.0.1:25`, `[::]:25`.

Never a name: what a node listens on must not depend on a look-up.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

_LAST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to listen. `address` may be the unspecified one; `[::]` listens on both families."""

    address: IPv4Address | IPv6Address
    port: int

    @property
    def text(self) -> str:
        """`127.0.0.1:25`, `[::1]:25`."""
        return f"[{self.address}]:{self.port}" if self.address.version == 6 else f"{self.address}:{self.port}"

    def clashes(self, other: Endpoint) -> bool:
        """True where the two cannot both be listened on: same port, and one address holds the other."""
        if self.port != other.port or self.port == 0:
            return False
        return self.address == other.address or self._holds(other) or other._holds(self)

    def _holds(self, other: Endpoint) -> bool:
        both = self.address.version == 6
        return self.address.is_unspecified and (both or other.address.version == self.address.version)


def parse_endpoint(text: str) -> Endpoint:
    """The endpoint written as `ADDRESS:PORT`, an IPv6 address in brackets.

    Raises ValueError, with words for whoever wrote it, when it is none.
    """
    address, mark, port = text.rpartition(":")
    if not mark:
        raise ValueError(f'"{text}" has no port: write ADDRESS:PORT')
    if not port.isascii() or not port.isdigit() or int(port) > _LAST_PORT:
        raise ValueError(f'"{port}" is no port: ports are 0 to {_LAST_PORT}')
    return Endpoint(_address(address, text), int(port))


def _address(text: str, whole: str) -> IPv4Address | IPv6Address:
    bracketed = text.startswith("[") and text.endswith("]")
    try:
        address = ip_address(text[1:-1] if bracketed else text)
    except ValueError:
        raise ValueError(f'"{whole}" is no ADDRESS:PORT') from None
    if (address.version == 6) is not bracketed:
        raise ValueError(f'"{whole}": only an IPv6 address, and every IPv6 address, stands in brackets')
    return address
