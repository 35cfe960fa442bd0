"""The live enforcement point nftables: our table in this machine's kernel.

While a change is not confirmed the kernel itself holds the timer (`targets.nftables`, slots): a cut-off administrator,
a killed process or a set clock change nothing about it. All changes are single transactions. After each, the table is
read back: sets are compared as sets, chains with those that the same text makes in a network namespace of its own, and
the kernel is asked about addresses on both sides of every edge. What does not come out as it should is undone at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from arrowslit.rollout.edges import edges
from arrowslit.rollout.nft_program import Nft
from arrowslit.rollout.nft_table import LiveTable, Slot, read_table
from arrowslit.rollout.nft_wide import wide_rules
from arrowslit.rollout.point import ChangedMeanwhileError, Difference, RolloutError, Seen
from arrowslit.targets import nftables as text
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import Place

_PROBES: Final = 40
"""Edges that the kernel is asked about after a change; each costs a millisecond."""


@dataclass(slots=True)
class NftablesPoint:
    """`ports` are those that wide rules are looked for."""

    nft: Nft = field(default_factory=Nft)
    keeps_time: bool = True
    forgets: bool = True
    ports: tuple[int, ...] = (25,)

    def look(self) -> Seen:
        """What is there now."""
        return self._seen(self._table())

    def differs(self, rules: Rules, place: Place) -> Difference:
        """What these rules would change in what holds now."""
        table = self._table()
        slot = table.slots.get(table.holds or "")
        if slot is None:
            says = ("nothing of ours is there",) if not table.there else ("no rule of ours holds",)
            return Difference(rules.connect.listed, says=says)
        return self._difference(table, slot, rules, place)

    def apply(self, rules: Rules, place: Place, token: str, seconds: int | None) -> Seen:
        """Put these rules there, for some seconds or for good."""
        table = self._unchanged(token)
        if table.pending and table.seconds:
            raise RolloutError("a change is pending: confirm or undo it first")
        old = table.holds
        new = next(slot for slot in text.SLOTS if slot != old)
        stale = self._stale(table, new)
        self.nft.load(stale + text.pending(rules, place, new, old, seconds or _SETTLING))
        try:
            self._prove(new, rules, place)
            if seconds is None:
                self.nft.load(text.settled(new, old, had_pending=True))
        except RolloutError as error:
            self._back()
            raise RolloutError(f"{error}; it was undone at once") from error
        return self.look()

    def load(self, text: str) -> None:
        """Put a whole text there again."""
        self.nft.load(text)

    def extend(self, seconds: int) -> Seen:
        """Give what is pending so many seconds from now on."""
        self._pending()
        self.nft.load(text.extended(seconds))
        return self.look()

    def confirm(self) -> Seen:
        """Let what is pending hold for good."""
        table = self._pending()
        assert table.holds is not None  # noqa: S101  something is pending
        # Should the time be over by now, the kernel refuses to delete the element, and nothing changes.
        armed = "delete element inet arrowslit pending { tcp }\n"
        self.nft.load(armed + text.settled(table.holds, table.back_to, had_pending=True))
        return self.look()

    def undo(self) -> Seen:
        """Go back to the rules before what is pending or was; where nothing was pending, remove ours."""
        self._back()
        return self.look()

    # --- inside -------------------------------------------------------------------------------------------------

    def _table(self) -> LiveTable:
        return read_table(self.nft.table(text.TABLE))

    def _seen(self, table: LiveTable) -> Seen:
        slot = table.slots.get(table.holds or "")
        wide = (*wide_rules(self.nft.ruleset(), text.TABLE, self.ports), *self._oddities(table))
        if slot is None:
            return Seen(table.token, wide=wide)
        seconds = table.seconds if table.pending and table.seconds else None
        return Seen(table.token, True, slot.listed, seconds, wide, slot.refused)

    def _oddities(self, table: LiveTable) -> Iterator[str]:
        if table.slots and not table.hooked:
            yield f"no packet comes to the table inet {text.TABLE}: its chain prerouting is not as it was made"
        yield from (f"the chain {chain} in the table inet {text.TABLE} is not ours" for chain in table.unknown)

    def _unchanged(self, token: str) -> LiveTable:
        table = self._table()
        if table.token != token:
            raise ChangedMeanwhileError(f"the table inet {text.TABLE} was changed since it was looked at")
        return table

    def _pending(self) -> LiveTable:
        table = self._table()
        if not table.pending or not table.seconds:
            raise RolloutError("nothing is pending: the time may be over, and the rules before hold again")
        return table

    def _stale(self, table: LiveTable, new: str) -> str:
        """What removes a change that was never confirmed: its slot is needed, its time is over."""
        if new not in table.slots and not table.pending:
            return ""
        if table.holds is None:
            return text.removed()
        return text.settled(table.holds, new if new in table.slots else None, had_pending=table.pending)

    def _back(self) -> None:
        table = self._table()
        if not table.pending or table.back_to is None:
            self.nft.load(text.removed())
            return
        newer = next((slot for slot in table.slots if slot != table.back_to), None)
        self.nft.load(text.settled(table.back_to, newer, had_pending=True))

    def _prove(self, slot: str, rules: Rules, place: Place) -> None:
        """Read back and ask the kernel. Raises RolloutError."""
        table = self._table()
        there = table.slots.get(slot)
        if there is None or table.holds != slot or not table.hooked:
            raise RolloutError("the rules are not in force after they were loaded")
        difference = self._difference(table, there, rules, place)
        if difference:
            raise RolloutError(f"what was read back differs: {'; '.join(difference.says) or 'other addresses'}")
        for address, listed in edges(rules.connect.listed, _PROBES):
            if self.nft.has(text.TABLE, f"listed{address.version}_{slot}", str(address)) is not listed:
                raise RolloutError(f"the kernel does not {'find' if listed else 'miss'} {address} in the set")

    def _difference(self, table: LiveTable, slot: Slot, rules: Rules, place: Place) -> Difference:
        wanted = self._wanted(rules, place, table.holds or text.SLOTS[0])
        says = []
        if slot.gate != wanted.gate:
            says.append("the gate's rules are others")
        if slot.entry != wanted.entry:
            says.append("the ports or the interface are others")
        says += self._oddities(table)
        return Difference(
            rules.connect.listed.subtract(slot.listed), slot.listed.subtract(rules.connect.listed), tuple(says)
        )

    def _wanted(self, rules: Rules, place: Place, slot: str) -> Slot:
        """The chains that these rules make, from a kernel that is not in use; sets are left empty there."""
        bare = text.pending(_without_sources(rules), place, slot, None, _SETTLING)
        return read_table(self.nft.made(bare, text.TABLE)).slots[slot]


_SETTLING: Final = 60
"""Seconds that rules for good hold before they were read back: who dies meanwhile undoes them."""


def _without_sources(rules: Rules) -> Rules:
    return replace(rules, connect=replace(rules.connect, sources=()))
