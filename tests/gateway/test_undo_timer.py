"""The undo timer: on disk, by a clock that nobody can set, over at the next start of the machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from arrowslit.gateway.undo_timer import Undo, UndoTimer, boot_id, since_boot


class Machine:
    """A machine whose clock and boot the test has in hand."""

    def __init__(self, state: Path) -> None:
        self.state, self.now, self.boot = state, 1000.0, "boot-1"

    def node(self) -> UndoTimer:
        return UndoTimer(self.state, clock=lambda: self.now, boot=lambda: self.boot)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_it_is_due_when_its_time_is_over(machine: Machine) -> None:
    timer = machine.node()
    assert (timer.pending, timer.left(), timer.due()) == (None, None, None)
    timer.arm(42, 41, 600.0, 600.0)
    machine.now += 599.0
    assert (timer.pending, timer.left(), timer.due()) == (42, 1.0, None)
    machine.now += 1.0
    assert (timer.left(), timer.due()) == (0.0, Undo(42, 41))


def test_a_confirmation_ends_it(machine: Machine) -> None:
    timer = machine.node()
    timer.arm(42, 41, 600.0, 600.0)
    timer.disarm()
    timer.disarm()
    machine.now += 1000
    assert timer.due() is None
    assert machine.node().pending is None


def test_a_node_that_was_killed_finds_its_deadline_again(machine: Machine) -> None:
    machine.node().arm(42, 41, 600.0, 600.0)
    machine.now += 400
    again = machine.node()
    assert again.left() == 200.0
    again.arm(42, 41, 600.0, 600.0)  # the store says the same at the start
    assert again.left() == 200.0


def test_after_a_restart_of_the_machine_it_is_due_at_once(machine: Machine) -> None:
    machine.node().arm(42, 41, 600.0, 600.0)
    machine.boot, machine.now = "boot-2", 5.0
    assert machine.node().due() == Undo(42, 41)


def test_an_extension_moves_the_deadline(machine: Machine) -> None:
    timer = machine.node()
    timer.arm(42, 41, 600.0, 600.0)
    machine.now += 500
    timer.arm(42, 41, 1200.0, 650.0)
    assert timer.left() == 700.0


def test_another_revision_starts_it_anew(machine: Machine) -> None:
    timer = machine.node()
    timer.arm(42, 41, 600.0, 600.0)
    machine.now += 500
    timer.arm(43, 41, 600.0, 598.0)
    assert (timer.pending, timer.left()) == (43, 598.0)


@pytest.mark.parametrize(("left", "expected"), [(-5.0, 0.0), (10_000.0, 600.0), (30.0, 30.0)])
def test_what_a_clock_that_was_set_says_stays_between_nothing_and_all(
    machine: Machine, left: float, expected: float
) -> None:
    timer = machine.node()
    timer.arm(42, 41, 600.0, left)
    assert timer.left() == expected


def test_what_was_undone_is_known_until_the_store_knows(machine: Machine) -> None:
    timer = machine.node()
    timer.arm(42, 41, 600.0, 0.0)
    due = timer.due()
    assert due is not None
    timer.fired(due)
    assert (timer.pending, machine.node().undone()) == (None, Undo(42, 41))
    timer.told()
    assert machine.node().undone() is None


def test_a_broken_file_is_a_problem_and_no_crash(machine: Machine) -> None:
    (machine.state / "pending.json").write_text("{")
    timer = machine.node()
    assert "pending.json can't be read" in timer.problem
    timer.arm(42, 41, 600.0, 600.0)
    assert machine.node().pending == 42


def test_the_real_clock_goes_on_in_another_process_and_does_not_follow_the_wall_clock(tmp_path: Path) -> None:
    UndoTimer(tmp_path).arm(42, 41, 600.0, 600.0)
    code = (
        "import sys, time; from pathlib import Path; from arrowslit.gateway.undo_timer import UndoTimer\n"
        "time.time = lambda: 4e9\n"
        "print(UndoTimer(Path(sys.argv[1])).left())"
    )
    left = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, capture_output=True, text=True)
    assert 590 < float(left.stdout) <= 600
    assert since_boot() > 0
    assert boot_id()
