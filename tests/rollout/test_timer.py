"""The agent's own timer, for enforcement points that keep no time: killed and restarted, with the clock set.

The enforcement point is a file: what counts here is when it is put back.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from arrowslit.documents.settings import EnforcementPoint
from arrowslit.mail.address_set import AddressSet
from arrowslit.rollout import agent as agents
from arrowslit.rollout.agent import Agent
from arrowslit.rollout.in_force import InForce
from arrowslit.rollout.point import Difference, HalfMadeError, RolloutError, Seen
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import Place
from tests.rollout.test_agent import NARROW, SETTINGS, SMALL


@dataclass
class FilePoint:
    """Keeps the rules in a file, and those before beside it."""

    path: Path
    keeps_time: bool = False
    forgets: bool = False

    @property
    def before(self) -> Path:
        return self.path.with_suffix(".before")

    def _text(self) -> str:
        return self.path.read_text() if self.path.exists() else ""

    def look(self) -> Seen:
        return Seen(self._text(), bool(self._text()))

    def differs(self, rules: Rules, place: Place) -> Difference:
        return Difference(says=() if self._text() == _said(rules) else ("another text",))

    def apply(self, rules: Rules, place: Place, token: str, seconds: int | None) -> Seen:
        if "broken" in self._text():
            raise RolloutError("it can't be written")
        self.before.write_text(self._text())
        self.path.write_text(_said(rules))
        return self.look()

    def load(self, text: str) -> None:
        raise AssertionError("it does not forget")

    def confirm(self) -> Seen:
        return self.look()

    def undo(self) -> Seen:
        self.path.write_text(self.before.read_text())
        return self.look()


def _said(rules: Rules) -> str:
    listed: AddressSet = rules.connect.listed
    return repr(list(listed.pairs()))


class Machine:
    """A machine with a clock since boot of its own, on which the agent may die at any time."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.now, self.boot, self.said = folder, 1000.0, "one", list[str]()
        (folder / "arrowslit.toml").write_text(SETTINGS)
        self.policy(SMALL)
        patch.setattr(agents, "since_boot", lambda: self.now)
        patch.setattr(agents, "boot_id", lambda: self.boot)
        self.point = FilePoint(folder / "rules")
        self.start()

    def policy(self, text: str) -> None:
        (self.folder / "policy.toml").write_text(text)

    def start(self) -> None:
        def live(_: EnforcementPoint) -> FilePoint:
            return self.point

        self.agent = Agent(InForce(self.folder / "arrowslit.toml"), self.folder / "agent", self.said.append, live)
        self.agent.restore("firewall")

    def apply(self, seconds: int | None = None) -> None:
        self.agent.apply({"point": "firewall", "seconds": seconds})

    def turn(self) -> str:
        self.agent.follow("firewall")
        return self.point._text()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path, monkeypatch)
    made.apply()
    return made


def test_what_nobody_confirms_is_undone_when_its_time_is_over(machine: Machine) -> None:
    before = machine.turn()
    machine.policy(NARROW)
    machine.apply(600)
    machine.now += 599
    assert machine.turn() != before
    machine.now += 1
    assert machine.turn() == before
    assert machine.said[-1].endswith("nobody confirmed policy.toml in time: undone")


@pytest.mark.parametrize("away", [10.0, 10_000.0])
def test_an_agent_that_was_killed_keeps_the_time(machine: Machine, away: float) -> None:
    before = machine.turn()
    machine.policy(NARROW)
    machine.apply(600)
    machine.now += away
    machine.start()
    assert (machine.turn() == before) is (away > 600)


def test_a_restart_of_the_machine_undoes_at_once(machine: Machine) -> None:
    before = machine.turn()
    machine.policy(NARROW)
    machine.apply(600)
    machine.boot, machine.now = "two", 5.0
    machine.start()
    assert machine.turn() == before
    assert any("was not confirmed before the restart: undone" in line for line in machine.said)


def test_an_agent_that_died_within_a_change_for_good_undoes_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = machine.turn()
    machine.policy(NARROW)

    def dies(*arguments: object) -> Seen:
        FilePoint.apply(machine.point, *arguments)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(machine.point, "apply", dies, raising=False)
    with pytest.raises(KeyboardInterrupt):
        machine.apply()
    machine.start()
    assert machine.turn() != before
    machine.now += 61
    assert machine.turn() == before


def test_what_is_confirmed_stays_and_then_there_is_nothing_to_confirm(machine: Machine) -> None:
    machine.policy(NARROW)
    machine.apply(600)
    applied = machine.turn()
    machine.agent.confirm({"point": "firewall", "connection": "another"})
    machine.now += 10_000
    assert machine.turn() == applied
    with pytest.raises(RolloutError, match="nothing is pending"):
        machine.agent.confirm({"point": "firewall"})


