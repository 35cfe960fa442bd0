"""What the agent does: it looks after the enforcement points of this machine, by itself and when it is asked to.

Whoever asks names an enforcement point and what to do; the rules always come from the policy in force
(`rollout.in_force`). Points that `follow` are kept in step with every revision and every refresh of networks. After a
restart of the machine settled rules are put back where they were forgotten. One thing is done at a time: see
`agent_process`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from arrowslit.documents.settings import EnforcementPoint
from arrowslit.gateway.undo_timer import boot_id, since_boot
from arrowslit.policy.grants import END_OF_LIST
from arrowslit.rollout.in_force import InForce, Wanted
from arrowslit.rollout.live import live_point
from arrowslit.rollout.point import (
    ChangedMeanwhileError,
    Difference,
    HalfMadeError,
    LivePoint,
    RolloutError,
    Seen,
    TakesBack,
)
from arrowslit.rollout.record import Record, Records

_AGAIN: Final = 60.0
"""Seconds after which a point is looked at again although the policy is the same."""

_SETTLING: Final = 60
"""Seconds that a change for good has to be proved in; an agent that dies meanwhile undoes it when it is back."""

_SHOWN: Final = 20


@dataclass(slots=True)
class Agent:
    """`say` takes lines for the operator. `live` stands in for `live_point` in tests."""

    in_force: InForce
    folder: Path
    say: Callable[[str], None]
    live: Callable[[EnforcementPoint], LivePoint] | None = None
    _looked: dict[str, tuple[str, float]] = field(default_factory=dict)
    _told: dict[str, str] = field(default_factory=dict)
    _followed: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def records(self) -> Records:
        """What it remembers."""
        return Records(self.folder)

    def tell(self, name: str, problem: str) -> None:
        """Say a problem of an enforcement point, or of none, once until it is another."""
        if self._told.get(name) != problem:
            self._told[name] = problem
            self.say(f"enforcement point {name}: {problem}" if name else problem)

    def answer(self, verb: str, request: dict[str, Any]) -> dict[str, Any]:
        """What is answered to a request; a problem is one too. `verb` is one of VERBS."""
        try:
            return VERBS[verb](self, request)
        except ChangedMeanwhileError as error:
            return {"problem": str(error), "changed": True}
        except RolloutError as error:
            return {"problem": str(error), "changed": False}

    # --- by itself ----------------------------------------------------------------------------------------------

    def restore(self, name: str) -> None:
        """After a restart of the machine: what was settled holds again where it was forgotten."""
        record = self.records.read(name)
        if not record.boot or record.boot == boot_id():
            return
        point = self._point(name)
        if point.forgets and record.settled and not point.look().holds:
            point.load(record.settled)
            self.say(f"enforcement point {name}: {record.settled_named} is in force again after the restart")
        if record.pending and not point.keeps_time:
            _take_back(point)
            self.say(f"enforcement point {name}: {record.pending_named} was not confirmed before the restart: undone")
        self.records.write(name, replace(record.back(), boot=boot_id()))

    def follow(self, name: str) -> None:
        """Keep a point that follows in step with the policy in force; look at the others for drift now and then."""
        self.restore(name)  # again where the place could not be reached when the machine had just started
        self._undo_in_time(name)
        version, now = self.in_force.version(), time.monotonic()
        before, looked = self._looked.get(name, ("", 0.0))
        if before == version and now < looked + _AGAIN:
            return
        self._looked[name] = version, now
        told = self._told.pop(name, None)
        try:
            self._look_after(name, version)
        except RolloutError as error:
            if str(error) == told:
                self._told[name] = told
            raise

    def _undo_in_time(self, name: str) -> None:
        record = self.records.read(name)
        if not record.pending or since_boot() < record.deadline:
            return
        point = self._point(name)
        if not point.keeps_time:
            _take_back(point)
        self.records.write(name, record.back())
        self._looked.pop(name, None)
        self.say(f"enforcement point {name}: nobody confirmed {record.pending_named} in time: undone")

    def _look_after(self, name: str, version: str) -> None:
        if self.in_force.point(name).follow:
            self._follow(name)
        elif self.records.read(name).settled_version == version:
            self._watch(name)

    def _follow(self, name: str) -> None:
        wanted = self.in_force.wanted(name)
        self._followed.pop(name, None)
        if wanted.why_not_early:
            raise RolloutError(wanted.why_not_early)
        point, rules = self._point(name), wanted.rules
        seen = point.look()
        if wanted.sets_nothing:
            self._leave(name, seen)
            return
        if not seen.holds or point.differs(rules, wanted.place):
            self._put(name, point, wanted, seen.token, None, "")
            self.say(f"enforcement point {name}: {wanted.origin.named} is in force")
        policy = wanted.origin.policy
        self._followed[name] = {
            "virtual_server": wanted.origin.server,
            "rule": f"{rules.connect.rule}/{END_OF_LIST}",
            "revision": policy.revision,
            "generation": policy.generation,
        }

    def _leave(self, name: str, seen: Seen) -> None:
        """A policy that only observes, at a place that can't count: what an earlier one set must refuse nobody."""
        if seen.holds:
            self.undo({"point": name})
            self.say(f'enforcement point {name}: the mode is "observe", and it can\'t count: undone')

    def _watch(self, name: str) -> None:
        wanted, point = self.in_force.wanted(name), self._point(name)
        if wanted.sets_nothing:
            return
        if not self.records.read(name).pending and point.differs(wanted.rules, wanted.place):
            raise RolloutError(f"what is there is no longer what was applied; see: arrowslit target drift {name}")

    def count(self) -> dict[str, Any]:
        """What the followers have counted by now."""
        counted: dict[str, Any] = {}
        for name, followed in self._followed.items():
            try:
                refused = self._point(name).look().refused
            except RolloutError:
                continue
            if refused is not None:
                counted[name] = {**followed, "refused": refused}
        return counted

    # --- on request ---------------------------------------------------------------------------------------------

    def look(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """What holds there now."""
        name = str(request["point"])
        record, seen = self.records.read(name), self._point(name).look()
        return self._shown(record, seen)

    def plan(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """What applying would change; also what has drifted from the policy in force."""
        name = str(request["point"])
        wanted, point = self.in_force.wanted(name), self._point(name)
        seen = point.look()
        difference = _left(seen) if wanted.sets_nothing else point.differs(wanted.rules, wanted.place)
        return {
            **self._shown(self.records.read(name), seen),
            "wanted": wanted.origin.named,
            "notes": list(wanted.compiled.notes),
            "differs": bool(difference),
            "says": list(difference.says),
            "added": _texts(difference.added),
            "removed": _texts(difference.removed),
        }

    def apply(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Put the policy in force there: for `seconds`, or for good."""
        name, seconds = str(request["point"]), request.get("seconds")
        wanted, point = self.in_force.wanted(name), self._point(name)
        token = str(request.get("token") or point.look().token)
        seen = self._put(
            name, point, wanted, token, None if seconds is None else int(seconds), str(request.get("connection", ""))
        )
        return {**self._shown(self.records.read(name), seen), "wanted": wanted.origin.named}

    def confirm(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Let what is pending hold for good; only over another line than it was applied over."""
        name = str(request["point"])
        record = self.records.read(name)
        if not record.pending or since_boot() >= record.deadline:
            raise RolloutError("nothing is pending: the time may be over, and the rules before hold again")
        if record.connection and record.connection == request.get("connection"):
            raise RolloutError("it was applied over this very connection: sign in anew, and confirm there")
        seen = self._point(name).confirm()
        record = record.confirmed()
        self.records.write(name, record)
        return self._shown(record, seen)

    def undo(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Go back to the rules before."""
        name = str(request["point"])
        point, record = self._point(name), self.records.read(name)
        pending = bool(record.pending) and since_boot() < record.deadline
        seen = _take_back(point) if pending else point.undo()
        record = record.back() if pending else replace(Record(), boot=boot_id())
        self.records.write(name, record)
        self._looked.pop(name, None)
        return self._shown(record, seen)

    # --- inside -------------------------------------------------------------------------------------------------

    def _point(self, name: str) -> LivePoint:
        point = self.in_force.point(name)
        kept = self.folder / "kept" / f"{name.encode().hex()}.json"
        return live_point(point, kept) if self.live is None else self.live(point)

    def _put(
        self, name: str, point: LivePoint, wanted: Wanted, token: str, seconds: int | None, connection: str
    ) -> Seen:
        text, named = wanted.compiled.text, wanted.origin.named
        if wanted.sets_nothing:
            raise RolloutError(
                f'the mode is "observe", and {wanted.compiled.target} can\'t count: there is nothing to apply; what'
                f" holds there is taken back by: arrowslit target undo {name}"
            )
        before = self.records.read(name)
        if before.pending and since_boot() < before.deadline:
            raise RolloutError(f"{before.pending_named} is pending: confirm or undo it first")
        before = before.back()
        deadline = since_boot() + (_SETTLING if seconds is None else seconds)
        record = replace(before, pending=text, pending_named=named, pending_version=wanted.version,
                         connection=connection, boot=boot_id(), deadline=deadline)  # fmt: skip
        self.records.write(name, record)
        try:
            seen = point.apply(wanted.rules, wanted.place, token, seconds)
        except HalfMadeError:
            self.records.write(name, replace(record, deadline=since_boot()))
            raise
        except RolloutError:
            self.records.write(name, before)
            raise
        if seconds is None:
            self.records.write(name, record.confirmed())
        return seen

    def _shown(self, record: Record, seen: Seen) -> dict[str, Any]:
        left = max(record.deadline - since_boot(), 0.0)
        pending = bool(record.pending) and seen.holds and left > 0
        return {
            "holds": seen.holds,
            "named": (record.pending_named if pending else record.settled_named) or None,
            "back_to": (record.settled_named or None) if pending else None,
            "pending_seconds": left if pending else None,
            "ranges": len(seen.listed),
            "refused": seen.refused,
            "wide": list(seen.wide),
            "token": seen.token,
        }


VERBS: Final = {
    "look": Agent.look,
    "plan": Agent.plan,
    "apply": Agent.apply,
    "confirm": Agent.confirm,
    "undo": Agent.undo,
}


def _take_back(point: LivePoint) -> Seen:
    """Undo what is pending, and nothing else where the place knows that nothing is."""
    return point.take_back() if isinstance(point, TakesBack) else point.undo()


def _left(seen: Seen) -> Difference:
    """What is wrong with what holds where nothing should."""
    return Difference(says=("the mode is observe: what holds there still refuses, until it is undone",) * seen.holds)


def _texts(addresses: Any) -> list[str]:
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in addresses.ranges()]
    return shown if len(shown) <= _SHOWN else [*shown[:_SHOWN], f"and {len(shown) - _SHOWN} more"]
