"""Live enforcement points whose programs keep what they do on disk, and keep no time: ufw, firewalld.

Terms: *ours* is all of ours at the place, as data that a script can make again. A change is the compiled target's own
script, which lets nobody in at any of its steps whom neither the rules before nor those after permit. What was there
before is on the disk first; to go back is to run the same script with that, as often as it takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from arrowslit.mail.address_set import AddressSet
from arrowslit.rollout.edges import token_of
from arrowslit.rollout.kept import Kept, KeptFile
from arrowslit.rollout.point import ChangedMeanwhileError, Difference, HalfMadeError, RolloutError, Seen
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import Place

Ours = dict[str, Any]


class Program(Protocol):
    """What one such place says of itself. Every method raises RolloutError where it can't be asked."""

    @property
    def name(self) -> str:
        """What it is called."""

    def read(self) -> Ours | None:
        """All of ours; None where there is nothing."""

    def wanted(self, rules: Rules, place: Place) -> Ours:
        """What `read` should find once these rules are there."""

    def make(self, ours: Ours | None) -> None:
        """Make that all of ours; None removes it."""

    def listed(self, ours: Ours) -> AddressSet:
        """The addresses that it lists."""

    def holds(self, ours: Ours) -> bool:
        """Whether it decides anything."""

    def others(self, there: Ours, wanted: Ours) -> Iterable[str]:
        """What differs between the two beside the addresses, and what keeps it from being in force, a sentence each."""

    def hindered(self, ports: Sequence[int]) -> Iterable[str]:
        """Why nothing may be changed now, a sentence each."""

    def wide(self, ports: Sequence[int]) -> Iterable[str]:
        """Others' rules that let strangers in."""


@dataclass(slots=True)
class ScriptedPoint:
    """`ports` are those that wide rules are looked for; `kept` is where what was there before is kept."""

    program: Program
    kept: KeptFile
    ports: tuple[int, ...] = (25,)
    keeps_time: bool = False
    forgets: bool = False

    def look(self) -> Seen:
        """What is there now."""
        ours = self.program.read()
        wide = (*self.program.wide(self.ports), *self.program.hindered(self.ports))
        if ours is None or not self.program.holds(ours):
            return Seen(token_of(ours), wide=wide)
        return Seen(token_of(ours), True, self.program.listed(ours), None, wide)

    def differs(self, rules: Rules, place: Place) -> Difference:
        """What these rules would change in what holds now."""
        there, wanted = self.program.read(), self.program.wanted(rules, place)
        listed = self.program.listed(wanted)
        if there is None:
            return Difference(listed, says=("nothing of ours is there", *self.program.hindered(self.ports)))
        says = (*self.program.others(there, wanted), *self.program.hindered(self.ports))
        found = self.program.listed(there)
        return Difference(listed.subtract(found), found.subtract(listed), says)

    def apply(self, rules: Rules, place: Place, token: str, seconds: int | None) -> Seen:
        """Put these rules there, for some seconds or for good."""
        if self.kept.read().before is not None:
            raise RolloutError("a change is pending: confirm or undo it first")
        ours = self.program.read()
        if token_of(ours) != token:
            raise ChangedMeanwhileError(f"our rules in {self.program.name} were changed since they were looked at")
        for reason in self.program.hindered(self.ports):
            raise RolloutError(reason)
        wanted = self.program.wanted(rules, place)
        self.kept.write(Kept(before={"ours": ours}))
        try:
            self.program.make(wanted)
            self._prove(rules, place)
        except RolloutError as error:
            try:
                self.take_back()
            except RolloutError as another:
                raise HalfMadeError(f"{error}; and it can't be undone yet: {another}") from error
            raise RolloutError(f"{error}; it was undone at once") from error
        if seconds is None:
            self.kept.remove()
        return self.look()

    def load(self, text: str) -> None:  # noqa: ARG002
        """Never asked: it forgets nothing."""
        raise RolloutError(f"{self.program.name} keeps its rules by itself")

    def confirm(self) -> Seen:
        """Let what is pending hold for good."""
        if self.kept.read().before is None:
            raise RolloutError("nothing is pending: the time may be over, and the rules before hold again")
        self.kept.remove()
        return self.look()

    def undo(self) -> Seen:
        """Go back to the rules before what is pending; where nothing is, remove ours."""
        if self.kept.read().before is not None:
            return self.take_back()
        self.program.make(None)
        return self.look()

    def take_back(self) -> Seen:
        """Go back to the rules before a pending or half-made change; where there is none, leave all as it is."""
        before = self.kept.read().before
        if before is not None:
            self.program.make(before["ours"])
            self.kept.remove()
        return self.look()

    def _prove(self, rules: Rules, place: Place) -> None:
        difference = self.differs(rules, place)
        if difference:
            raise RolloutError(f"what was read back differs: {'; '.join(difference.says) or 'other addresses'}")
