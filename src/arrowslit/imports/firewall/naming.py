"""What the rules of one family name: ports, interfaces, servers. Only between these do they make a difference.

Where they name very many, the first are taken, those before others that stand in rules for a port of mail; `cut` says
what was left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Final, TypeVar

from arrowslit.imports.firewall.conditions import Address, addresses_of
from arrowslit.imports.firewall.packet import DESTINATION, LOOPBACK, OTHER, SOURCE
from arrowslit.imports.firewall.rules import (
    DROP,
    FORWARD,
    INGRESS,
    INPUT,
    OUTPUT,
    PREROUTING,
    RETURN,
    TRANSLATE,
    Rule,
    RuleSet,
)
from arrowslit.imports.firewall.spans import ALL, Spans, holds, union

T = TypeVar("T")

_MOST_SERVERS: Final = 40
_MOST_WAYS: Final = 24
_MOST_PORTS: Final = 8
_MOST_RANGES: Final = 200

_NO_SERVER: Final = {
    4: ((0, 2**24 - 1), (127 << 24, (128 << 24) - 1), (224 << 24, 2**32 - 1)),
    6: ((0, 1), (0xFE80 << 112, (0xFEC0 << 112) - 1), (0xFF << 120, 2**128 - 1)),
}


class Naming:
    """Of one family."""

    def __init__(self, rules: RuleSet, version: int) -> None:
        self.rules, self.version = rules, version
        self.cut: set[str] = set()
        self._servers: dict[tuple[bool, int], list[int | None]] = {}
        self._meant: dict[tuple[bool, int], list[Spans]] = {}

    @cached_property
    def interfaces(self) -> list[str]:
        """All that rules name, and one that none does; loopback is there always."""
        found: dict[str, None] = {LOOPBACK: None, OTHER: None}
        for rule in self.rules.rules(self.version):
            found |= dict.fromkeys(rule.interfaces)
        for table in self.rules.tables:
            for chain in table.chains.values():
                found |= dict.fromkeys(chain.devices)
        return self._first(list(found), _MOST_WAYS, "interfaces")

    @cached_property
    def unnamed_port(self) -> int:
        """A port that no rule names."""
        taken = union(*{rule.named_ports for rule in self.rules.rules(self.version)})
        return next((port for port in range(7, 1024) if not holds(taken, port)), 7)

    def distinguishes(self, port: int) -> tuple[bool, ...]:
        """Which of all conditions on a port it meets: two ports that meet the same are let in alike."""
        return tuple(holds(spans, port) for spans in self._port_spans)

    @cached_property
    def _port_spans(self) -> list[Spans]:
        rules = list(self.rules.rules(self.version))
        found = {spans for rule in rules for spans in rule.port_spans}
        return sorted(found | {((to, to),) for rule in rules if (to := rule.verdict.port) is not None})

    @cached_property
    def forwards(self) -> list[Rule]:
        """The rules that see what is on its way to another machine."""
        return list(self._reached(FORWARD))

    def asked(self, port: int) -> list[int]:
        """The port itself, and those that are translated to it."""
        found = {port: None}
        for rule in self.rules.rules(self.version):
            if rule.verdict.kind == TRANSLATE and rule.verdict.port == port:
                for first, last in rule.named_ports:
                    found |= dict.fromkeys(range(first, min(last, first + _MOST_PORTS) + 1))
        return self._first(list(found), _MOST_PORTS, "ports")

    def servers(self, port: int, *, here: bool) -> list[int | None]:
        """One address of each range that rules tell apart, and None for all others."""
        key = here, port
        if key not in self._servers:
            self._servers[key] = list(self._told_apart(port, here=here))
        return self._servers[key]

    def meant(self, server: int | None, port: int, *, here: bool) -> bool:
        """Whether a rule that turns nobody away names the server's address, and the port."""
        key = here, port
        if key not in self._meant:
            naming = (rule for rule in self._of(here=here) if rule.verdict.kind not in {DROP, RETURN})
            said = (one for rule in naming if rule.names(port) for one in addresses_of(rule.conditions, DESTINATION))
            self._meant[key] = list(dict.fromkeys(one.spans for one in said if not one.negated and self._tells(one)))
        return server is not None and any(holds(spans, server) for spans in self._meant[key])

    def _told_apart(self, port: int, *, here: bool) -> Iterator[int | None]:
        concerned = sorted(
            (rule for rule in self._of(here=here) if rule.concerns(port)), key=lambda r: not r.names(port)
        )
        found = [one for rule in concerned for one in addresses_of(rule.conditions, DESTINATION) if self._tells(one)]
        if here:  # in an answer the server is the source
            found += [
                one
                for rule in self._reached(OUTPUT)
                for one in addresses_of(rule.conditions, SOURCE)
                if self._tells(one)
            ]
        told = self._first(list(dict.fromkeys(one.spans for one in found)), _MOST_RANGES, "servers")
        edges = {edge for spans in told for first, last in spans[:_MOST_SERVERS] for edge in (first, last + 1)}
        inside = [edge for edge in sorted(edges) if any(holds(spans, edge) for spans in told)]
        servers = [edge for edge in inside if not holds(_NO_SERVER[self.version], edge)]
        yield None
        yield from self._first(servers, _MOST_SERVERS, "servers")

    def _tells(self, one: Address) -> bool:
        return one.version == self.version and bool(one.spans) and one.spans != ALL[self.version]

    def _of(self, *, here: bool) -> Iterable[Rule]:
        return self._reached(INGRESS, PREROUTING, INPUT) if here else self.forwards

    def _reached(self, *hooks: str) -> Iterator[Rule]:
        for table in self.rules.tables:
            if self.version in table.versions:
                chains = {chain.name: chain for hook in hooks for chain in table.reached(hook)}
                for chain in chains.values():
                    yield from chain.rules

    def _first(self, all_: list[T], most: int, what: str) -> list[T]:
        if len(all_) > most:
            self.cut.add(what)
        return all_[:most]
