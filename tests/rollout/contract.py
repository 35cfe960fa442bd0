"""What is asked of every live enforcement point on a machine of a test, with real packets.

A test module inherits `Contract` and gives the fixture `at`; what one place does in its own way is tested beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from arrowslit.mail.address_range import address_set, parse_range
from arrowslit.rollout.commands import Commands
from arrowslit.rollout.point import ChangedMeanwhileError, LivePoint, RolloutError, Seen, TakesBack
from arrowslit.targets.rules import Rules, rules_of
from arrowslit.targets.target import Place
from tests.peers.outside import Outside
from tests.peers.process import until
from tests.targets.samples import EVERYBODY_BUT, POLICIES, SMALL
from tests.targets.truth import TODAY, edges, may_connect, policy_of

PLACE = Place()
FILTER, BRANCH, STRANGER, SPAM = "83.245.15.239", "203.0.113.77", "203.0.113.99", "198.51.100.200"
NARROW = SMALL.replace('  { computer = "203.0.113.77", note = "branch in Leeds" },\n', "")

MOVED = (
    SMALL.replace(BRANCH, "203.0.113.78")
    .replace("2001:db8:25::/48", "2001:db8:26::/48")
    .replace("192.168.0.0/24", "192.168.1.0/24")
    .replace("198.51.100.10-198.51.100.20", "198.51.100.12-198.51.100.24")
)


def rules(text: str) -> Rules:
    return rules_of(policy_of(text), "default", TODAY)


class DiedError(BaseException):
    """What a kill looks like from inside: nothing of ours may catch it."""


Error = Callable[[], BaseException]


@dataclass(frozen=True, slots=True)
class Dying(Commands):
    """Dies before one of its commands that change something, or fails there."""

    left: list[int] | None = None
    changes: Callable[[tuple[str, ...]], bool] = lambda _: True
    error: Error = DiedError

    def run(self, *argv: str, given: str = "") -> str:
        if self.left is not None and self.changes(argv):
            self.left[0] -= 1
            if self.left[0] < 0:
                raise self.error()
        return Commands.run(self, *argv, given=given)


@dataclass(slots=True)
class At:
    """A place before the Internet. `point` makes the live point over these commands, as a new process would.

    `add` lets a client in by hand, by changing what is ours; `stopping` gives commands that die before their change of
    that number, or fail there. `stride` steps are gone on by where all would take long; `load` has the place load what
    it keeps, as it does when the machine starts.
    """

    net: Outside
    commands: Commands
    point: Callable[[Commands], LivePoint]
    add: Callable[[str], None]
    stopping: Callable[[int, Error], Commands]
    dies_confirming: bool = True
    stride: int = 1
    load: Callable[[], object] | None = None

    @property
    def live(self) -> LivePoint:
        return self.point(self.commands)

    def dying(self, at: int, error: Error = DiedError) -> LivePoint:
        """One that dies before its change of that number."""
        return self.point(self.stopping(at, error))

    def apply(self, text: str, seconds: int | None = None, place: Place = PLACE) -> Seen:
        return self.live.apply(rules(text), place, self.live.look().token, seconds)

    def take_back(self) -> None:
        """What becomes of what nobody confirms, the agent dead or alive."""
        live = self.live
        if isinstance(live, TakesBack):
            live.take_back()
        else:
            assert live.keeps_time
            assert until(lambda: live.look().pending_seconds is None, 90)

    def reached(self) -> set[str]:
        return self.net.reach([FILTER, BRANCH, STRANGER])


def permitted(text: str, clients: list[str]) -> set[str]:
    policy = policy_of(text)
    return {one for one in clients if may_connect(policy, one)}


class Contract:
    """The tests."""

    @pytest.mark.parametrize("sample", ["small", "everybody-but", "ipv4-only", "ipv6-only", "nobody"])
    def test_rules_hold_for_good_after_they_were_read_back(self, at: At, sample: str) -> None:
        text = POLICIES[sample]
        assert not at.live.look().holds
        seen = at.apply(text)
        assert (seen.holds, seen.pending_seconds) == (True, None)
        assert seen.listed == rules(text).connect.listed
        assert not at.live.differs(rules(text), PLACE)
        clients = edges(policy_of(text))
        assert at.net.reach(clients) == permitted(text, clients)
        assert not at.live.undo().holds
        assert at.reached() == {FILTER, BRANCH, STRANGER}
        assert not at.live.undo().holds

    @pytest.mark.parametrize("first", [None, SMALL, EVERYBODY_BUT])
    def test_what_nobody_confirms_goes_back(self, at: At, first: str | None) -> None:
        if first:
            at.apply(first)
        before = at.reached()
        at.apply(NARROW, 8)
        assert at.reached() == {FILTER}
        at.take_back()
        assert at.reached() == before
        with pytest.raises(RolloutError, match="nothing is pending"):
            at.live.confirm()
        at.apply(NARROW)
        assert at.reached() == {FILTER}

    def test_what_is_confirmed_stays(self, at: At) -> None:
        at.apply(SMALL)
        at.apply(NARROW, 60)
        seen = at.live.confirm()
        assert (seen.holds, seen.pending_seconds) == (True, None)
        at.take_back()
        assert at.reached() == {FILTER}
        assert not at.live.differs(rules(NARROW), PLACE)

    def test_undo_of_what_is_pending_brings_the_rules_before_it(self, at: At) -> None:
        at.apply(SMALL)
        at.apply(NARROW, 60)
        assert at.live.undo().listed == rules(SMALL).connect.listed
        assert at.reached() == {FILTER, BRANCH}
        at.take_back()
        assert at.reached() == {FILTER, BRANCH}

    def test_a_change_of_somebody_else_is_not_overwritten(self, at: At) -> None:
        at.apply(SMALL)
        token = at.live.look().token
        at.add(STRANGER)
        with pytest.raises(ChangedMeanwhileError):
            at.live.apply(rules(NARROW), PLACE, token, None)
        assert at.reached() == {FILTER, BRANCH, STRANGER}
        difference = at.live.differs(rules(SMALL), PLACE)
        assert difference.removed == address_set([parse_range(STRANGER)])
        assert not len(difference.added)
        at.apply(SMALL)
        assert at.reached() == {FILTER, BRANCH}

    @pytest.mark.timeout(1800)
    @pytest.mark.parametrize(
        ("first", "second", "every"),
        [
            (SMALL, MOVED, False),
            pytest.param(SMALL, MOVED, True, marks=pytest.mark.long),
            pytest.param(EVERYBODY_BUT, SMALL, True, marks=pytest.mark.long),
            pytest.param(SMALL, EVERYBODY_BUT, True, marks=pytest.mark.long),
        ],
        ids=["some", "list", "mode", "other-mode"],
    )
    def test_a_kill_at_each_step_lets_nobody_in_who_was_not(self, at: At, first: str, second: str, every: bool) -> None:
        """Whoever both lists permit gets in at every moment, and whom both refuse never does."""
        clients = [FILTER, BRANCH, STRANGER, SPAM, "203.0.113.78", "198.51.100.11", "198.51.100.20", "192.168.1.9"]
        clients += ["2001:db8:25::1", "2001:db8:26::1", "2001:db8:99::1"]
        before, after = permitted(first, clients), permitted(second, clients)
        at.apply(first)
        step = 0
        while True:
            live = at.dying(step)
            try:
                live.apply(rules(second), PLACE, at.live.look().token, 5)
            except DiedError:
                for load in (None, at.load) if at.load else (None,):
                    if load:
                        load()
                    found = at.net.reach(clients)
                    assert before & after <= found <= before | after, step
                at.take_back()
                assert at.net.reach(clients) == before, step
                assert not at.live.differs(rules(first), PLACE), step
                step += 1 if every else at.stride
                continue
            break
        assert step > 1
        assert at.net.reach(clients) == after

    @pytest.mark.long
    @pytest.mark.timeout(600)
    def test_a_kill_at_each_step_of_confirming_leaves_one_or_the_other(self, at: At) -> None:
        if not at.dies_confirming:
            pytest.skip("to confirm is to remove one file")
        clients = [FILTER, BRANCH, STRANGER, "2001:db8:25::1", "2001:db8:99::1"]
        step, died = 0, True
        while died:
            at.apply(SMALL)
            at.apply(NARROW, 60)
            try:
                at.dying(step).confirm()
                died = False
            except DiedError:
                found = at.net.reach(clients)
                assert permitted(NARROW, clients) <= found <= permitted(SMALL, clients), step
                at.live.undo()
                assert at.net.reach(clients) in (permitted(SMALL, clients), set(clients)), step
                step += 1
        assert step

    def test_a_step_that_fails_leaves_what_was_there(self, at: At) -> None:
        at.apply(SMALL)
        for step in range(3):
            with pytest.raises(RolloutError):
                at.dying(step, lambda: RolloutError("no")).apply(rules(MOVED), PLACE, at.live.look().token, 3)
            at.take_back()
            assert at.reached() == {FILTER, BRANCH}, step
            assert not at.live.differs(rules(SMALL), PLACE)
