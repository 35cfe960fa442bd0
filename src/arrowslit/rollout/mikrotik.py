"""The live enforcement point MikroTik RouterOS, over its REST API: a raw rule that drops strangers before any NAT.

It is the rule that `arrowslit target compile` writes for `mikrotik`, one for each family. Terms: a *slot* is a rule and
its address list. A change fills the list of the slot that is free, adds its rule in front of the other, and only then
disables that: while both hold, who is refused by either is. What is pending goes back by enabling the old rule before
the new one is removed. No rule of anybody else is touched. What was there before is on this machine's disk first.

RouterOS runs everything over the rule at once, connections that are open too, those in fasttrack apart. Tried against a
recorded protocol only: RouterOS can't be had where this is tested.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final

from arrowslit.mail.address_set import EMPTY, AddressSet
from arrowslit.policy.parts import OBSERVE
from arrowslit.rollout.edges import token_of, written
from arrowslit.rollout.kept import Kept, KeptFile
from arrowslit.rollout.mikrotik_api import FAMILIES, MikrotikApi, Rule, flag, in_force, normal
from arrowslit.rollout.point import ChangedMeanwhileError, Difference, HalfMadeError, RolloutError, Seen
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import Place

SLOTS: Final[dict[str, tuple[str, str]]] = {"a": ("arrowslit", ""), "b": ("arrowslit next", "-next")}
"""Slot -> the comment of its rules and the end of its lists' names; the same as in compiled texts."""

_WAN: Final = "WAN"
_INSIDE: Final = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")))
_NO_CONDITION: Final = frozenset({"bytes", "packets", "disabled", "invalid", "dynamic", "log", "log-prefix"})


@dataclass(frozen=True, slots=True)
class _Half:
    """One family: its raw rules in their order, ours by slot, and the lists by slot."""

    raw: list[Rule]
    ours: dict[str, Rule]
    lists: dict[str, list[Rule]]

    @property
    def holding(self) -> tuple[str, ...]:
        """The slots whose rules are asked."""
        return tuple(slot for slot, rule in self.ours.items() if not flag(rule, "disabled"))


