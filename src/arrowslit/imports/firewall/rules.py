"""A rule set as values: tables of chains of rules, and where the kernel calls which chain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, TypeVar

from arrowslit.imports.firewall.conditions import (
    Address,
    AllOf,
    AnyOf,
    Asked,
    Condition,
    Interface,
    Port,
    Seldom,
    addresses_of,
)
from arrowslit.imports.firewall.packet import DESTINATION, SOURCE
from arrowslit.imports.firewall.spans import Spans, holds, size, union
from arrowslit.imports.imported import Origin

C = TypeVar("C", bound=Condition)
_NAMED_BY: Final = 1000

ACCEPT: Final = "accept"
DROP: Final = "drop"
RETURN: Final = "return"
NEXT: Final = "next"
"""The rule does something else, and the next one is looked at."""
JUMP: Final = "jump"
GOTO: Final = "goto"
TRANSLATE: Final = "translate"
UNKNOWN: Final = "unknown"

INGRESS, PREROUTING, INPUT = "ingress", "prerouting", "input"
FORWARD, OUTPUT, POSTROUTING = "forward", "output", "postrouting"
FILTER, NAT = "filter", "nat"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of the packet. `chain` for a jump; `address` and `port` (None: as they are) for a translation.

    `here`: the new destination is this machine itself. `why` says what can't be told of an unknown one.
    """

    kind: str
    chain: str = ""
    address: int | None = None
    port: int | None = None
    here: bool = False
    why: str = ""

    @property
    def ends(self) -> bool:
        """True where no other rule of the chain is looked at."""
        return self.kind in {ACCEPT, DROP, RETURN, GOTO, TRANSLATE}


@dataclass(frozen=True, eq=False)
class Rule:
    """All conditions hold: the verdict. `text` is what stands there; `note` what it says of itself."""

    conditions: tuple[Condition, ...]
    verdict: Verdict
    origin: Origin
    text: str
    note: str = ""

    @cached_property
    def in_order(self) -> tuple[Condition, ...]:
        """What is quickly seen first; what asks how often last, so that it counts only for packets that get there."""
        return tuple(sorted(self.conditions, key=_slow))

    @cached_property
    def of_clients(self) -> bool:
        """True where it looks at the source address."""
        return bool(addresses_of(self.conditions, SOURCE))

    @cached_property
    def named_ports(self) -> Spans:
        """The ports that it speaks of by name: a few, not all below 1024."""
        found = (one for one in _inside(self.conditions, Port) if one.side == DESTINATION and not one.negated)
        return union(*{one.spans for one in found if size(one.spans) <= _NAMED_BY})

    @cached_property
    def port_spans(self) -> frozenset[Spans]:
        """All that it asks of ports."""
        ports = {one.spans for one in _inside(self.conditions, Port)}
        return frozenset(ports | {one.ports for one in _inside(self.conditions, Asked) if one.ports is not None})

    @cached_property
    def interfaces(self) -> frozenset[str]:
        """The interfaces that it names."""
        return frozenset(name for one in _inside(self.conditions, Interface) for name in one.names)

    def names(self, port: int) -> bool:
        """Whether it speaks of that port by name."""
        return holds(self.named_ports, port)

    def concerns(self, port: int) -> bool:
        """False where it is surely not for that port."""
        return all(holds(one.spans, port) != one.negated for one in self.ports)

    @cached_property
    def ports(self) -> tuple[Port, ...]:
        """Its conditions on the port that is asked for."""
        return tuple(one for one in self.conditions if isinstance(one, Port) and one.side == DESTINATION)


def _slow(one: Condition) -> int:
    return 2 if isinstance(one, Seldom) else 1 if isinstance(one, Address | AllOf | AnyOf) else 0


def _inside(conditions: Iterable[Condition], kind: type[C]) -> Iterator[C]:
    """All conditions of a kind, also within others."""
    for one in conditions:
        if isinstance(one, kind):
            yield one
        elif isinstance(one, AllOf | AnyOf):
            yield from _inside(one.conditions, kind)


@dataclass(slots=True)
class Chain:
    """`hook` is "" for a chain that is only jumped to. `policy` holds where no rule ends it."""

    name: str
    origin: Origin
    rules: list[Rule] = field(default_factory=list)
    hook: str = ""
    priority: int = 0
    kind: str = FILTER
    policy: str = ACCEPT
    devices: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class Table:
    """`versions` are the families of addresses whose packets it sees."""

    name: str
    versions: frozenset[int]
    chains: dict[str, Chain] = field(default_factory=dict)

    def reached(self, hook: str) -> Iterator[Chain]:
        """The chains that a packet can come to from a hook."""
        waiting = [one.name for one in self.chains.values() if one.hook == hook]
        seen: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name in seen or name not in self.chains:
                continue
            seen.add(name)
            yield self.chains[name]
            waiting += [rule.verdict.chain for rule in self.chains[name].rules if rule.verdict.chain]


@dataclass(slots=True)
class RuleSet:
    """All tables. `versions` are the families that the files tell of; of another family nothing is known."""

    tables: list[Table] = field(default_factory=list)
    versions: set[int] = field(default_factory=set)

    def bases(self, hook: str, version: int) -> list[tuple[Table, Chain]]:
        """What the kernel calls at a hook, in its order."""
        found = [
            (table, chain)
            for table in self.tables
            if version in table.versions
            for chain in table.chains.values()
            if chain.hook == hook
        ]
        return sorted(found, key=lambda one: one[1].priority)

    def rules(self, version: int) -> Iterator[Rule]:
        """Every rule of a family."""
        for table in self.tables:
            if version in table.versions:
                for chain in table.chains.values():
                    yield from chain.rules