def test_a_second_change_waits_for_the_first(machine: Machine) -> None:
    machine.policy(NARROW)
    machine.apply(600)
    with pytest.raises(RolloutError, match="is pending: confirm or undo it first"):
        machine.apply(600)


def test_a_change_that_fails_leaves_the_record_as_it_was(machine: Machine) -> None:
    record = machine.agent.records.read("firewall")
    machine.point.path.write_text("broken")
    machine.policy(NARROW)
    with pytest.raises(RolloutError):
        machine.apply(600)
    assert machine.agent.records.read("firewall") == record


def test_drift_is_told_once_until_it_is_over(machine: Machine) -> None:
    good = machine.point._text()
    machine.point.path.write_text("other")
    for _ in range(3):
        machine.agent._looked.clear()
        with pytest.raises(RolloutError, match="no longer what was applied") as caught:
            machine.turn()
        machine.agent.tell("firewall", str(caught.value))
    assert len(machine.said) == 1
    machine.point.path.write_text(good)
    machine.agent._looked.clear()
    machine.turn()
    machine.point.path.write_text("other")
    machine.agent._looked.clear()
    with pytest.raises(RolloutError) as caught:
        machine.turn()
    machine.agent.tell("firewall", str(caught.value))
    assert len(machine.said) == 2


def test_a_record_that_cannot_be_read_changes_nothing(machine: Machine) -> None:
    (record,) = (machine.folder / "agent").glob("*.json")
    record.write_text(json.dumps({"format": 1, "settled": 3, "more": 1}))
    text = machine.point._text()
    with pytest.raises(RolloutError, match="can't be read"):
        machine.apply()
    assert machine.point._text() == text


# --- places that are reached over a network ---------------------------------------------------------------------


@dataclass
class FarPoint(FilePoint):
    """Knows by itself whether a change is pending, and can be out of reach."""

    away: bool = False
    half: bool = False

    def apply(self, rules: Rules, place: Place, token: str, seconds: int | None) -> Seen:
        seen = super().apply(rules, place, token, seconds)
        if self.half:
            raise HalfMadeError("the line is gone")
        return seen

    def take_back(self) -> Seen:
        if self.away:
            raise RolloutError("no route to host")
        if self.before.exists():
            self.path.write_text(self.before.read_text())
            self.before.unlink()
        return self.look()

    def undo(self) -> Seen:
        raise AssertionError("that would remove settled rules where nothing is pending")

    def settle(self) -> None:
        self.before.unlink(missing_ok=True)


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path, monkeypatch)
    made.point = FarPoint(tmp_path / "rules")
    made.start()
    made.apply()
    made.point.settle()
    return made


def _point(machine: Machine) -> FarPoint:
    assert isinstance(machine.point, FarPoint)
    return machine.point


def test_what_could_not_be_taken_back_at_once_is_tried_again_each_turn(far: Machine) -> None:
    before = far.turn()
    far.policy(NARROW)
    _point(far).half = _point(far).away = True
    with pytest.raises(HalfMadeError):
        far.apply()
    with pytest.raises(RolloutError, match="no route"):
        far.turn()
    assert far.point._text() != before
    _point(far).away = False
    assert far.turn() == before


def test_a_record_of_a_change_that_never_began_removes_nothing(far: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    before = far.turn()
    far.policy(NARROW)

    def dies(*_: object) -> Seen:
        raise KeyboardInterrupt

    monkeypatch.setattr(far.point, "apply", dies)
    with pytest.raises(KeyboardInterrupt):
        far.apply(600)
    far.start()
    far.now += 601
    assert far.turn() == before


def test_a_place_out_of_reach_after_a_restart_is_asked_again_each_turn(far: Machine) -> None:
    before = far.turn()
    far.policy(NARROW)
    far.apply(600)
    far.boot, far.now, _point(far).away = "two", 5.0, True
    with pytest.raises(RolloutError, match="no route"):
        far.start()
    for _ in range(3):
        with pytest.raises(RolloutError, match="no route"):
            far.turn()
    _point(far).away = False
    assert far.turn() == before
    assert any("was not confirmed before the restart: undone" in line for line in far.said)


class Remembering(FilePoint):
    """One that knows by itself whether something is pending there."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked: list[str] = []

    def undo(self) -> Seen:
        self.asked.append("undo")
        return super().undo()

    def take_back(self) -> Seen:
        self.asked.append("take_back")
        return self.look()


def test_a_place_that_remembers_is_asked_for_what_is_pending_only(machine: Machine) -> None:
    machine.point = point = Remembering(machine.point.path)
    machine.start()
    machine.policy(NARROW)
    machine.apply(600)
    machine.now += 600
    machine.turn()
    machine.apply(600)
    machine.agent.undo({"point": "firewall"})
    assert point.asked == ["take_back", "take_back"]
    machine.apply(600)
    machine.boot = "two"
    machine.start()
    assert point.asked == ["take_back"] * 3
    machine.agent.undo({"point": "firewall"})
    assert point.asked[-1] == "undo"
