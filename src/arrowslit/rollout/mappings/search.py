"""Looks for routers: SSDP (UPnP Device Architecture 1.1, chapter 1), by multicast on one interface.

The default gateway is asked by itself too, since the answer to a multicast does not come through a host's firewall that
keeps states. Answers are a stranger's: only their LOCATION is read, and it counts only at the address they came from.
"""

from __future__ import annotations

import selectors
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from arrowslit.rollout.mappings.ask import Where, where_of
from arrowslit.rollout.point import RolloutError

_GROUP: Final = ("239.255.255.250", 1900)
_HOPS: Final = 2
_ROUNDS: Final = 3
"""Datagrams get lost."""

_WANTED: Final = (
    "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
    "urn:schemas-upnp-org:device:InternetGatewayDevice:2",
    "urn:schemas-upnp-org:service:WANIPConnection:1",
    "urn:schemas-upnp-org:service:WANPPPConnection:1",
)
_DEVICES: Final = 8
_OF_ONE: Final = 2
"""Places that one address may name: a machine may serve two devices."""

_GATEWAY: Final = 0x0002
"""RTF_GATEWAY, route.h."""

_Wire = tuple[socket.socket, tuple[str, int]]
"""A socket, and whom it asks."""


@dataclass(slots=True)
class Answers:
    """Where devices describe themselves, and what was not taken, in words."""

    places: list[Where] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    gateways: tuple[IPv4Address, ...] = ()
    """Always among those that are asked, however many others answer."""

    def take(self, data: bytes, sender: IPv4Address) -> None:
        """One datagram."""
        location = _location(data)
        if location is None:
            return
        try:
            place = where_of(location, sender)
        except RolloutError as error:
            self._refuse(f"{sender}: {error}")
            return
        if place in self.places:
            return
        senders = [one.address for one in self.places]
        known = sender in senders or sender in self.gateways
        if senders.count(sender) >= _OF_ONE or (not known and len(set(senders)) >= _DEVICES):
            self._refuse(
                f"more devices answer than {_DEVICES}, or more than {_OF_ONE} at one address: not all are asked"
            )
            return
        self.places.append(place)

    def _refuse(self, says: str) -> None:
        if says not in self.refused and len(self.refused) < _DEVICES:
            self.refused.append(says)


def search(interface: str | None, seconds: float) -> Answers:
    """Whoever answers in that time on the interface; without one, on that which the default route goes by.

    Raises RolloutError where nothing can be sent, LookupError where there is no such interface.
    """
    found, end = Answers(gateways=gateways(interface)), time.monotonic() + seconds
    with ExitStack() as stack, selectors.DefaultSelector() as waiting:
        wires = _wires(stack, interface, found.gateways)
        for wire in {wire for wire, _ in wires}:
            wire.setblocking(False)
            waiting.register(wire, selectors.EVENT_READ)
        for number in range(_ROUNDS):
            _send(wires)
            _receive(waiting, found, end if number == _ROUNDS - 1 else min(end, time.monotonic() + seconds / 4))
    found.places.sort(key=lambda one: (one.address, one.port, one.path))
    return found


def _wires(stack: ExitStack, interface: str | None, gateways: Sequence[IPv4Address]) -> list[_Wire]:
    """One for everybody, and one for each gateway, into which the kernel lets nobody else: no flood drowns it."""
    everybody = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    everybody.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, _HOPS)
    if interface is not None:
        # struct ip_mreqn of ip(7): group, own address, index.
        chosen = struct.pack("4s4si", b"", b"", _index(interface))
        everybody.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, chosen)
    wires = [(everybody, _GROUP)]
    for gateway in gateways:
        place = (str(gateway), _GROUP[1])
        # Some answer from another port than they were asked at, which only the first one hears.
        wires.append((everybody, place))
        wire = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        with suppress(OSError):
            wire.connect(place)
            wires.append((wire, place))
    return wires


def gateways(interface: str | None) -> tuple[IPv4Address, ...]:
    """The default gateways, of one interface or of all; none where the system does not say."""
    try:
        lines = Path("/proc/thread-self/net/route").read_text("ascii").splitlines()[1:]
    except OSError:
        return ()
    return tuple(dict.fromkeys(_gateways(lines, interface)))


def own_address(router: IPv4Address) -> IPv4Address | None:
    """The address that this machine has towards the router. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        try:
            wire.connect((str(router), _GROUP[1]))
            return IPv4Address(wire.getsockname()[0])
        except OSError:
            return None


def _gateways(lines: list[str], interface: str | None) -> Iterator[IPv4Address]:
    for line in lines:
        device, destination, gateway, flags, *_ = line.split()
        if destination == "00000000" and int(flags, 16) & _GATEWAY and interface in (None, device):
            yield IPv4Address(int(gateway, 16).to_bytes(4, "little"))


def _index(interface: str) -> int:
    try:
        return socket.if_nametoindex(interface)
    except OSError:
        raise LookupError(interface) from None


def _question(place: tuple[str, int], wanted: str) -> bytes:
    lines = (
        "M-SEARCH * HTTP/1.1",
        f"HOST: {place[0]}:{place[1]}",
        'MAN: "ssdp:discover"',
        "MX: 1",
        f"ST: {wanted}",
        "",
        "",
    )
    return "\r\n".join(lines).encode("ascii")


def _send(wires: Sequence[_Wire]) -> None:
    sent, last = 0, ""
    for wire, place in wires:
        for wanted in _WANTED:
            try:
                sent += wire.sendto(_question(place, wanted), place)
            except OSError as error:
                last = error.strerror or str(error)
    if not sent:
        raise RolloutError(f"no router can be looked for: {last}")


def _receive(waiting: selectors.BaseSelector, found: Answers, until: float) -> None:
    while (left := until - time.monotonic()) > 0:
        for key, _ in waiting.select(left):
            wire = key.fileobj
            assert isinstance(wire, socket.socket)  # noqa: S101  registered by `search`
            # An error is an ICMP message: a gateway without UPnP.
            with suppress(OSError):
                data, (sender, _port) = wire.recvfrom(2_048)
                found.take(data, IPv4Address(sender))


def _location(data: bytes) -> str | None:
    head, *lines = data.decode("latin-1").split("\r\n")
    if not head.startswith("HTTP/1.1 200"):
        return None
    fields = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in fields if name.strip().upper() == "LOCATION"), None)
