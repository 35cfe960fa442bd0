"""A policy that only observes, at a place that can't count: the agent leaves nothing there that refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from arrowslit.rollout.point import RolloutError
from tests.rollout.test_agent import SETTINGS, SMALL
from tests.rollout.test_timer import Machine

EARLY = SMALL.replace("[virtual_servers.default]\n", '[virtual_servers.default]\nrefuse_at = "connect"\n')
WAIVED = '\n[[waivers]]\ntarget = "ufw"\ngap = "observe-mode"\nbecause = "for a week"\n'
OBSERVING = EARLY.replace("refuse_at", 'mode = "observe"\nrefuse_at') + WAIVED


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path, monkeypatch)
    (tmp_path / "arrowslit.toml").write_text(SETTINGS.replace('"nftables"', '"ufw"') + "follow = true\n")
    made.policy(EARLY)
    return made


def test_a_follower_takes_back_what_refuses_and_sets_nothing(machine: Machine) -> None:
    assert machine.turn()
    machine.policy(OBSERVING)
    assert machine.turn() == ""
    assert machine.said[-1].endswith('the mode is "observe", and it can\'t count: undone')
    said = list(machine.said)
    assert machine.turn() == ""
    assert machine.said == said
    machine.policy(EARLY)
    assert machine.turn()


def test_it_is_not_applied_by_hand_either(machine: Machine) -> None:
    machine.policy(OBSERVING)
    for seconds in (None, 600):
        with pytest.raises(RolloutError, match="there is nothing to apply"):
            machine.apply(seconds)
    assert machine.point.look().holds is False


def test_a_plan_tells_what_still_refuses(machine: Machine) -> None:
    machine.policy(OBSERVING)
    plan = machine.agent.plan({"point": "firewall"})
    assert (plan["differs"], plan["says"], plan["added"]) == (False, [], [])
    machine.policy(EARLY)
    machine.turn()
    machine.policy(OBSERVING)
    plan = machine.agent.plan({"point": "firewall"})
    assert plan["differs"]
    assert "still refuses" in plan["says"][0]


def test_without_the_waiver_nothing_happens(machine: Machine) -> None:
    before = machine.turn()
    machine.policy(OBSERVING.removesuffix(WAIVED))
    with pytest.raises(RolloutError, match="observe-mode"):
        machine.turn()
    assert machine.point._text() == before
