"""The live enforcement point OPNsense, over its API: our list as the source of the administrator's own rules.

The rules are those with the description that the settings give (`rule`): the forward of the mail port and the filter
rules for it. Only their source is changed, never another part and never another rule. Terms: a *slot* is one of our two
aliases; a change fills the one that no rule uses, waits until pf has it, and then changes the source of all the rules
in one load of pf. What was there before lies on this machine's disk first (`rollout.kept`), as OPNsense keeps no time
for anybody (its savepoints are gone since 26.7). Connections of clients that are not permitted any more are ended.

Tried against a recorded protocol only: there is no OPNsense to be had where this is tested.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from arrowslit.mail.address_set import AddressSet
from arrowslit.policy.parts import OBSERVE
from arrowslit.rollout.edges import edges, written
from arrowslit.rollout.kept import Kept, KeptFile
from arrowslit.rollout.opnsense_api import Alias, FirewallRule, OpnsenseApi, Source
from arrowslit.rollout.opnsense_place import (
    SLOTS,
    Firewall,
    address_of,
    half_done,
    oddities,
    read_firewall,
    servers,
    wide_rules,
)
from arrowslit.rollout.point import ChangedMeanwhileError, Difference, HalfMadeError, RolloutError, Seen
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import Place

_PROBES: Final = 16
_TRIES: Final = 5


@dataclass(slots=True)
class OpnsensePoint:
    """`rule` is the description of the administrator's rules, `interface` where strangers come in, if that is known."""

    api: OpnsenseApi
    kept: KeptFile
    rule: str
    ports: tuple[int, ...] = (25,)
    interface: str = ""
    keeps_time: bool = False
    forgets: bool = False
    wait: Callable[[float], None] = field(default=time.sleep)

    def look(self) -> Seen:
        """What is there now."""
        return self._seen(read_firewall(self.api, self.rule))

    def differs(self, rules: Rules, place: Place) -> Difference:  # noqa: ARG002  its rules are the administrator's
        """What these rules would change."""
        return self._difference(read_firewall(self.api, self.rule), rules)

    def apply(self, rules: Rules, place: Place, token: str, seconds: int | None) -> Seen:
        """Put these rules there; who may not connect any more is cut off."""
        firewall = self._ready(rules, token)
        kept = self.kept.read()
        if kept.before is not None:
            raise RolloutError("a change that nobody confirmed is still there: undo it first")
        before = {"sources": {one.uuid: asdict(one.source) for one in firewall.ours}}
        original = self._original(kept, before)
        self.kept.write(Kept(original, before))
        try:
            self._change(firewall, rules, place)
        except RolloutError as error:
            self._undone(error)
        if seconds is None:
            self._settle(original)
        return self.look()

    def load(self, text: str) -> None:  # noqa: ARG002
        """OPNsense forgets nothing."""
        raise RolloutError("OPNsense keeps its rules: there is nothing to load again")

    def confirm(self) -> Seen:
        """Let what is pending hold for good."""
        kept = self.kept.read()
        if kept.before is None or kept.original is None:
            raise RolloutError("nothing is pending")
        self._settle(kept.original)
        return self.look()

    def take_back(self) -> Seen:
        """Go back to the sources before what is pending; where nothing is, leave all as it is."""
        kept = self.kept.read()
        if kept.before is not None:
            self._restore(kept.before["sources"])
            if any(one["network"] in SLOTS for one in kept.before["sources"].values()):
                self.kept.write(Kept(kept.original, None))
            else:
                self._clear()
        return self.look()

    def undo(self) -> Seen:
        """Go back to the sources before what is pending; where nothing is, to those before any of ours."""
        kept = self.kept.read()
        if kept.before is not None:
            return self.take_back()
        if kept.original is not None:
            self._restore(kept.original["sources"])
            self._clear()
        elif any(one.source.network in SLOTS for one in read_firewall(self.api, self.rule).ours):
            raise RolloutError(f"{self.kept.path} is gone, so nobody knows what was there before: change it there")
        return self.look()

    # --- seeing -------------------------------------------------------------------------------------------------

    def _seen(self, firewall: Firewall) -> Seen:
        wide = (*half_done(firewall), *wide_rules(firewall, self.ports, self.interface))
        return Seen(firewall.token, firewall.slot is not None, firewall.table, None, wide)

    def _difference(self, firewall: Firewall, rules: Rules) -> Difference:
        listed = rules.connect.listed
        if firewall.slot is None:
            half = next(iter(half_done(firewall)), "no rule of ours holds")
            return Difference(listed, says=(half if firewall.ours else self._none(),))
        says = list(oddities(firewall, firewall.slot, rules))
        if listed == firewall.table:
            says += self._probed(firewall.slot, listed, 4)
        return Difference(listed.subtract(firewall.table), firewall.table.subtract(listed), tuple(says))

    def _probed(self, slot: str, listed: AddressSet, most: int) -> Iterator[str]:
        for address, there in edges(listed, most):
            if (slot in self.api.tables_with(str(address))) is not there:
                yield f"pf does not {'find' if there else 'miss'} {address} in the table {slot}"

    def _none(self) -> str:
        if not self.rule:
            return "the enforcement point has no rule: say with it which of your rules are meant"
        return f'there is no rule that is enabled and described as "{self.rule}"'

    # --- changing -----------------------------------------------------------------------------------------------

    def _ready(self, rules: Rules, token: str) -> Firewall:
        if rules.server.mode == OBSERVE:
            raise RolloutError('OPNsense can\'t only count: mode is "observe"')
        firewall = read_firewall(self.api, self.rule)
        if firewall.token != token:
            raise ChangedMeanwhileError("the rules or the aliases were changed since they were looked at")
        if not firewall.ours:
            raise RolloutError(self._none())
        for server in servers(firewall.ours, ()):
            list(self.api.states(server))  # who may not see them should learn it before anything is changed
        return firewall

    def _original(self, kept: Kept, now: dict[str, Any]) -> dict[str, Any]:
        """The sources before any of ours; also of rules that got their description later."""
        known = {} if kept.original is None else kept.original["sources"]
        new = {uuid: source for uuid, source in now["sources"].items() if source["network"] not in SLOTS}
        return {"sources": {**new, **known}}

    def _change(self, firewall: Firewall, rules: Rules, place: Place) -> None:
        used = {one.source.network for one in firewall.ours}
        free = next((slot for slot in SLOTS if slot not in used), None)
        if free is None:
            raise RolloutError("both of our aliases are in use: undo first")
        self._fill(free, firewall.aliases.get(free), rules.connect.listed)
        source = Source(free, inverted=not rules.connect.only_listed)
        for one in firewall.ours:
            self.api.set_source(one, source)
        self.api.reload()
        self._prove(free, rules)
        self._cut(firewall.ours, rules, place)

    def _fill(self, slot: str, alias: Alias | None, listed: AddressSet) -> None:
        """Fill the alias that no rule uses, and wait until pf has it."""
        self.api.put_alias(slot, written(listed), None if alias is None else alias.uuid)
        for number in range(_TRIES):
            self.api.reconfigure()
            if self.api.table(slot) == listed:
                return
            self.wait(float(number))
        raise RolloutError(f"pf does not have the addresses of the alias {slot} after it was told to load them")

    def _prove(self, slot: str, rules: Rules) -> None:
        firewall = read_firewall(self.api, self.rule)
        difference = self._difference(firewall, rules)
        if firewall.slot != slot or difference:
            raise RolloutError(f"what was read back differs: {'; '.join(difference.says) or 'other addresses'}")
        for says in self._probed(slot, rules.connect.listed, _PROBES):
            raise RolloutError(says)

    def _cut(self, ours: tuple[FirewallRule, ...], rules: Rules, place: Place) -> None:
        """End the connections of whoever may not connect any more; pf asks no rule about those that are open."""
        forwarded = any(one.forwards for one in ours)
        ports = {one.local_port for one in ours} | {str(port) for port in place.ports}
        for server in servers(ours, place.server):
            for state in self.api.states(server):
                behind = state.translated or not forwarded or ":" in server
                if state.protocol == "tcp" and state.port in ports and behind:
                    client = address_of(state.source)
                    if client is not None and client not in rules.connect.permitted:
                        self.api.end_state(state)

    def _settle(self, original: dict[str, Any]) -> None:
        self.kept.write(Kept(original, None))
        with suppress(RolloutError):  # what is left over is in nobody's way
            self._tidy(read_firewall(self.api, self.rule))

    def _tidy(self, firewall: Firewall) -> None:
        """Remove those of our aliases that no rule uses."""
        used = {one.source.network for one in (*firewall.ours, *firewall.others)}
        unused = [alias for name, alias in firewall.aliases.items() if name in SLOTS and name not in used]
        for alias in unused:
            self.api.delete_alias(alias.uuid)
        if unused:
            self.api.reconfigure()

    # --- going back ---------------------------------------------------------------------------------------------

    def _undone(self, error: RolloutError) -> None:
        try:
            self.take_back()
        except RolloutError as another:
            raise HalfMadeError(f"{error}; it could not be undone yet: {another}") from error
        raise RolloutError(f"{error}; it was undone at once") from error

    def _restore(self, sources: dict[str, Any]) -> None:
        """The sources that rules had, where they still have one of ours; a rule that is gone stays gone."""
        for one in self.api.rules():
            saved = sources.get(one.uuid)
            if saved is not None and one.source.network in SLOTS and asdict(one.source) != saved:
                self.api.set_source(one, Source(saved["network"], saved["inverted"]))
        self.api.reload()

    def _clear(self) -> None:
        """Nothing of ours is in force: remove what is left."""
        self._tidy(read_firewall(self.api, self.rule))
        self.kept.remove()
