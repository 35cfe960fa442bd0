"""What a rule asks of a packet, as values that can say for which clients they hold.

`negated` turns the answer, save where the packet is of another family: there no condition on an address holds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from arrowslit.imports.firewall.judged import NO, Judged, any_of, told, yes
from arrowslit.imports.firewall.packet import CLIENT_PORTS, LOOPBACK, OTHER, SOURCE, Packet
from arrowslit.imports.firewall.spans import ALL, NONE, Spans, both, holds, without

_PORT_LOSS: Final = "it looks at the client's own port, which a policy does not; a client's port is taken as above 1023"


class Condition:
    """One condition."""

    def judge(self, packet: Packet) -> Judged:
        """For which clients it holds."""
        return self._judge(packet)

    def _judge(self, packet: Packet) -> Judged:
        raise NotImplementedError


@dataclass(frozen=True)
class Address(Condition):
    """The address on one side lies in one of these spans; `perhaps` are those that may be gone soon.

    `notes` says of spans what their list says of them. `named` is the name of the list.
    """

    side: str
    version: int
    spans: Spans
    perhaps: Spans = NONE
    negated: bool = False
    notes: tuple[tuple[int, int, str], ...] = ()
    named: str = ""
    why: str = "some of these addresses are listed for a time only"

    def _judge(self, packet: Packet) -> Judged:
        if packet.version != self.version:
            return NO
        return self._of_clients if packet.client == self.side else self._of_server(packet)

    @cached_property
    def _of_clients(self) -> Judged:
        perhaps = without(self.perhaps, self.spans)
        found = Judged(self.spans, perhaps, (self.why,) if perhaps else ())
        return found.not_(self.version) if self.negated else found

    def _of_server(self, packet: Packet) -> Judged:
        if self.spans == ALL[self.version]:
            return told(not self.negated, self.version)
        if packet.server is None:
            return told(self.negated, self.version)
        if holds(self.perhaps, packet.server) and not holds(self.spans, packet.server):
            return Judged(perhaps=ALL[self.version], why=(self.why,))
        return told(holds(self.spans, packet.server) != self.negated, self.version)


@dataclass(frozen=True)
class Port(Condition):
    """The port on one side is one of these."""

    side: str
    spans: Spans
    negated: bool = False

    def _judge(self, packet: Packet) -> Judged:
        if packet.client != self.side:
            return told(holds(self.spans, packet.port) != self.negated, packet.version)
        common = both(self.spans, CLIENT_PORTS)
        if common == CLIENT_PORTS:
            return told(not self.negated, packet.version)
        if not common:
            found = told(self.negated, packet.version)
            return found if packet.reply else Judged(found.sure, loss=(_PORT_LOSS,))
        return Judged(perhaps=ALL[packet.version], why=("it looks at the client's own port",))


@dataclass(frozen=True)
class Interface(Condition):
    """The interface on one side has one of these names, or begins with one that ends in `OTHER`."""

    side: str
    names: tuple[str, ...]
    negated: bool = False

    def _judge(self, packet: Packet) -> Judged:
        name = packet.incoming if self.side == SOURCE else packet.outgoing
        return told(any(_fits(name, one) for one in self.names) != self.negated, packet.version)


def _fits(name: str, pattern: str) -> bool:
    if pattern.endswith(OTHER):
        return bool(name) and name.startswith(pattern.removesuffix(OTHER))
    return name == pattern


@dataclass(frozen=True)
class State(Condition):
    """The connection is in one of these states ("new", "established", ...), as it is tracked."""

    states: frozenset[str]
    negated: bool = False

    def _judge(self, packet: Packet) -> Judged:
        if not packet.state:
            return Judged(perhaps=ALL[packet.version], why=("it asks for the state before connections are tracked",))
        return told((packet.state in self.states) != self.negated, packet.version)


@dataclass(frozen=True)
class Flags(Condition):
    """Of the flags in `mask` (all where it is None) exactly the `wanted` are set; with `any_` at least one of them."""

    wanted: frozenset[str]
    mask: frozenset[str] | None = None
    any_: bool = False
    negated: bool = False

    def _judge(self, packet: Packet) -> Judged:
        found = packet.flags if self.mask is None else packet.flags & self.mask
        holds_ = bool(found & self.wanted) if self.any_ else found == self.wanted
        return told(holds_ != self.negated, packet.version)


@dataclass(frozen=True)
class Local(Condition):
    """The address on one side is one of this machine's own. A client is never this machine, save on loopback."""

    side: str
    negated: bool = False

    def _judge(self, packet: Packet) -> Judged:
        own = packet.incoming == LOOPBACK if packet.client == self.side else packet.local
        return told(own != self.negated, packet.version)