@dataclass(frozen=True, slots=True)
class _Router:
    halves: dict[int, _Half]
    token: str

    @property
    def slot(self) -> str | None:
        """The one slot that holds in both families, None where it is not so."""
        found = {half.holding for half in self.halves.values()}
        holding = next(iter(found)) if len(found) == 1 else ()
        return holding[0] if len(holding) == 1 else None

    def listed(self, slot: str) -> AddressSet:
        """What a slot's lists have."""
        return EMPTY.union(*(in_force(half.lists[slot], _list(family, slot)) for family, half in self.halves.items()))


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
        router = self._router()
        slot, wide = router.slot, tuple(self._wide(router))
        return Seen(router.token, slot is not None, EMPTY if slot is None else router.listed(slot), None, wide,
                    _refused(router))  # fmt: skip

    def differs(self, rules: Rules, place: Place) -> Difference:
        """What these rules would change."""
        return self._difference(self._router(), rules, place)

    def apply(self, rules: Rules, place: Place, token: str, seconds: int | None) -> Seen:
        """Put these rules there."""
        router = self._router()
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

    def _router(self) -> _Router:
        halves = {family: self._half(family) for family in FAMILIES}
        seen = [[half.ours, half.lists] for half in halves.values()]
        return _Router(halves, token_of(*(_still(one) for one in seen)))

    def _half(self, family: int) -> _Half:
        raw = self.api.raw(family)
        ours: dict[str, Rule] = {}
        for slot, (comment, _) in SLOTS.items():
            found = [rule for rule in raw if rule.get("comment") == comment]
            if len(found) > 1:
                raise RolloutError(f'there are {len(found)} raw rules with the comment "{comment}": remove all but one')
            if found:
                ours[slot] = found[0]
        return _Half(raw, ours, {slot: self.api.entries(family, _list(family, slot)) for slot in SLOTS})

    def _difference(self, router: _Router, rules: Rules, place: Place) -> Difference:
        slot = router.slot
        if slot is None:
            there = any(half.ours for half in router.halves.values())
            says = "our rules do not hold in both families" if there else "no rule of ours holds"
            return Difference(rules.connect.listed, says=(says,))
        listed = router.listed(slot)
        says_of = tuple(self._oddities(router, slot, rules, place))
        return Difference(rules.connect.listed.subtract(listed), listed.subtract(rules.connect.listed), says_of)

    def _oddities(self, router: _Router, slot: str, rules: Rules, place: Place) -> Iterator[str]:
        for family, half in router.halves.items():
            rule, wanted = half.ours[slot], _rule(rules, place, family, slot)
            given = {key: value for key, value in rule.items() if key not in _NO_CONDITION and key[:1] != "."}
            if given != wanted:
                keys = sorted(key for key in given.keys() | wanted.keys() if given.get(key) != wanted.get(key))
                yield f"the raw rule of IPv{family} has another {', '.join(keys)}"
            yield from _unseen(family, half, rule)

    def _wide(self, router: _Router) -> Iterator[str]:
        for family, half in router.halves.items():
            ours = [half.ours[slot] for slot in half.holding]
            for rule in half.raw:
                if rule in ours:
                    break
                if ours and _accepts(rule, self.ports):
                    yield f"a raw rule above ours accepts before it (IPv{family} firewall, raw, {rule['.id']})"
            for rule in ours:
                yield from _unseen(family, half, rule)
        first = router.halves[4]
        ours = [first.ours[slot] for slot in first.holding]
        for rule in self.api.forwards():
            port = next((port for port in self.ports if _has(rule.get("dst-port", ""), port)), None)
            if port is not None and _open(rule) and not any(_covers(one, rule) for one in ours):
                to = rule.get("to-addresses", "the router")
                yield f"port {port} is also forwarded to {to} (IP firewall, nat, {rule['.id']})"

    # --- changing -----------------------------------------------------------------------------------------------

    def _change(self, router: _Router, rules: Rules, place: Place, old: str | None, new: str) -> None:
        for family, half in router.halves.items():
            if new in half.ours:
                self.api.remove_rule(family, half.ours[new])
            self._fill(family, new, half.lists[new], rules.connect.listed)
        for family, half in router.halves.items():
            first = next((rule[".id"] for rule in half.raw if _movable(rule, half.ours.get(new))), None)
            self.api.add_rule(family, _rule(rules, place, family, new), first)
        # From here on who is refused by either is refused; the old rule goes when the new one was seen to hold.
        self._prove(self._router(), new, rules, place, beside=old)
        if old is not None:
            for family, half in router.halves.items():
                if old in half.ours:
                    self.api.enable(family, half.ours[old], enabled=False)
            self._prove(self._router(), new, rules, place, beside=None)

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
            self.api.add_entry(family, _list(family, slot), text)

    def _prove(self, router: _Router, new: str, rules: Rules, place: Place, beside: str | None) -> None:
        says = list(self._oddities(router, new, rules, place)) if self._all_have(router, new) else ["a rule is missing"]
        if router.listed(new) != rules.connect.listed:
            says.append("other addresses")
        if beside is None and router.slot != new:
            says.append("the rule is not the only one of ours that holds")
        if says:
            raise RolloutError(f"what was read back differs: {'; '.join(says)}")

    def _all_have(self, router: _Router, slot: str) -> bool:
        return all(slot in half.holding for half in router.halves.values())

    def _settle(self) -> None:
        self.kept.write(Kept({"slot": None}, None))
        with suppress(RolloutError):  # a disabled rule that is left over is in nobody's way
            for family, half in self._router().halves.items():
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
        halves = self._router().halves
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
        halves = self._router().halves
        for family, half in halves.items():
            for rule in half.ours.values():
                self.api.remove_rule(family, rule)
        for family, half in halves.items():
            for entry in (entry for entries in half.lists.values() for entry in entries):
                self.api.remove_entry(family, entry)
        self.kept.remove()
        return self.look()


