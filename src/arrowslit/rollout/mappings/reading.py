"""Reads the mappings of one router: its list, and what it finds by a port where the list does not have it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from arrowslit.rollout.mappings import igd
from arrowslit.rollout.mappings.ask import SilentError
from arrowslit.rollout.mappings.elements import Element
from arrowslit.rollout.mappings.igd import Device, FaultError, Service
from arrowslit.rollout.point import RolloutError

_MOST: Final = 1_000
_NOTHING_NEW: Final = 16
"""Entries in a row that are known already, after which a list goes in circles."""

_ANY: Final = ("", "*", "0.0.0.0")  # noqa: S104  how routers write that any host may come
_UNREADABLE: Final = 16
_HOST: Final = 253
_TEXT: Final = 200

Key = tuple[str, int, str]
"""Protocol, outer port, remote host."""


@dataclass(frozen=True, slots=True)
class Mapping:
    """One mapping as the router tells it. Port 0 stands for all that are not mapped otherwise.

    `lease` is how many seconds it lasts, None until somebody deletes it.
    """

    protocol: str
    port: int
    remote_host: str
    to: str
    to_port: int
    enabled: bool
    description: str
    lease: int | None = field(compare=False)

    @property
    def key(self) -> Key:
        """What a router knows it by."""
        return key_of(self.protocol, self.port, self.remote_host)

    def concerns(self, ports: Iterable[int]) -> bool:
        """Whether strangers come by it to one of these ports: of the router, or of the machine behind it."""
        wanted = set(ports)
        return self.protocol.upper() != "UDP" and (self.port == 0 or self.port in wanted or self.to_port in wanted)


@dataclass(slots=True)
class Reading:
    """The mappings of one router until a time, and why they may not be all."""

    deadline: float
    found: dict[Key, Mapping] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    denied: bool = False
    """Whether every service said that it has no mapping of the last port that was wanted."""

    @property
    def mappings(self) -> tuple[Mapping, ...]:
        """In an order that does not depend on the router's."""
        return tuple(sorted(self.found.values(), key=lambda one: (one.port, one.protocol, one.remote_host)))

    @property
    def problem(self) -> str:
        """Why they may not be all; "" where they are."""
        return "; ".join(dict.fromkeys(self.problems))

    def device(self, device: Device, wanted: Sequence[Key]) -> None:
        """What it lists, and what it finds by these ports: some lists leave out what the router has."""
        for service in device.services:
            self._list(service)
        for protocol, port, remote_host in wanted:
            # Where the port is listed, nothing is found by it: many routers don't look at the remote host then, and
            # one mapping would seem to be two.
            if not any((one.protocol.upper(), one.port) == (protocol.upper(), port) for one in self.found.values()):
                said = [self._find(service, protocol, port, remote_host) for service in device.services]
                self.denied = all(said)

    def _list(self, service: Service) -> None:
        unread, idle, own = 0, 0, set()
        for index in range(_MOST):
            try:
                said = igd.entry(service, index, self.deadline)
                key = None if said is None else self._take(said, *_said_key(said))
            except (FaultError, SilentError) as error:
                self.problems.append(f"its list breaks off at entry {index}: {error}")
                return
            except RolloutError as error:
                # Whoever named a mapping must not hide those behind it.
                self.problems.append(f"entry {index} of its list can't be read: {error}")
                said, unread = Element(""), unread + 1
                key = None
            if said is None:
                return
            idle = idle + 1 if key in own else 0
            if unread > _UNREADABLE or idle >= _NOTHING_NEW:
                self.problems.append(f"its list has no end that can be found, up to entry {index}")
                return
            own.add(key)
        self.problems.append(f"its list is longer than {_MOST} entries")

    def _find(self, service: Service, protocol: str, port: int, remote_host: str) -> bool:
        """Whether the service says that it has none."""
        try:
            said = igd.specific(service, remote_host, port, protocol, self.deadline)
            if said is not None:
                self._take(said, protocol, port, remote_host)
        except RolloutError as error:
            self.problems.append(f"it does not say whether it has port {port}: {error}")
            return False
        return said is None

    def _take(self, said: Element, protocol: str, port: int, remote_host: str) -> Key:
        to_port, lease = _number(said.of("NewInternalPort")), _number(said.of("NewLeaseDuration"))
        readable = 0 <= port <= 65_535 and 0 <= to_port <= 65_535
        if not readable or len(remote_host) > _HOST or len(protocol) > _HOST:
            raise RolloutError("its ports are none")
        made = Mapping(
            protocol,
            port,
            remote_host,
            said.of("NewInternalClient")[:_TEXT],
            to_port,
            said.of("NewEnabled").lower() not in ("0", "false", "no"),
            said.of("NewPortMappingDescription")[:_TEXT],
            lease if lease > 0 else None,
        )
        self.found.setdefault(made.key, made)
        return made.key


def _said_key(said: Element) -> Key:
    return said.of("NewProtocol"), _number(said.of("NewExternalPort")), said.of("NewRemoteHost")


def key_of(protocol: str, port: int, remote_host: str) -> Key:
    """The key in one form: routers write "anybody" and names of protocols in several."""
    return protocol.upper(), port, "" if remote_host in _ANY else remote_host


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else -1
