"""One question to a device by HTTP: to its own address only, no redirection followed, bounded in octets and time.

Nothing is sent but to the IPv4 address that the device answered from; names are not resolved.
"""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from arrowslit.rollout.point import RolloutError

LARGEST: Final = 256 * 1024
"""Octets of an answer with its headers; descriptions of real routers have some ten thousand."""

_SECONDS: Final = 5.0
_PATH: Final = 1_000


class SilentError(RolloutError):
    """The device is not there, or says nothing in time: asking again is no use."""


@dataclass(frozen=True, slots=True)
class Where:
    """A place at a device."""

    address: IPv4Address
    port: int
    path: str

    @property
    def text(self) -> str:
        """As a web address."""
        return f"http://{self.address}:{self.port}{self.path}"


def where_of(text: str, device: IPv4Address, base: str = "") -> Where:
    """The place that a device names. Raises RolloutError where it is not at the device itself."""
    try:
        parts = urlsplit(urljoin(base, text))
        address, port = IPv4Address(parts.hostname or ""), parts.port
    except ValueError:
        raise RolloutError(f"{_short(text)} is no web address of its own") from None
    if address != device:
        raise RolloutError(f"it points to {address}, another machine, which is not asked")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    clean = len(path) <= _PATH and path.isascii() and path.isprintable() and " " not in path
    if parts.scheme != "http" or "@" in parts.netloc or port == 0 or not clean or not path.startswith("/"):
        raise RolloutError(f"{_short(text)} is no web address that is asked")
    return Where(address, port or 80, path)


def ask(where: Where, deadline: float, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> bytes:
    """What the device answers with 200, or with 500 (a SOAP fault). Raises RolloutError.

    `deadline` is a time of `time.monotonic`; one question takes five seconds at most whatever comes.
    """
    with _Bounded(socket.AF_INET, socket.SOCK_STREAM) as wire:
        wire.until = min(deadline, time.monotonic() + _SECONDS)
        connection = http.client.HTTPConnection(str(where.address), where.port)
        try:
            wire.settimeout(wire.left())
            wire.connect((str(where.address), where.port))
            connection.sock = wire
            said = {"Connection": "close", "User-Agent": "Arrowslit UPnP/1.1", **(headers or {})}
            connection.request("GET" if body is None else "POST", where.path, body, said)
            with connection.getresponse() as response:
                status, data = response.status, response.read(LARGEST)
        except OSError as error:
            raise SilentError(error.strerror or "no answer in time") from None
        except http.client.HTTPException as error:
            raise RolloutError(f"what it sent is no HTTP ({type(error).__name__})") from None
    if status not in (http.client.OK, http.client.INTERNAL_SERVER_ERROR):
        redirects = ": it points elsewhere, which is not followed" if status // 100 == 3 else ""
        raise RolloutError(f"it answers {status}{redirects}")
    return data


class _Bounded(socket.socket):
    """A connection that is over at a time, and after so many octets, however they drip."""

    until = 0.0
    octets = LARGEST

    def left(self) -> float:
        seconds = self.until - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """What every read of `http.client` ends up in."""
        self.settimeout(self.left())
        got = super().recv_into(buffer, nbytes, flags)
        self.octets -= got
        if self.octets < 0:
            raise RolloutError(f"it sends more than {LARGEST // 1024} KiB")
        return got


def _short(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:100]}..."
