"""Where a connection to a mail port may end, and by which ways clients come there; followed one by one.

A *place* is a server: this machine, by an address that rules name or by any other, or a server behind it. Servers
behind it that are reached by their own addresses count only where a rule for forwarding names the port.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias

from arrowslit.imports.firewall.journey import Journey, Reached
from arrowslit.imports.firewall.naming import Naming
from arrowslit.imports.firewall.packet import LOOPBACK, OTHER, Packet
from arrowslit.imports.firewall.spans import ALL, size
from arrowslit.imports.firewall.walk import Outcomes


@dataclass(frozen=True, slots=True)
class Place:
    """A server: `server` is its address, None for any that no rule names. `asked` is the port that clients ask for.

    `translated`: the rules lead there what was sent to another address or port. `meant`: a rule that lets somebody in
    names the address.
    """

    asked: int
    here: bool
    server: int | None
    version: int
    translated: bool = False
    meant: bool = False

    @property
    def text(self) -> str:
        """In words."""
        where = "this machine" if self.here else "a server behind it"
        address = "" if self.server is None else f" {address_text(self.version, self.server)}"
        return f"{where}{address}, port {self.asked}"


Way: TypeAlias = tuple[str, str, int | None]
"""Interface in, interface out ("" where it ends here), the address that was asked for."""


@dataclass(slots=True)
class Found:
    """Who gets to a place, by way; loopback apart."""

    ways: dict[Way, Reached] = field(default_factory=dict)
    loopback: Reached | None = None


def address_text(version: int, number: int) -> str:
    """An address as people write it."""
    return str(IPv4Address(number) if version == 4 else IPv6Address(number))


class Places:
    """Follows clients of one family to the places of a rule set."""

    def __init__(self, naming: Naming, journey: Journey) -> None:
        self.naming, self.journey = naming, journey

    def followed(self, port: int) -> dict[Place, Found]:
        """Who gets where, for one port of mail, in the order in which places are looked at."""
        made: dict[Place, Found] = {}
        for asked in self.naming.asked(port):
            for first in self._packets(asked):
                for place, way, reached in self._followed(first, port):
                    found = made.setdefault(place, Found())
                    if way[0] == LOOPBACK:
                        found.loopback = reached
                    else:
                        found.ways[way] = reached
        return made

    def is_inner(self, place: Place, way: Way) -> bool:
        """Whether more than half of all addresses may connect by that way to a port that no rule names."""
        if place.translated:
            return False
        incoming, outgoing, server = way
        first = self._first(self.naming.unnamed_port, incoming, server, local=place.here)
        heard = Outcomes()
        for arrival in self.journey.arrivals(first, heard):
            if not arrival.packet.translated:
                behind = self.journey.to_behind
                reached = self.journey.to_host(arrival, heard) if place.here else behind(arrival, outgoing, heard)
                return 2 * size(reached.sure) > size(ALL[place.version])
        return False

    def _first(self, port: int, way: str, server: int | None, *, local: bool) -> Packet:
        return Packet(self.naming.version, port, server, incoming=way, local=local, asked=port, asked_server=server)

    def _packets(self, asked: int) -> Iterator[Packet]:
        """The first packets worth following."""
        routed = any(rule.names(asked) for rule in self.naming.forwards)
        for way in self.naming.interfaces:
            for server in self.naming.servers(asked, here=True):
                yield self._first(asked, way, server, local=True)
            for server in self.naming.servers(asked, here=False) if routed and way != LOOPBACK else ():
                yield self._first(asked, way, server, local=False)

    def _followed(self, packet: Packet, port: int) -> Iterator[tuple[Place, Way, Reached]]:
        heard = Outcomes()
        arrivals = self.journey.arrivals(packet, heard)
        if packet.asked == port and all(one.packet.translated for one in arrivals):
            yield (
                self._place(packet, packet.asked),
                (packet.incoming, "", packet.server),
                Reached(unclear=heard.unclear),
            )
        for arrival in arrivals:
            now = arrival.packet
            if port not in ({now.port, packet.asked} if now.translated else {packet.asked}):
                continue
            place = self._place(now, packet.asked)
            if now.local:
                yield place, (now.incoming, "", packet.server), self.journey.to_host(arrival, heard)
                continue
            for outgoing in self.naming.interfaces if now.incoming != LOOPBACK else ():
                if outgoing not in {LOOPBACK, now.incoming} or outgoing == OTHER:
                    way = now.incoming, outgoing, packet.server
                    yield place, way, self.journey.to_behind(arrival, outgoing, heard)

    def _place(self, packet: Packet, asked: int) -> Place:
        meant = self.naming.meant(packet.server, packet.port, here=packet.local)
        return Place(asked, packet.local, packet.server, packet.version, packet.translated, meant)
