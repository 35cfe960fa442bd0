"""The live enforcement point nftables in a namespace, with real packets: applied, confirmed, undone by the kernel."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from arrowslit.mail.address_range import address_set, parse_range
from arrowslit.rollout.commands import Commands
from arrowslit.rollout.nft_program import Nft
from arrowslit.rollout.nftables import NftablesPoint
from arrowslit.rollout.point import ChangedMeanwhileError, RolloutError
from arrowslit.targets.rules import Rules, rules_of
from arrowslit.targets.target import Place
from tests.peers import process
from tests.peers.outside import Outside, listening, outside
from tests.peers.process import until
from tests.targets.samples import EVERYBODY_BUT, SMALL
from tests.targets.truth import TODAY, edges, may_connect, policy_of

pytestmark = [pytest.mark.namespaces, pytest.mark.peer("nftables")]

PLACE = Place(interface="wan0")
FILTER, BRANCH, STRANGER = "83.245.15.239", "203.0.113.77", "203.0.113.99"
NARROW = SMALL.replace('  { computer = "203.0.113.77", note = "branch in Leeds" },\n', "")


def rules(text: str) -> Rules:
    return rules_of(policy_of(text), "default", TODAY)


@pytest.fixture(scope="module")
def net() -> Iterator[Outside]:
    with outside() as found, listening(found):
        yield found


@pytest.fixture
def point(net: Outside) -> Iterator[NftablesPoint]:
    program = process.by_loader("nftables", "usr/sbin/nft")
    made = NftablesPoint(Nft(program, Commands(net.machine.prefix)))
    yield made
    made.nft.load("flush ruleset\n")


def reached(net: Outside) -> set[str]:
    return net.reach([FILTER, BRANCH, STRANGER])


def test_rules_hold_for_good_after_they_were_read_back(net: Outside, point: NftablesPoint) -> None:
    assert not point.look().holds
    seen = point.apply(rules(SMALL), PLACE, point.look().token, None)
    assert (seen.holds, seen.pending_seconds, seen.wide) == (True, None, ())
    assert seen.listed == rules(SMALL).connect.listed
    assert not point.differs(rules(SMALL), PLACE)
    policy = policy_of(SMALL)
    clients = edges(policy)
    assert net.reach(clients) == {one for one in clients if may_connect(policy, one)}
    assert (point.look().refused or 0) > 0
    assert not point.undo().holds
    assert reached(net) == {FILTER, BRANCH, STRANGER}


@pytest.mark.parametrize("first", [None, SMALL, EVERYBODY_BUT])
def test_what_nobody_confirms_goes_back_by_itself(net: Outside, point: NftablesPoint, first: str | None) -> None:
    if first:
        point.apply(rules(first), PLACE, point.look().token, None)
    before = reached(net)
    seen = point.apply(rules(NARROW), PLACE, point.look().token, 6)
    assert seen.pending_seconds is not None
    assert 0 < seen.pending_seconds <= 6
    assert reached(net) == {FILTER}
    assert until(lambda: point.look().pending_seconds is None)  # nothing of ours does that
    assert reached(net) == before
    with pytest.raises(RolloutError, match="nothing is pending"):
        point.confirm()
    # What was left behind is no hindrance to the next change.
    point.apply(rules(NARROW), PLACE, point.look().token, None)
    assert reached(net) == {FILTER}


def test_what_is_confirmed_stays(net: Outside, point: NftablesPoint) -> None:
    point.apply(rules(SMALL), PLACE, point.look().token, None)
    point.apply(rules(NARROW), PLACE, point.look().token, 3)
    assert point.extend(4).pending_seconds is not None
    seen = point.confirm()
    assert (seen.holds, seen.pending_seconds) == (True, None)
    time.sleep(4.5)
    assert reached(net) == {FILTER}
    assert not point.differs(rules(NARROW), PLACE)


def test_undo_of_what_is_pending_brings_the_rules_before_it(net: Outside, point: NftablesPoint) -> None:
    point.apply(rules(SMALL), PLACE, point.look().token, None)
    point.apply(rules(NARROW), PLACE, point.look().token, 60)
    seen = point.undo()
    assert seen.listed == rules(SMALL).connect.listed
    assert reached(net) == {FILTER, BRANCH}


def test_a_change_of_somebody_else_is_not_overwritten(net: Outside, point: NftablesPoint) -> None:
    point.apply(rules(SMALL), PLACE, point.look().token, None)
    token = point.look().token
    slot = "a" if "listed4_a" in _listed(point) else "b"
    point.nft.load(f"add element inet arrowslit listed4_{slot} {{ {STRANGER} }}\n")
    with pytest.raises(ChangedMeanwhileError):
        point.apply(rules(NARROW), PLACE, token, None)
    assert reached(net) == {FILTER, BRANCH, STRANGER}
    difference = point.differs(rules(SMALL), PLACE)
    assert difference.removed == address_set([parse_range(STRANGER)])
    assert not len(difference.added)


def _listed(point: NftablesPoint) -> str:
    return str([one["set"]["name"] for one in point.nft.table("arrowslit") if "set" in one])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("flush chain inet arrowslit gate_{slot}", "the gate's rules are others"),
        ("insert rule inet arrowslit gate_{slot} accept", "the gate's rules are others"),
        ("flush chain inet arrowslit entry_{slot}", "the ports or the interface are others"),
        ("flush chain inet arrowslit prerouting", "no rule of ours holds"),
        ("add chain inet arrowslit other", "the chain other in the table inet arrowslit is not ours"),
        ("delete table inet arrowslit", "nothing of ours is there"),
    ],
)
def test_drift_is_named(point: NftablesPoint, change: str, says: str) -> None:
    point.apply(rules(SMALL), PLACE, point.look().token, None)
    slot = "a" if "listed4_a" in _listed(point) else "b"
    point.nft.load(change.format(slot=slot) + "\n")
    assert says in point.differs(rules(SMALL), PLACE).says


def test_wide_rules_of_others_are_named_and_left(point: NftablesPoint) -> None:
    point.nft.load(
        """
