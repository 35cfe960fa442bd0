"""The ALPN names in a TLS ClientHello (RFC 8446 4.1.2, RFC 7301 3.1), read before OpenSSL gets it.

Python's `ssl` does not tell a client without ALPN from one whose names do not fit. Never changes the octets.
"""

from __future__ import annotations

_HANDSHAKE = 22
_CLIENT_HELLO = 1
_ALPN = 16
_MOST_OCTETS = 65_536


class AlpnGate:
    """Watches a client's first octets: one that offers ALPN without `smtp` is to be ended (gateway-behaviour 4)."""

    __slots__ = ("_hello",)

    def __init__(self) -> None:
        self._hello: bytes | None = b""

    def refuses(self, data: bytes) -> bool:
        """Take in octets of the wire; True where the ClientHello is complete and does not fit."""
        if self._hello is None:
            return False
        self._hello += data
        offered = alpn_of(self._hello)
        if offered is None:
            return False
        self._hello = None
        return bool(offered) and b"smtp" not in offered


def alpn_of(data: bytes) -> tuple[bytes, ...] | None:
    """The names offered, empty where there are none; None while the ClientHello is not complete.

    Octets that are no ClientHello give an empty answer: OpenSSL will refuse them in its own words.
    """
    hello = _handshake_octets(data)
    if hello is None:
        return None
    try:
        return _names(hello)
    except IndexError:
        return ()


def _handshake_octets(data: bytes) -> bytes | None:
    """The body of the first handshake message, joined over records; b"" where it is no ClientHello."""
    message, place = b"", 0
    while True:
        if len(data) < place + 5:
            return None if len(data) < _MOST_OCTETS else b""
        if data[place] != _HANDSHAKE:
            return b""
        length = int.from_bytes(data[place + 3 : place + 5], "big")
        if len(data) < place + 5 + length:
            return None if len(data) < _MOST_OCTETS else b""
        message += data[place + 5 : place + 5 + length]
        place += 5 + length
        if len(message) >= 4:
            if message[0] != _CLIENT_HELLO:
                return b""
            wanted = 4 + int.from_bytes(message[1:4], "big")
            if len(message) >= wanted:
                return message[4:wanted]


def _names(hello: bytes) -> tuple[bytes, ...]:
    place = 34
    place += 1 + hello[place]
    place += 2 + int.from_bytes(hello[place : place + 2], "big")
    place += 1 + hello[place]
    place += 2
    while place + 4 <= len(hello):
        kind = int.from_bytes(hello[place : place + 2], "big")
        length = int.from_bytes(hello[place + 2 : place + 4], "big")
        if kind == _ALPN:
            return _protocols(hello[place + 6 : place + 4 + length])
        place += 4 + length
    return ()


def _protocols(data: bytes) -> tuple[bytes, ...]:
    names, place = [], 0
    while place < len(data):
        length = data[place]
        names.append(data[place + 1 : place + 1 + length])
        place += 1 + length
    return tuple(names)
