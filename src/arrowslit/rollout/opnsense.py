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

from arrowslit.mail.address import IPAddress, parse_address
from arrowslit.mail.address_set import EMPTY, AddressSet
from arrowslit.policy.parts import OBSERVE
from arrowslit.rollout.edges import edges, read_set, token_of, written
from arrowslit.rollout.kept import Kept, KeptFile
from arrowslit.rollout.opnsense_api import Alias, FirewallRule, OpnsenseApi, Source
from arrowslit.rollout.point import ChangedMeanwhileError, Difference, HalfMadeError, RolloutError, Seen
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import Place

SLOTS: Final[tuple[str, ...]] = ("arrowslit_a", "arrowslit_b")
_PREFIX: Final = "arrowslit_"
_PROBES: Final = 16
_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class _Firewall:
    """What is there. `slot` is the alias that every rule of ours has as its source, None where they do not agree."""

    ours: tuple[FirewallRule, ...]
    others: tuple[FirewallRule, ...]
    aliases: dict[str, Alias]
    slot: str | None
    table: AddressSet
    token: str


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
        return self._seen(self._firewall())

    def differs(self, rules: Rules, place: Place) -> Difference:  # noqa: ARG002  its rules are the administrator's
        """What these rules would change."""
        return self._difference(self._firewall(), rules)

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
        elif any(one.source.network in SLOTS for one in self._firewall().ours):
            raise RolloutError(f"{self.kept.path} is gone, so nobody knows what was there before: change it there")
        return self.look()

    # --- seeing -------------------------------------------------------------------------------------------------

    def _firewall(self) -> _Firewall:
        rules = self.api.rules()
        ours = tuple(one for one in rules if self.rule and one.named == self.rule and one.enabled)
        aliases = self.api.aliases(_PREFIX)
        sources = {one.source for one in ours}
        slots = [one.network for one in sources if one.network in SLOTS]
        slot = slots[0] if len(sources) == 1 and slots and slots[0] in aliases else None
        tables = {name: self.api.table(name) for name in SLOTS if name in aliases}
        token = token_of(
            [asdict(one) for one in ours],
            {name: [asdict(alias), written(tables.get(name, EMPTY))] for name, alias in aliases.items()},
        )
        others = tuple(one for one in rules if one not in ours)
        return _Firewall(ours, others, aliases, slot, tables.get(slot or "", EMPTY), token)

    def _seen(self, firewall: _Firewall) -> Seen:
        wide = (*_half(firewall), *self._wide(firewall))
        return Seen(firewall.token, firewall.slot is not None, firewall.table, None, wide)

    def _wide(self, firewall: _Firewall) -> Iterator[str]:
        for one in firewall.others:
            port = next((port for port in self.ports if _has(one.port, port)), None)
            tcp = one.protocol in {"tcp", "tcp/udp", "any", ""}
            here = not (self.interface and one.interface) or self.interface in one.interface.split(",")
            if one.enabled and one.passes and one.source.anybody and tcp and here and port is not None:
                does = f"also forwarded to {one.to}" if one.forwards else "also let in from anywhere"
                yield f"port {port} is {does} ({one.place})"

    def _difference(self, firewall: _Firewall, rules: Rules) -> Difference:
        listed = rules.connect.listed
        if firewall.slot is None:
            half = next(iter(_half(firewall)), "no rule of ours holds")
            return Difference(listed, says=(half if firewall.ours else self._none(),))
        says = list(self._oddities(firewall, firewall.slot, rules))
        if listed == firewall.table:
            says += self._probed(firewall.slot, listed, 4)
        return Difference(listed.subtract(firewall.table), firewall.table.subtract(listed), tuple(says))

    def _oddities(self, firewall: _Firewall, slot: str, rules: Rules) -> Iterator[str]:
        alias = firewall.aliases[slot]
        if any(one.source.inverted is rules.connect.only_listed for one in firewall.ours):
            yield "the rules let in the others"
        if alias.type != "network" or not alias.enabled:
            yield f"the alias {slot} is not as it was made"
        elif read_set(list(alias.content), f"the alias {slot}") != firewall.table:
            yield f"the alias {slot} has other addresses than its table: it was not applied"

    def _probed(self, slot: str, listed: AddressSet, most: int) -> Iterator[str]:
        for address, there in edges(listed, most):
            if (slot in self.api.tables_with(str(address))) is not there:
                yield f"pf does not {'find' if there else 'miss'} {address} in the table {slot}"

    def _none(self) -> str:
        if not self.rule:
            return "the enforcement point has no rule: say with it which of your rules are meant"
        return f'there is no rule that is enabled and described as "{self.rule}"'

    # --- changing -----------------------------------------------------------------------------------------------

    def _ready(self, rules: Rules, token: str) -> _Firewall:
        if rules.server.mode == OBSERVE:
            raise RolloutError('OPNsense can\'t only count: mode is "observe"')
        firewall = self._firewall()
        if firewall.token != token:
            raise ChangedMeanwhileError("the rules or the aliases were changed since they were looked at")
        if not firewall.ours:
            raise RolloutError(self._none())
        for server in _servers(firewall.ours, ()):
            list(self.api.states(server))  # who may not see them should learn it before anything is changed
        return firewall

    def _original(self, kept: Kept, now: dict[str, Any]) -> dict[str, Any]:
        """The sources before any of ours; also of rules that got their description later."""
        known = {} if kept.original is None else kept.original["sources"]
        new = {uuid: source for uuid, source in now["sources"].items() if source["network"] not in SLOTS}
        return {"sources": {**new, **known}}

    def _change(self, firewall: _Firewall, rules: Rules, place: Place) -> None:
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
        firewall = self._firewall()
        difference = self._difference(firewall, rules)
        if firewall.slot != slot or difference:
            raise RolloutError(f"what was read back differs: {'; '.join(difference.says) or 'other addresses'}")
        for says in self._probed(slot, rules.connect.listed, _PROBES):
            raise RolloutError(says)

    def _cut(self, ours: tuple[FirewallRule, ...], rules: Rules, place: Place) -> None:
        """End the connections of whoever may not connect any more; pf asks no rule about those that are open."""
        forwarded = any(one.forwards for one in ours)
        ports = {one.local_port for one in ours} | {str(port) for port in place.ports}
        for server in _servers(ours, place.server):
            for state in self.api.states(server):
                behind = state.translated or not forwarded or ":" in server
                if state.protocol == "tcp" and state.port in ports and behind:
                    client = _address(state.source)
                    if client is not None and client not in rules.connect.permitted:
                        self.api.end_state(state)

    def _settle(self, original: dict[str, Any]) -> None:
        self.kept.write(Kept(original, None))
        with suppress(RolloutError):  # what is left over is in nobody's way
            self._tidy(self._firewall())

    def _tidy(self, firewall: _Firewall) -> None:
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
        self._tidy(self._firewall())
        self.kept.remove()


def _half(firewall: _Firewall) -> Iterator[str]:
    """Rules of ours that do not have the source that the others have."""
    with_ours = [one for one in firewall.ours if one.source.network in SLOTS]
    if with_ours and firewall.slot is None:
        for one in firewall.ours:
            yield f'a rule has the source "{one.source.network}", and not all of them have the same ({one.place})'


def _servers(ours: tuple[FirewallRule, ...], more: tuple[IPAddress, ...]) -> list[str]:
    found = [_address(one.to) for one in ours]
    return list(dict.fromkeys(str(one) for one in (*found, *more) if one is not None))


def _address(text: str) -> IPAddress | None:
    try:
        return parse_address(text)
    except ValueError:
        return None


def _has(ports: str, port: int) -> bool:
    """Whether what a rule says of ports has one; nothing is all. What an alias of ports has is not looked up."""
    first, _, last = ports.replace(":", "-").partition("-")
    if not ports or ports == "any":
        return True
    if first.isdigit():
        return int(first) <= port <= int(last if last.isdigit() else first)
    return port == 25 and ports.lower() == "smtp"
