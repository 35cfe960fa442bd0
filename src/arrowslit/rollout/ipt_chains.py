"""Reads our chains and sets out of iptables-save and ipset save: which slot decides, for how long, what else is there.

Terms: a *slot* is a gate with its set in each family. Slot "text" is what a compiled script makes; "a" and "b" are
those of live changes. The *front* is the slot that the first rule of our chain leads to while the pending set says so;
the *body* is what follows it, and leads to the slot that is *settled*.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from arrowslit.mail.address_set import EMPTY, AddressSet
from arrowslit.rollout.edges import read_set, token_of
from arrowslit.rollout.ipt_program import Kernel, Members
from arrowslit.targets.iptables import CHAIN, DOCKER, GATE

PREFIX: Final = "arrowslit-"
PENDING: Final = "arrowslit-pending"
GATES: Final = {"text": GATE, "a": f"{GATE}-A", "b": f"{GATE}-B"}
ENTRIES: Final = {"a": f"{CHAIN}-A", "b": f"{CHAIN}-B"}
SETS: Final = frozenset(
    {PENDING, *(f"{PREFIX}{kind}-{v}" for kind in ("only", "but", "new", "a", "b") for v in (4, 6))}
)
OURS: Final = (CHAIN, *GATES.values(), *ENTRIES.values())
_SLOT_OF: Final = {name: slot for slot, name in GATES.items()}
_RULE: Final = re.compile(r"\[(\d+):\d+\] (-A (\S+)(?: .*)?)")
_SET: Final = re.compile(r"--match-set (\S+) src")


def dispatch(slot: str) -> str:
    """The rule that leads to a slot while its ports are in the pending set: one element for both families."""
    return f"-A {CHAIN} -p tcp -m set --match-set {PENDING} dst -g {ENTRIES[slot]}"


@dataclass(frozen=True, slots=True)
class Slot:
    """The rules of one slot in one family, as iptables-save says them."""

    entry: tuple[str, ...]
    gate: tuple[str, ...]
    set: str
    refused: int


@dataclass(frozen=True, slots=True)
class Family:
    """Our chains in one family. `chains` holds the rules of those that are there; `jumps` counts those of INPUT."""

    chains: Mapping[str, list[str]] = field(default_factory=dict)
    counts: Mapping[str, list[int]] = field(default_factory=dict)
    jumps: int = 0
    docker: bool = False

    @property
    def front(self) -> str | None:
        """The slot that the first rule leads to while something is pending."""
        first = next(iter(self.chains.get(CHAIN, ())), "")
        return next((slot for slot in ENTRIES if first == dispatch(slot)), None) if self.jumps else None

    @property
    def body(self) -> list[str]:
        """The rules of our chain behind that; none where no packet comes there."""
        rules = self.chains.get(CHAIN, []) if self.jumps else []
        return rules[1:] if self.front else rules

    @property
    def settled(self) -> str | None:
        """The slot that they lead to; None where they lead nowhere, or to several places."""
        gates = {rule.split()[-1] for rule in self.body}
        return _SLOT_OF.get(gates.pop()) if len(gates) == 1 else None

    def slot(self, name: str) -> Slot:
        """The rules of a slot, those of its entry said as if they stood in our chain."""
        entry = self.body
        if name != self.settled:
            entry = [rule.replace(f"-A {ENTRIES[name]} ", f"-A {CHAIN} ", 1) for rule in self.chains[ENTRIES[name]]]
        gate = self.chains.get(GATES[name], [])
        found = {one for rule in gate for one in _SET.findall(rule)}
        count = next(iter(reversed(self.counts.get(GATES[name], []))), 0)
        return Slot(tuple(entry), tuple(gate), found.pop() if len(found) == 1 else "", count)


@dataclass(frozen=True, slots=True)
class LiveChains:
    """All of ours. `left` are the seconds that the pending set holds, 0 for good, None where nothing is in it."""

    families: Mapping[int, Family]
    sets: Mapping[str, Members]
    left: float | None
    token: str

    @property
    def there(self) -> bool:
        """Whether there is anything of ours."""
        return any(family.chains for family in self.families.values()) or bool(self.sets)

    def holds(self, family: int) -> str | None:
        """The slot that decides now."""
        found = self.families[family]
        return found.front if found.front and self.left is not None else found.settled

    @property
    def pending(self) -> bool:
        """Whether something waits to be confirmed."""
        return bool(self.left) and any(family.front for family in self.families.values())

    @property
    def unsettled(self) -> bool:
        """The same, or it once did, or it was only half made."""
        return self.pending or (self.left is None and any(family.front for family in self.families.values()))

    @property
    def untidy(self) -> bool:
        """Whether a change that is over has left something behind."""
        kept = {self.holds(family) for family in self.families}
        names = {one.slot(slot).set for family, one in self.families.items() if (slot := self.holds(family))}
        chains = {CHAIN, *(GATES[slot] for slot in kept if slot)} if kept != {None} else set()
        return any(
            family.front or not family.chains.keys() <= chains for family in self.families.values()
        ) or not self.sets.keys() <= {*names, *(name[:-1] + other for name in names if name for other in "46")}

    def listed(self) -> AddressSet:
        """The addresses that the slots list that decide now."""
        slots = [(family, self.holds(family)) for family in self.families]
        return EMPTY.union(*(self.listed_in(family, slot) for family, slot in slots if slot))

    def listed_in(self, family: int, slot: str) -> AddressSet:
        """The addresses that a slot lists."""
        name = self.families[family].slot(slot).set
        return read_set([words[0] for words in self.sets.get(name, [])], f"the set {name}")

    def ports(self) -> Iterator[int]:
        """Those that any rule of ours is about."""
        for family in self.families.values():
            for rules in family.chains.values():
                yield from (int(port) for rule in rules for port in re.findall(r" --dport (\d+) ", rule))


def read_chains(kernel: Kernel) -> LiveChains:
    """All of ours, as it is."""
    families = {family: _family(kernel.saved(family, "filter")) for family in kernel.families}
    sets = kernel.sets(SETS)
    pending = [float(words[words.index("timeout") + 1]) for words in sets.get(PENDING, ())]
    still = {name: sorted(words[0] for words in members) for name, members in sets.items()}
    shown = [(family, one.chains, one.jumps) for family, one in families.items()]
    return LiveChains(families, sets, max(pending, default=None), token_of(shown, still))


def _family(lines: list[str]) -> Family:
    chains: dict[str, list[str]] = {
        name: [] for line in lines if (name := line[1:].split(" ")[0]) in OURS and line[0] == ":"
    }
    counts: dict[str, list[int]] = {name: [] for name in chains}
    jumps = 0
    for line in lines:
        if found := _RULE.fullmatch(line):
            count, rule, chain = found.groups()
            jumps += rule == f"-A INPUT -j {CHAIN}"
            if chain in chains:
                chains[chain].append(rule)
                counts[chain].append(int(count))
    return Family(chains, counts, jumps, docker=any(line.startswith(f":{DOCKER} ") for line in lines))
