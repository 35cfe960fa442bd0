"""The live enforcement point MikroTik RouterOS, over its REST API: a raw rule that drops strangers before any NAT.

It is the rule that `arrowslit target compile` writes for `mikrotik`, one for each family. Terms: a *slot* is a rule and
its address list. A change fills the list of the slot that is free, adds its rule in front of the other, and only then
disables that: while both hold, who is refused by either is. What is pending goes back by enabling the old rule before
the new one is removed. No rule of anybody else is touched. What was there before is on this machine's disk first.

RouterOS runs everything over the rule at once, connections that are open too, those in fasttrack apart. Tried against a
recorded protocol only: RouterOS can't be had where this is tested.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from arrowslit.mail.address_set import EMPTY, AddressSet
from arrowslit.rollout.edges import written
from arrowslit.rollout.kept import Kept, KeptFile
from arrowslit.rollout.mikrotik_api import MikrotikApi, Rule, flag, normal
from arrowslit.rollout.mikrotik_place import (
    SLOTS,
    Router,
    list_of,
    movable,
    oddities,
    read_router,
    refused,
    rule_of,
    wide_rules,
)
from arrowslit.rollout.point import ChangedMeanwhileError, Difference, HalfMadeError, RolloutError, Seen
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import Place


@dataclass(slots=True)
class MikrotikPoint:
    """`ports` are those that wide rules are looked for."""

    api: MikrotikApi
    kept: KeptFile
    ports: tuple[int, ...] = (25,)
    keeps_time: bool = False
    forgets: bool = False

    def look(self) -> Seen:
        """What is there now."""
        router = read_router(self.api)
        slot, wide = router.slot, tuple(wide_rules(router, self.api.forwards(), self.ports))
        return Seen(router.token, slot is not None, EMPTY if slot is None else router.listed(slot), None, wide,
                    refused(router))  # fmt: skip

    def differs(self, rules: Rules, place: Place) -> Difference:
        """What these rules would change."""
        return self._difference(read_router(self.api), rules, place)

    def apply(self, rules: Rules, place: Place, token: str, seconds: int | None) -> Seen:
        """Put these rules there."""
        router = read_router(self.api)
        if router.token != token:
            raise ChangedMeanwhileError("our rules or lists were changed since they were looked at")
        if self.kept.read().before is not None:
            raise RolloutError("a change that nobody confirmed is still there: undo it first")
        old, new = _turn(router)
        self.kept.write(Kept({"slot": None}, {"slot": old}))
        try:
            self._change(router, rules, place, old, new)
        except RolloutError as error:
            self._undone(error)
        if seconds is None:
            self._settle()
        return self.look()

    def load(self, text: str) -> None:  # noqa: ARG002
        """RouterOS forgets nothing."""
        raise RolloutError("RouterOS keeps its rules: there is nothing to load again")

    def confirm(self) -> Seen:
        """Let what is pending hold for good."""
        if self.kept.read().before is None:
            raise RolloutError("nothing is pending")
        self._settle()
        return self.look()

    def take_back(self) -> Seen:
        """Go back to the rules before what is pending; where nothing is, leave all as it is."""
        kept = self.kept.read()
        if kept.before is None:
            return self.look()
        old = kept.before["slot"]
        if old is None:
            return self._removed()
        self._restore(old)
        self.kept.write(Kept(kept.original, None))
        return self.look()

    def undo(self) -> Seen:
        """Go back to the rules before what is pending; where nothing is, remove ours."""
        return self.take_back() if self.kept.read().before is not None else self._removed()

    # --- seeing -------------------------------------------------------------------------------------------------

    def _difference(self, router: Router, rules: Rules, place: Place) -> Difference:
        slot = router.slot
        if slot is None:
            there = any(half.ours for half in router.halves.values())
            says = "our rules do not hold in both families" if there else "no rule of ours holds"
            return Difference(rules.connect.listed, says=(says,))
        listed = router.listed(slot)
        says_of = tuple(oddities(router, slot, rules, place))
        return Difference(rules.connect.listed.subtract(listed), listed.subtract(rules.connect.listed), says_of)

    # --- changing -----------------------------------------------------------------------------------------------

    def _change(self, router: Router, rules: Rules, place: Place, old: str | None, new: str) -> None:
        for family, half in router.halves.items():
            if new in half.ours:
                self.api.remove_rule(family, half.ours[new])
            self._fill(family, new, half.lists[new], rules.connect.listed)
        for family, half in router.halves.items():
            first = next((rule[".id"] for rule in half.raw if movable(rule, half.ours.get(new))), None)
            self.api.add_rule(family, rule_of(rules, place, family, new), first)
        # From here on who is refused by either is refused; the old rule goes when the new one was seen to hold.
        self._prove(read_router(self.api), new, rules, place, beside=old)
        if old is not None:
            for family, half in router.halves.items():
                if old in half.ours:
                    self.api.enable(family, half.ours[old], enabled=False)
            self._prove(read_router(self.api), new, rules, place, beside=None)

    def _fill(self, family: int, slot: str, entries: list[Rule], listed: AddressSet) -> None:
        wanted = {text for text in written(listed) if (":" in text) is (family == 6)}
        there: set[str] = set()
        for entry in entries:
            text = normal(entry["address"])
            if text not in wanted or text in there or flag(entry, "disabled"):
                self.api.remove_entry(family, entry)
            else:
                there.add(text)
        for text in sorted(wanted - there):
            self.api.add_entry(family, list_of(family, slot), text)

    def _prove(self, router: Router, new: str, rules: Rules, place: Place, beside: str | None) -> None:
        says = list(oddities(router, new, rules, place)) if self._all_have(router, new) else ["a rule is missing"]
        if router.listed(new) != rules.connect.listed:
            says.append("other addresses")
        if beside is None and router.slot != new:
            says.append("the rule is not the only one of ours that holds")
        if says:
            raise RolloutError(f"what was read back differs: {'; '.join(says)}")

    def _all_have(self, router: Router, slot: str) -> bool:
        return all(slot in half.holding for half in router.halves.values())

    def _settle(self) -> None:
        self.kept.write(Kept({"slot": None}, None))
        with suppress(RolloutError):  # a disabled rule that is left over is in nobody's way
            for family, half in read_router(self.api).halves.items():
                for rule in half.ours.values():
                    if flag(rule, "disabled"):
                        self.api.remove_rule(family, rule)

    # --- going back ---------------------------------------------------------------------------------------------

    def _undone(self, error: RolloutError) -> None:
        try:
            self.take_back()
        except RolloutError as another:
            raise HalfMadeError(f"{error}; it could not be undone yet: {another}") from error
        raise RolloutError(f"{error}; it was undone at once") from error

    def _restore(self, old: str) -> None:
        """The old rules hold before the new ones are removed."""
        halves = read_router(self.api).halves
        if not all(old in half.ours for half in halves.values()):
            raise RolloutError("the rules before are gone: ours stay, as without them everybody would be let in")
        for family, half in halves.items():
            if flag(half.ours[old], "disabled"):
                self.api.enable(family, half.ours[old], enabled=True)
        for family, half in halves.items():
            for slot, rule in half.ours.items():
                if slot != old:
                    self.api.remove_rule(family, rule)

    def _removed(self) -> Seen:
        halves = read_router(self.api).halves
        for family, half in halves.items():
            for rule in half.ours.values():
                self.api.remove_rule(family, rule)
        for family, half in halves.items():
            for entry in (entry for entries in half.lists.values() for entry in entries):
                self.api.remove_entry(family, entry)
        self.kept.remove()
        return self.look()


def _turn(router: Router) -> tuple[str | None, str]:
    """The slot that holds now and the one to fill."""
    holding = {slot for half in router.halves.values() for slot in half.holding}
    if len(holding) > 1:
        raise RolloutError("two of our rules hold at once: undo first")
    old = next(iter(holding), None)
    return old, next(slot for slot in SLOTS if slot != old)
