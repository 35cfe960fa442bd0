"""What every live enforcement point can do, and what it tells.

Terms: *seen* is what is there now; its `token` changes with whatever anybody changes in it. A *plan* is what would
change, for the token that was seen. *Pending* rules go back by themselves after some seconds. *Drift* is what differs
from the rules that should be there. *Wide* rules are others' that let strangers reach the mail port beside ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from arrowslit.mail.address_set import EMPTY, AddressSet
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import Place


class RolloutError(Exception):
    """The enforcement point could not do what it should; the text is for an administrator."""


class ChangedMeanwhileError(RolloutError):
    """Somebody else has changed our part of the enforcement point since it was looked at."""


class HalfMadeError(RolloutError):
    """A change may be there in part and could not be taken back yet: `take_back` is asked for until it can be."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is there. `holds` is False where there are no rules of ours; `pending_seconds` None where nothing waits."""

    token: str
    holds: bool = False
    listed: AddressSet = EMPTY
    pending_seconds: float | None = None
    wide: tuple[str, ...] = ()
    refused: int | None = None
    """Packets or connections that it has refused, where it counts them."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs between the rules that should be there and those that are."""

    added: AddressSet = EMPTY
    removed: AddressSet = EMPTY
    says: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.says) or bool(len(self.added)) or bool(len(self.removed))


class LivePoint(Protocol):
    """One live enforcement point. Every method raises RolloutError where the place can't be worked with.

    `keeps_time`: the place itself undoes what is pending, whatever becomes of the agent; where it does not, the agent
    calls `undo` in time. `forgets`: its rules are gone after a restart of the machine. Both are asked before anything
    is done. A method that fails leaves what was there, or puts it back.
    """

    keeps_time: bool
    forgets: bool

    def look(self) -> Seen:
        """What is there now."""

    def differs(self, rules: Rules, place: Place) -> Difference:
        """What these rules would change."""

    def apply(self, rules: Rules, place: Place, token: str, seconds: int | None) -> Seen:
        """Put these rules there, for some seconds or for good; where time is not kept, `undo` works after a crash too.

        ChangedMeanwhileError where the token is another by now; then nothing has changed.
        """

    def load(self, text: str) -> None:
        """Put a whole text there again, as it was confirmed once; only asked of a place that forgets."""

    def confirm(self) -> Seen:
        """Let what is pending hold for good. RolloutError where nothing is."""

    def undo(self) -> Seen:
        """Go back to the rules before: those that pending ones would go back to, else none."""


@runtime_checkable
class TakesBack(Protocol):
    """A place that knows by itself whether a change is pending: what is asked for twice removes no settled rules."""

    def take_back(self) -> Seen:
        """Go back to the rules before a pending or half-made change; where there is none, leave all as it is."""
