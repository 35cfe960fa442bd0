"""The live enforcement point iptables, with ipset: our chain before all others of INPUT, in this machine's kernel.

While a change is not confirmed the kernel itself holds the timer: the old and the new rules are both in our chain, and
the port in a set with a timeout decides which of them a packet goes through. That one element is of no family, so that
IPv4 and IPv6, which are two transactions, go over and back in the same instant; to confirm is to give it no end. What
is left is tidied up afterwards, and may be left for the next change. After each change everything is read back, and the
kernel asked about addresses on both sides of edges. What does not come out as it should is undone at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from arrowslit.mail.address_set import EMPTY, AddressSet
from arrowslit.rollout.edges import edges
from arrowslit.rollout.ipt_chains import ENTRIES, GATES, PENDING, PREFIX, LiveChains, dispatch, read_chains
from arrowslit.rollout.ipt_program import Kernel
from arrowslit.rollout.ipt_wide import accepted_before_ours, wide_rules
from arrowslit.rollout.point import ChangedMeanwhileError, Difference, RolloutError, Seen
from arrowslit.targets.iptables import CHAIN, DOCKER, entry, filled, gate
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import Place

_PROBES: Final = 40
_SETTLING: Final = 60
"""Seconds that rules for good hold before they were read back: who dies meanwhile undoes them."""

_CALLED: Final = {4: "IPv4", 6: "IPv6"}


@dataclass(slots=True)
class IptablesPoint:
    """`ports` are those that wide rules are looked for."""

    kernel: Kernel = field(default_factory=Kernel)
    keeps_time: bool = True
    forgets: bool = True
    ports: tuple[int, ...] = (25,)

    def look(self) -> Seen:
        """What is there now."""
        chains = read_chains(self.kernel)
        wide = (*wide_rules(self._tables(), self.ports), *self._oddities(chains))
        slots = [(one, slot) for number, one in chains.families.items() if (slot := chains.holds(number))]
        if not slots:
            return Seen(chains.token, wide=wide)
        refused = sum(one.slot(slot).refused for one, slot in slots)
        return Seen(chains.token, True, chains.listed(), chains.left if chains.pending else None, wide, refused)

    def differs(self, rules: Rules, place: Place) -> Difference:
        """What these rules would change in what holds now."""
        return self._difference(read_chains(self.kernel), rules, place)

    def apply(self, rules: Rules, place: Place, token: str, seconds: int | None) -> Seen:
        """Put these rules there, for some seconds or for good."""
        chains = self._ready(token)
        used = {chains.holds(family) for family in chains.families}
        new = next((slot for slot in ENTRIES if slot not in used), "")
        if not new:
            raise RolloutError("IPv4 and IPv6 are at rules of different changes: undo first")
        try:
            self._lay(chains, rules, place, new)
            # Here it begins to hold, for both families at once.
            self.kernel.fill(_armed({*place.ports, *chains.ports()}, seconds or _SETTLING))
            self._prove(new, rules, place)
        except RolloutError as error:
            self._back()
            raise RolloutError(f"{error}; it was undone at once") from error
        return self.confirm() if seconds is None else self.look()

    def load(self, text: str) -> None:
        """Run a whole script again, as it was confirmed once."""
        self.kernel.script(text)

    def confirm(self) -> Seen:
        """Let what is pending hold for good."""
        chains = read_chains(self.kernel)
        if not chains.pending or len({chains.holds(family) for family in chains.families}) != 1:
            raise RolloutError("nothing is pending: the time may be over, and the rules before hold again")
        self.kernel.fill(_armed({int(words[0]) for words in chains.sets[PENDING]}, 0))
        with suppress(RolloutError):  # it holds; what is left behind is in nobody's way, and goes with the next change
            self._tidy(read_chains(self.kernel))
        return self.look()

    def undo(self) -> Seen:
        """Go back to the rules before what is pending or was; where nothing was pending, remove ours."""
        chains = read_chains(self.kernel)
        if chains.unsettled:
            self._back()
        else:
            self._remove(chains)
        return self.look()

    # --- inside -------------------------------------------------------------------------------------------------

    def _tables(self) -> Iterator[tuple[int, str, list[str]]]:
        for family in self.kernel.families:
            for table in ("nat", "filter"):
                yield family, table, self.kernel.saved(family, table)

    def _ready(self, token: str) -> LiveChains:
        """What is there, with nothing left over of changes before. Raises RolloutError where nothing may be changed."""
        chains = read_chains(self.kernel)
        if chains.token != token:
            raise ChangedMeanwhileError(f"the chains {CHAIN} or their sets were changed since they were looked at")
        if chains.pending:
            raise RolloutError("a change is pending: confirm or undo it first")
        if any(one.docker for one in chains.families.values()):
            raise RolloutError(f"the chain {DOCKER} is there, of the target iptables-docker: run its script with undo")
        for odd in self._before():
            raise RolloutError(odd)
        if chains.untidy:
            self._tidy(chains)
            chains = read_chains(self.kernel)
        return chains

    def _lay(self, chains: LiveChains, rules: Rules, place: Place, new: str) -> None:
        """Everything of the new slot, beside what holds; no packet comes there yet."""
        ports = {*place.ports, *chains.ports()}
        text = "".join("".join(filled(rules, _set(new, version), version)) for version in (4, 6))
        self.kernel.fill(f"{text}create {PENDING} bitmap:port range {min(ports)}-{max(ports)} timeout 0\n")
        for family, one in chains.families.items():
            chain = [f":{GATES[new]} - [0:0]", f":{ENTRIES[new]} - [0:0]"]
            # A chain that no packet comes to may hold anything: it must not begin to count now.
            chain += [] if one.settled else [f":{CHAIN} - [0:0]"]
            chain += gate(rules, GATES[new], _set(new, family))
            chain += entry(place, ENTRIES[new], GATES[new])
            chain += [dispatch(new).replace("-A ", "-I ", 1)]
            chain += [] if one.jumps else [f"-I INPUT 1 -j {CHAIN}"]
            self.kernel.restore(family, chain)

    def _back(self) -> None:
        """To what is settled, whatever was half made; where nothing is, to nothing."""
        chains = read_chains(self.kernel)
        if chains.unsettled and PENDING in chains.sets:
            self.kernel.fill(f"flush {PENDING}\n")  # both families at once
            chains = read_chains(self.kernel)
        self._tidy(chains)

    def _remove(self, chains: LiveChains) -> None:
        for family, one in chains.families.items():
            self._keep(family, one.jumps, list(one.chains), ())
        self.kernel.destroy(list(chains.sets))

    def _tidy(self, chains: LiveChains) -> None:
        """Leave only the slot that decides, and no trace of a change."""
        kept = set()
        for family, one in chains.families.items():
            name = chains.holds(family)
            if name is None:
                self._keep(family, one.jumps, list(one.chains), ())
                continue
            slot = one.slot(name)
            kept |= {slot.set, *(f"{slot.set[:-1]}{version}" for version in (4, 6))}
            gone = [chain for chain in one.chains if chain not in {CHAIN, GATES[name]}]
            self._keep(family, 0, gone, slot.entry)
        self.kernel.destroy([name for name in chains.sets if name not in kept])

    def _keep(self, family: int, jumps: int, gone: list[str], rules: tuple[str, ...]) -> None:
        """In one transaction: our chain with these rules, without so many jumps to it and without these chains."""
        lines = [f"-D INPUT -j {CHAIN}"] * jumps
        if rules:
            lines += [f":{CHAIN} - [0:0]", *rules]
        lines += [f"-F {name}" for name in gone] + [f"-X {name}" for name in gone]
        if lines:
            self.kernel.restore(family, lines)

    def _before(self) -> Iterator[str]:
        """Rules of others that take strangers in before they come to ours."""
        for family in self.kernel.families:
            where = accepted_before_ours(family, self.kernel.saved(family, "filter"), self.ports)
            if where:
                yield f"strangers are accepted before they come to the chain {CHAIN} ({where}): put its jump first"

    def _oddities(self, chains: LiveChains) -> Iterator[str]:
        yield from self._before()
        for family, one in chains.families.items():
            if one.chains and not one.jumps:
                yield f"{_CALLED[family]}: no packet comes to the chain {CHAIN}: INPUT has no jump to it"

    def _prove(self, slot: str, rules: Rules, place: Place) -> None:
        """Read back and ask the kernel. Raises RolloutError."""
        chains = read_chains(self.kernel)
        if any(chains.holds(family) != slot for family in chains.families):
            raise RolloutError("the rules are not in force after they were loaded")
        difference = self._difference(chains, rules, place)
        if difference:
            raise RolloutError(f"what was read back differs: {'; '.join(difference.says) or 'other addresses'}")
        for address, listed in edges(rules.connect.listed, _PROBES):
            if self.kernel.has(_set(slot, address.version), str(address)) is not listed:
                raise RolloutError(f"the kernel does not {'find' if listed else 'miss'} {address} in the set")

    def _difference(self, chains: LiveChains, rules: Rules, place: Place) -> Difference:
        says = list(self._oddities(chains))
        listed = EMPTY
        for family, one in chains.families.items():
            name = chains.holds(family)
            if name is None:
                says.append(
                    f"{_CALLED[family]}: {'no rule of ours holds' if chains.there else 'nothing of ours is there'}"
                )
                continue
            slot = one.slot(name)
            listed = listed.union(chains.listed_in(family, name))
            if slot.gate != tuple(gate(rules, GATES[name], slot.set)):
                says.append(f"{_CALLED[family]}: the gate's rules are others")
            if slot.entry != tuple(entry(place, CHAIN, GATES[name])):
                says.append(f"{_CALLED[family]}: the ports or the interface are others")
        wanted = _of(rules.connect.listed, chains.families.keys() == {4})
        return Difference(wanted.subtract(listed), listed.subtract(wanted), tuple(dict.fromkeys(says)))


def _set(slot: str, version: int) -> str:
    return f"{PREFIX}{slot}-{version}"


def _armed(ports: set[int], seconds: int) -> str:
    return "".join(f"add {PENDING} {port} timeout {seconds} -exist\n" for port in sorted(ports))


def _of(addresses: AddressSet, only_ipv4: bool) -> AddressSet:
    return AddressSet.from_pairs(addresses.pairs()[0], []) if only_ipv4 else addresses
