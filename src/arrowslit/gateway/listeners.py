"""The listening sockets of a node, held by the parent so that a reload or restart loses no connection.

Terms: a socket is *adopted* when systemd (LISTEN_FDS, sd_listen_fds(3)) or the parent before us passed it on, and
*opened* otherwise. Never accepts a connection: workers do.
"""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Any, Final

from arrowslit.gateway.plan import ListenerPlan
from arrowslit.gateway.port_owner import port_owner

INHERITED: Final = "ARROWSLIT_LISTENERS"
"""The variable by which a parent passes its sockets on to the next: JSON, address to file descriptor."""

_FIRST_SYSTEMD_FD: Final = 3
_BACKLOG: Final = 1024


class ListenerError(Exception):
    """A listener can't be opened; the text names its address and says what to do."""


@dataclass(slots=True)
class Listener:
    """One open listener. `key` is its address in the plan, numbered where an address stands there twice (port 0)."""

    key: str
    plan: ListenerPlan
    socket: socket.socket

    @property
    def bound(self) -> str:
        """The real address and port."""
        return address_text(self.socket)

    def as_message(self) -> dict[str, Any]:
        """What a worker is told; "fd" holds where it was inherited."""
        return {
            "key": self.key,
            "address": self.plan.address,
            "bound": self.bound,
            "fd": self.socket.fileno(),
            "settings": dict(self.plan.settings),
        }


def split_address(address: str) -> tuple[str, int]:
    """The parts of "HOST:PORT". Raises ListenerError for anything that is no address with a port."""
    text, _, port = address.rpartition(":")
    text = text.removeprefix("[").removesuffix("]")
    try:
        number = int(port) if port.isascii() and port.isdecimal() else -1
        host = str(ip_address("::" if text == "*" else text))
    except ValueError:
        number = -1
        host = text
    if not 0 <= number <= 65_535:
        raise ListenerError(
            f'listener "{address}": write ADDRESS:PORT, like "192.0.2.1:25", "[2001:db8::1]:25", "[::]:25"'
        )
    return host, number


def address_text(sock: socket.socket) -> str:
    """ "HOST:PORT" of a socket's own end."""
    name = sock.getsockname()
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"


def keys(plans: Iterable[ListenerPlan]) -> dict[str, ListenerPlan]:
    """The plans by key. Raises ListenerError where one address with a port stands twice."""
    found: dict[str, ListenerPlan] = {}
    for plan in plans:
        key, number = plan.address, 1
        while key in found:
            if split_address(plan.address)[1] != 0:
                raise ListenerError(f'listener "{plan.address}" stands twice; remove one')
            number += 1
            key = f"{plan.address}#{number}"
        found[key] = plan
    return found


def open_listener(key: str, plan: ListenerPlan, *, v6_only: bool = False) -> Listener:
    """Bind and listen. Raises ListenerError."""
    host, port = split_address(plan.address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = None
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(v6_only or host != "::"))
        sock.bind((host, port))
        sock.listen(_BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        if sock is not None:
            sock.close()
        raise ListenerError(f'listener "{plan.address}": {_explain(error, host, port)}') from error
    return Listener(key, plan, sock)


def _explain(error: OSError, host: str, port: int) -> str:
    """What went wrong and what to do about it."""
    if error.errno == errno.EADDRINUSE:
        owner = port_owner(port)
        who = f"{owner} listens there" if owner else "another program listens there"
        return f"port {port} is in use: {who}. Stop it, or give it or this listener another address or port"
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f"port {port} needs a right that this process lacks. Start it by the systemd unit, or give it "
            "CAP_NET_BIND_SERVICE"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"this machine does not have the address {host}. See `ip address`"
    if error.errno == errno.EAFNOSUPPORT and ":" in host:
        return f'this machine has no IPv6. Write "0.0.0.0:{port}"'
    return os.strerror(error.errno or 0)


class Listeners:
    """All listeners of the node, and sockets passed on to us that no plan has asked for yet."""

    def __init__(self) -> None:
        self.open: dict[str, Listener] = {}
        self._spare: list[tuple[str, socket.socket]] = []

    def adopt(self, environment: MutableMapping[str, str]) -> None:
        """Take over the sockets that `environment` speaks of, and strike it out there: it is not for our children."""
        for address, fd in json.loads(environment.pop(INHERITED, "{}")).items():
            self._spare.append((address, _nonblocking(fd)))
        count, pid = environment.pop("LISTEN_FDS", ""), environment.pop("LISTEN_PID", "")
        environment.pop("LISTEN_FDNAMES", None)
        if count.isdecimal() and pid == str(os.getpid()):
            for fd in range(_FIRST_SYSTEMD_FD, _FIRST_SYSTEMD_FD + int(count)):
                sock = _nonblocking(fd)
                self._spare.append((address_text(sock), sock))

    def prepare(self, plans: Iterable[ListenerPlan]) -> tuple[list[Listener], list[Listener]]:
        """The listeners to be added (open by now) and those to be removed (still open), for these plans.

        Raises ListenerError, and then nothing has changed.
        """
        wanted = keys(plans)
        added: list[Listener] = []
        try:
            for key, plan in wanted.items():
                if key not in self.open:
                    v6_only = _has_v4_twin(plan.address, wanted.values())
                    added.append(self._adopted(key, plan) or open_listener(key, plan, v6_only=v6_only))
        except ListenerError:
            for listener in added:
                listener.socket.close()
            raise
        return added, [listener for key, listener in self.open.items() if key not in wanted]

    def commit(self, added: Iterable[Listener], removed: Iterable[Listener]) -> None:
        """What `prepare` gave is so now: workers have taken it up."""
        for listener in added:
            self.open[listener.key] = listener
        for listener in removed:
            del self.open[listener.key]
            listener.socket.close()

    def changed(self, plans: Iterable[ListenerPlan]) -> list[Listener]:
        """Open listeners whose settings are others in these plans, as they are to be; `commit` makes it so."""
        wanted = keys(plans)
        return [
            Listener(key, wanted[key], listener.socket)
            for key, listener in self.open.items()
            if key in wanted and listener.plan != wanted[key]
        ]

    def drop_spare(self) -> list[str]:
        """Close the sockets that were passed on and not asked for; their addresses."""
        addresses = [address for address, _ in self._spare]
        for _, sock in self._spare:
            sock.close()
        self._spare.clear()
        return addresses

    def spare(self, address: str) -> socket.socket | None:
        """The socket that was passed on under this name, taken out."""
        for item in self._spare:
            if item[0] == address:
                self._spare.remove(item)
                return item[1]
        return None

    def close(self) -> None:
        """Close all copies of this process."""
        for listener in self.open.values():
            listener.socket.close()
        self.open.clear()
        self.drop_spare()

    def _adopted(self, key: str, plan: ListenerPlan) -> Listener | None:
        host, port = split_address(plan.address)
        text = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        sock = self.spare(key) or self.spare(text)
        return None if sock is None else Listener(key, plan, sock)


def _nonblocking(fd: int) -> socket.socket:
    sock = socket.socket(fileno=fd)
    sock.set_inheritable(False)
    sock.setblocking(False)
    return sock


def _has_v4_twin(address: str, plans: Iterable[ListenerPlan]) -> bool:
    """Whether an IPv4 address is asked for on the same port as well, so that "[::]" must leave it alone."""
    port = split_address(address)[1]
    others = [split_address(plan.address) for plan in plans]
    return port != 0 and any(
        number == port and not isinstance(ip_address(host), IPv6Address) for host, number in others
    )