@dataclass(frozen=True)
class Translated(Condition):
    """The destination of the connection was translated."""

    negated: bool = False

    def _judge(self, packet: Packet) -> Judged:
        return told(packet.translated != self.negated, packet.version)


@dataclass(frozen=True)
class Reply(Condition):
    """The packet goes from server to client."""

    negated: bool = False

    def _judge(self, packet: Packet) -> Judged:
        return told(packet.reply != self.negated, packet.version)


@dataclass(frozen=True)
class Asked(Condition):
    """The port, or the address, that the client asked for before any translation."""

    ports: Spans | None = None
    addresses: Spans | None = None
    negated: bool = False

    def _judge(self, packet: Packet) -> Judged:
        if self.ports is not None:
            return told(holds(self.ports, packet.asked) != self.negated, packet.version)
        known = packet.asked_server is not None and holds(self.addresses or NONE, packet.asked_server)
        return told(known != self.negated, packet.version)


@dataclass(frozen=True)
class Version(Condition):
    """The packet is of one of these families."""

    versions: frozenset[int]
    negated: bool = False

    def _judge(self, packet: Packet) -> Judged:
        return told((packet.version in self.versions) != self.negated, packet.version)


@dataclass(frozen=True)
class Constant(Condition):
    """It holds for every packet of mail, or for none."""

    holds: bool

    def _judge(self, packet: Packet) -> Judged:
        return told(self.holds, packet.version)


@dataclass(frozen=True)
class Unknown(Condition):
    """It can't be told whether it holds."""

    why: str

    def _judge(self, packet: Packet) -> Judged:
        return Judged(perhaps=ALL[packet.version], why=(self.why,))


@dataclass(frozen=True)
class Seldom(Condition):
    """It asks how often, not who: it holds, or not, for a client that comes seldom. What is lost is told."""

    holds: bool
    loss: str

    def _judge(self, packet: Packet) -> Judged:
        return Judged(yes(packet.version).sure if self.holds else NONE, loss=(self.loss,))


@dataclass(frozen=True)
class AllOf(Condition):
    """Every one holds."""

    conditions: tuple[Condition, ...]

    @cached_property
    def _in_order(self) -> list[Condition]:
        """What is quickly seen first."""
        return sorted(self.conditions, key=lambda one: isinstance(one, Address))

    def _judge(self, packet: Packet) -> Judged:
        found = yes(packet.version)
        for one in self._in_order:
            found = found.and_(one.judge(packet))
            if found.nobody:
                return found
        return found


@dataclass(frozen=True)
class AnyOf(Condition):
    """At least one holds; where `negated`, none."""

    conditions: tuple[Condition, ...]
    negated: bool = False
    named: str = ""
    _kept: dict[Packet, Judged] = field(default_factory=dict, compare=False, repr=False)

    def _judge(self, packet: Packet) -> Judged:
        if packet not in self._kept:
            found = any_of([one for each in self.conditions if not (one := each.judge(packet)).nobody])
            self._kept[packet] = found.not_(packet.version) if self.negated else found
        return self._kept[packet]


def addresses_of(conditions: tuple[Condition, ...], side: str) -> list[Address]:
    """All conditions on the address of one side, also inside of others."""
    found: list[Address] = []
    for one in conditions:
        if isinstance(one, Address) and one.side == side:
            found.append(one)
        elif isinstance(one, AllOf | AnyOf):
            found += addresses_of(one.conditions, side)
    return found