def _turn(router: _Router) -> tuple[str | None, str]:
    """The slot that holds now and the one to fill."""
    holding = {slot for half in router.halves.values() for slot in half.holding}
    if len(holding) > 1:
        raise RolloutError("two of our rules hold at once: undo first")
    old = next(iter(holding), None)
    return old, next(slot for slot in SLOTS if slot != old)


def _list(family: int, slot: str) -> str:
    return f"arrowslit{family}{SLOTS[slot][1]}"


def _rule(rules: Rules, place: Place, family: int, slot: str) -> Rule:
    """A list without entries matches nobody, so its negation matches everybody."""
    name = _list(family, slot)
    rule = {
        "chain": "prerouting",
        "action": "passthrough" if rules.server.mode == OBSERVE else "drop",
        "protocol": "tcp",
        "dst-port": ",".join(map(str, place.ports)),
        "src-address-list": f"!{name}" if rules.connect.only_listed else name,
        "comment": SLOTS[slot][0],
    }
    rule |= {"in-interface": place.interface} if place.interface else {"in-interface-list": _WAN}
    server = next((one for one in place.server if one.version == family), None)
    if server is not None and not any(server in network for network in _INSIDE if network.version == family):
        rule["dst-address"] = str(server)
    elif family == 4:  # before NAT a server inside is reached by the router's own addresses
        rule["dst-address-type"] = "local"
    return rule


def _unseen(family: int, half: _Half, rule: Rule) -> Iterator[str]:
    if flag(rule, "invalid"):
        yield f"the raw rule of IPv{family} is invalid: is its interface there?"
    elif any(flag(one, "disabled") for slot in half.holding if half.ours[slot] is rule for one in half.lists[slot]):
        yield f"an entry of the list of IPv{family} is disabled"


def _still(value: object) -> object:
    """Without what changes by itself."""
    if isinstance(value, dict):
        return {key: _still(one) for key, one in value.items() if key not in {"bytes", "packets"}}
    return [_still(one) for one in value] if isinstance(value, list) else value


def _refused(router: _Router) -> int | None:
    counts = [half.ours[slot].get("packets", "") for half in router.halves.values() for slot in half.holding]
    return sum(map(int, counts)) if counts and all(map(str.isdigit, counts)) else None


def _movable(rule: Rule, gone: Rule | None) -> bool:
    """A rule may only be put in front of one that is no dummy of the router's own."""
    return not flag(rule, "dynamic") and rule is not gone


def _accepts(rule: Rule, ports: tuple[int, ...]) -> bool:
    passes = rule.get("action") == "accept" and rule.get("chain") == "prerouting" and not flag(rule, "disabled")
    tcp = rule.get("protocol", "tcp") in {"tcp", "6", "all"}
    return passes and tcp and _open(rule) and any(_has(rule.get("dst-port", ""), port) for port in ports)


def _open(rule: Rule) -> bool:
    """Whether it looks at nobody's address."""
    named = {"src-address", "src-address-list"} & rule.keys()
    return not flag(rule, "disabled") and not any(not rule[key].startswith("!") for key in named)


def _covers(ours: Rule, forward: Rule) -> bool:
    """Whether packets of a forward come by our rule first."""
    same = all(forward[key] == ours.get(key) for key in ("in-interface", "in-interface-list") if key in forward)
    where = ours.get("dst-address")
    return not flag(ours, "invalid") and same and (where is None or forward.get("dst-address") == where)


def _has(ports: str, port: int) -> bool:
    """Whether a rule's ports ("25,465-587") have one; without any it is for all."""
    pairs = (part.partition("-") for part in ports.split(","))
    return not ports or any(
        first.isdigit() and int(first) <= port <= int(last if last.isdigit() else first) for first, _, last in pairs
    )
