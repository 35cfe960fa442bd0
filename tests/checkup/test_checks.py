"""The judgement of a check-up: facts in, verdicts out."""

from __future__ import annotations

from typing import Any

import pytest

from arrowslit.checkup.checks import Check, Ending, Facts, Mx, Probe, State, judge, must_be_mended

NOW = 1_000_000_000.0
HOURS = 3600.0


def of(name: str, **facts: Any) -> Check:
    """The one check of that name."""
    (found,) = [check for check in judge(Facts(now=NOW, **facts)) if check.name == name]
    return found


@pytest.mark.parametrize(
    ("mx", "state"),
    [
        (Mx("a.test", ("mx1.filter.test", "mx2.filter.test"), ("F", "F")), State.GOOD),
        (Mx("a.test", ("mail.a.test",), ("",)), State.DOUBTFUL),
        (Mx("a.test", ("mx1.filter.test", "mail.a.test"), ("F", "")), State.BAD),
        (Mx("a.test", ("mx1.filter.test", "mx.other.test"), ("F", "G")), State.BAD),
        (Mx("a.test", ("mx.own.test",), ("",)), State.BAD),
        (Mx("a.test"), State.BAD),
        (Mx("a.test", problem="DNS gave no answer"), State.UNKNOWN),
    ],
)
def test_mx(mx: Mx, state: State) -> None:
    assert of("mx a.test", mx=[mx], own_name="mx.own.test").state is state


@pytest.mark.parametrize(("hours", "state"), [(0, State.DOUBTFUL), (71, State.DOUBTFUL), (72, State.GOOD)])
def test_an_mx_that_moved_lately(hours: int, state: State) -> None:
    mx = Mx("a.test", ("mx1.filter.test",), ("F",), since=NOW - hours * HOURS)
    assert of("mx-moved a.test", mx=[mx]).state is state


@pytest.mark.parametrize(
    ("name", "facts", "state"),
    [
        ("filter-seen", {"from_filter": 5}, State.GOOD),
        ("filter-seen", {"from_filter": 0}, State.BAD),
        ("filter-seen", {"store_problem": "away"}, State.UNKNOWN),
        ("own-address", {}, State.UNKNOWN),
        ("own-address", {"own_address": "192.0.2.1", "own_address_permitted": True}, State.GOOD),
        ("own-address", {"own_address": "192.0.2.1", "own_address_permitted": False}, State.DOUBTFUL),
        ("recipient-check inner", {"probes": [Probe("inner", 550)]}, State.GOOD),
        ("recipient-check inner", {"probes": [Probe("inner", 250)]}, State.BAD),
        ("recipient-check inner", {"probes": [Probe("inner", 451)]}, State.UNKNOWN),
        ("recipient-check inner", {"probes": [Probe("inner", problem="refused")]}, State.UNKNOWN),
        ("hidden-client", {"clients": {"172.17.0.1": 90, "192.0.2.1": 10}}, State.BAD),
        ("hidden-client", {"clients": {"203.0.113.9": 90, "198.51.100.1": 10}}, State.GOOD),
        ("hidden-client", {"clients": {"10.0.0.1": 5}}, State.UNKNOWN),
        ("certificate listeners", {"certificates": [Ending("listeners", NOW + 90 * 86_400)]}, State.GOOD),
        ("certificate listeners", {"certificates": [Ending("listeners", NOW + 9 * 86_400)]}, State.DOUBTFUL),
        ("certificate listeners", {"certificates": [Ending("listeners", NOW - 1)]}, State.BAD),
        ("certificate listeners", {"certificates": [Ending("listeners", problem="gone")]}, State.BAD),
        ("clock", {"clock_kept": True}, State.GOOD),
        ("clock", {"clock_kept": False}, State.DOUBTFUL),
        ("clock", {}, State.UNKNOWN),
        ("alias-domains", {"undeclared": {"alias.test": 3}}, State.BAD),
        ("alias-domains", {"undeclared": {"alias.test": 2}}, State.GOOD),
        ("expectations", {"filter_expected": True}, State.GOOD),
        ("expectations", {"filter_expected": False}, State.DOUBTFUL),
        ("pending", {"pending": 7}, State.DOUBTFUL),
        ("nodes", {"nodes": [("a", 7, "")], "revision": 7}, State.GOOD),
        ("node a", {"nodes": [("a", 6, "")], "revision": 7}, State.BAD),
        ("node a", {"nodes": [("a", 7, "no disk")], "revision": 7}, State.BAD),
        ("nodes", {}, State.DOUBTFUL),
    ],
)
def test_each(name: str, facts: dict[str, Any], state: State) -> None:
    found = of(name, **facts)
    assert found.state is state
    assert found.todo or found.state in (State.GOOD, State.UNKNOWN)


def test_only_the_bad_keep_from_locking() -> None:
    checks = judge(Facts(now=NOW, from_filter=0, clock_kept=False))
    assert [check.name for check in must_be_mended(checks)] == ["filter-seen"]
