"""The listeners that receive connectors make: which of them share an address and a port, and so share out the clients.

Connectors on all addresses of one port are one listener. A connector bound to one address makes a listener of its own;
whether those bound to all addresses also take clients there is not documented, so that both readings are made and only
what both give counts. Connectors inside the server (2525, 717, or with the role of the inner service where there is a
front end) meet no stranger and are left out. Two servers are two listeners.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from arrowslit.imports.connector_rights import Grants, claimed, grants_of
from arrowslit.imports.exchange_values import FRONTEND, Binding
from arrowslit.imports.imported import Imported, ImportFailedError
from arrowslit.imports.most_specific import Claims
from arrowslit.imports.receive_connector import MAX_RANGES, Connector
from arrowslit.imports.relay_rights import Rights
from arrowslit.mail.address import IPAddress

_INNER_PORTS: Final = frozenset({717, 2525})
_NAMES: Final = {25: "default", 587: "submission"}
_BOTH: Final = frozenset({4, 6})


@dataclass(frozen=True, slots=True)
class Listener:
    """One address (None: all) and port of one server, with the connectors that share its clients, and their grants."""

    server: str
    address: IPAddress | None
    port: int
    connectors: tuple[Connector, ...]
    owned: Claims
    grants: Grants
    doubtful: bool = False
    """True where connectors on all addresses may also take clients here."""

    def name(self, *, alone: bool) -> str:
        """What the virtual server is called; `alone` where all are of one server."""
        parts = [] if alone else [self.server or "server"]
        parts.append(_NAMES.get(self.port, f"port-{self.port}"))
        parts += [] if self.address is None else [str(self.address)]
        return "-".join(parts)


def listeners(connectors: Sequence[Connector], rights: Mapping[str, Rights], found: Imported) -> list[Listener]:
    """All of them, those of port 25 first. Raises ImportFailedError where there are too many ranges."""
    if sum(len(one.ranges) for one in connectors) > MAX_RANGES:
        raise ImportFailedError(
            f"the connectors have more than {MAX_RANGES} remote ranges: import one server at a time"
        )
    made = [one for each in _by_server(connectors) for one in _of_server(list(_outer(each, found)), rights)]
    return sorted(made, key=lambda one: (one.port != 25, one.server.lower(), one.port, one.address is not None))


def _by_server(connectors: Iterable[Connector]) -> Iterable[list[Connector]]:
    by: dict[str, list[Connector]] = {}
    for one in connectors:
        by.setdefault(one.server.lower(), []).append(one)
    return by.values()


def _outer(connectors: Sequence[Connector], found: Imported) -> Iterator[Connector]:
    """Those that are on and may meet a stranger."""
    has_front = any(one.role == FRONTEND for one in connectors)
    for one in connectors:
        inner = has_front and one.role not in {FRONTEND, None}
        ports = {binding.port for binding in one.bindings}
        if not one.enabled:
            found.leave(one.origin(), "Enabled False", "the connector is off, and takes nobody")
        elif inner or ports <= _INNER_PORTS:
            text = ", ".join(f"port {port}" for port in sorted(ports))
            found.leave(one.origin(), text, "it is inside the server: only its own front end comes here")
        else:
            yield one


def _of_server(connectors: Sequence[Connector], rights: Mapping[str, Rights]) -> Iterator[Listener]:
    places = {(binding.address, binding.port) for one in connectors for binding in one.bindings}
    for address, port in sorted(places, key=lambda place: (place[1], str(place[0] or ""))):
        if port in _INNER_PORTS:
            continue
        there = [one for one in connectors if _bound(one, address, port)]
        owned = _claimed(there, address, port)
        grants = grants_of(there, rights, owned)
        also = [one for one in connectors if address is not None and _bound(one, None, port) and one not in there]
        if also:
            together = [*there, *also]
            grants = grants.narrower(grants_of(together, rights, _claimed(together, None, port)))
        yield Listener(connectors[0].server, address, port, tuple(there), owned, grants, bool(also))


def _bound(one: Connector, address: IPAddress | None, port: int) -> bool:
    return any(binding.port == port and binding.address == address for binding in one.bindings)


def _claimed(connectors: Sequence[Connector], address: IPAddress | None, port: int) -> Claims:
    if address is not None:
        return claimed(connectors, dict.fromkeys(range(len(connectors)), frozenset({address.version})))
    return claimed(connectors, {number: _versions(one.bindings, port) for number, one in enumerate(connectors)})


def _versions(bindings: Iterable[Binding], port: int) -> frozenset[int]:
    """The families in which a connector listens on a port, on whatever address."""
    return _BOTH.intersection(one.version for one in bindings if one.port == port)