table ip nat {
	chain prerouting {
		type nat hook prerouting priority dstnat;
		tcp dport 25 dnat to 192.168.1.9
		tcp dport { 80, 443 } dnat to 192.168.1.8
	}
}
table inet filter {
	chain input {
		type filter hook input priority filter;
		tcp dport 20-30 accept
		ip saddr 192.0.2.0/24 tcp dport 25 accept
	}
}
"""
    )
    wide = point.look().wide
    assert [one.partition(" (")[0] for one in wide] == [
        "port 25 is also forwarded to 192.168.1.9",
        "port 25 is accepted from anywhere",
    ]
    point.apply(rules(SMALL), PLACE, point.look().token, None)
    assert point.look().wide == wide


def test_rules_that_the_kernel_does_not_take_change_nothing(net: Outside, point: NftablesPoint) -> None:
    point.apply(rules(SMALL), PLACE, point.look().token, None)
    with pytest.raises(RolloutError):
        point.apply(rules(NARROW), Place(ports=(70_000,)), point.look().token, None)
    assert reached(net) == {FILTER, BRANCH}
    assert not point.differs(rules(SMALL), PLACE)


def test_a_hundred_thousand_entries(net: Outside, point: NftablesPoint) -> None:
    lines = ", ".join(f'"11.{n >> 15}.{n >> 7 & 255}.{(n & 127) * 2}"' for n in range(100_000))
    text = NARROW.replace('"198.51.100.10-198.51.100.20"', lines)
    point.apply(rules(text), PLACE, point.look().token, None)
    assert net.reach(["11.0.0.2", "11.0.0.3", "11.3.12.0", STRANGER]) == {"11.0.0.2", "11.3.12.0"}
