"""The addresses of a next hop: host names resolved beside the mail's path, the last good answer kept.

Terms: an *endpoint* is one address to connect to. A literal needs no look-up. A name that can't be resolved for now
gives the last good answer, whatever its age; with none, no endpoint at all, which counts as a next hop that is down.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from ipaddress import ip_address

from arrowslit.gateway.link import Endpoint
from arrowslit.policy.model import NextHopAddress

KEPT = 60.0
"""Seconds after which a name is looked up anew."""
_MOST = 8


class Endpoints:
    """The worker's table of resolved next-hop names."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._known: dict[tuple[str, int], tuple[float, list[Endpoint]]] = {}

    def of(self, addresses: tuple[NextHopAddress, ...], tell: Callable[[list[Endpoint]], None]) -> None:
        """All endpoints in order; `tell` is called at once where nothing has to be looked up."""
        stale = [a for a in addresses if self._needs_look_up(a)]
        if not stale:
            tell([e for a in addresses for e in self._ready(a)])
            return
        task = self._loop.create_task(self._resolve(stale))
        task.add_done_callback(lambda _done: tell([e for a in addresses for e in self._ready(a)]))

    def _needs_look_up(self, address: NextHopAddress) -> bool:
        if address.port is None or _literal(address.target):
            return False
        known = self._known.get((address.target, address.port))
        return known is None or known[0] + KEPT < self._loop.time()

    def _ready(self, address: NextHopAddress) -> list[Endpoint]:
        if address.port is None:
            return [Endpoint(socket.AF_UNIX, address.target, f"unix:{address.target}")]
        if _literal(address.target):
            return [_endpoint(address.target, address.port)]
        known = self._known.get((address.target, address.port))
        return known[1] if known else []

    async def _resolve(self, addresses: list[NextHopAddress]) -> None:
        for address in addresses:
            port = address.port or 0
            try:
                found = await self._loop.getaddrinfo(address.target, port, type=socket.SOCK_STREAM)
            except OSError:
                continue  # the last good answer stands
            hosts = list(dict.fromkeys(str(info[4][0]) for info in found))[:_MOST]
            name = address.target
            endpoints = [_endpoint(host, port, name) for host in hosts]
            self._known[(address.target, port)] = (self._loop.time(), endpoints)


def _literal(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _endpoint(host: str, port: int, name: str = "") -> Endpoint:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    shown = f"[{host}]:{port}"
    return Endpoint(family, (host, port), f"{name}{shown}" if name else shown)
