"""What a new policy would have said to the mail of the past, and what it opens by its modes."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from arrowslit.policy.rehearsal import Rehearsal, Rehearsing
from arrowslit.policy.widening import widenings
from arrowslit.upkeep.replay import case_of
from tests.policy.trees import policy

DAY = datetime.date(2026, 11, 25)
TEXT = """
version = 1
[next_hops.inner]
address = "smtp://192.0.2.25:25"
[accepted_domains."example.org"]
next_hop = "inner"
[virtual_servers.default.connection_control]
only_listed = [ { computer = "192.0.2.1" }, { domain = "*.branches.example.org" } ]
"""


def record(**fields: Any) -> dict[str, Any]:
    """A delivery from the filter, but for these fields."""
    return {
        "kind": "delivery",
        "action": "permit",
        "virtual_server": "default",
        "client_address": "192.0.2.1",
        "reverse_path": "a@elsewhere.test",
        "forward_path": "bob@example.org",
        "helo_name": "x",
        "time": 1000.0,
        **fields,
    }


def rehearsed(*records: dict[str, Any], text: str = TEXT) -> Rehearsal:
    rehearsing = Rehearsing(policy(text))
    rehearsing.take(case for one in records if (case := case_of(one, DAY)) is not None)
    return rehearsing.result


def test_what_stays_as_it_was_is_no_difference() -> None:
    refused = record(kind="decision", action="reject", client_address="203.0.113.9", client_name="x.test")
    found = rehearsed(record(), refused)
    assert (found.looked_at, found.refused, found.permitted, found.since) == (2, 0, 0, 1000.0)


def test_differences_are_counted_by_client_with_the_newest_example() -> None:
    stranger = {"client_address": "203.0.113.9", "client_name": "x.test"}
    found = rehearsed(
        record(time=1.0, **stranger),
        record(time=3.0, count=5, forward_path="carl@example.org", **stranger),
        record(time=2.0, **stranger),
        record(kind="decision", action="reject", time=9.0),
    )
    (one,) = found.newly_refused.values()
    assert (one.client, one.count, one.reason, one.last, one.recipient) == (
        "203.0.113.9",
        7,
        "may-not-connect",
        3.0,
        "carl@example.org",
    )
    (other,) = found.newly_permitted.values()
    assert (other.client, other.count) == ("192.0.2.1", 1)


def test_what_observe_let_pass_is_newly_refused_once_it_is_enforced() -> None:
    let_pass = record(kind="decision", action="permit", would_be="may-not-connect", client_address="203.0.113.9")
    delivered = record(would_be="may-not-connect", client_address="203.0.113.9", client_name="x.test")
    found = rehearsed(let_pass, delivered)
    assert (found.looked_at, found.refused) == (1, 1)


def test_what_rests_on_what_was_not_looked_up_is_said() -> None:
    found = rehearsed(record(client_address="203.0.113.9"))
    assert (found.refused, found.uncertain) == (1, 1)


def test_a_virtual_server_that_is_gone_refuses() -> None:
    assert rehearsed(record(virtual_server="old")).newly_refused["192.0.2.1"].reason == "no-such-virtual-server"


@pytest.mark.parametrize(
    "broken",
    [{"client_address": "x"}, {"forward_path": "<<>>"}, {"time": None}, {"kind": "fault"}, {"kind": "unreadable"}],
)
def test_a_record_that_says_nothing_is_passed_over(broken: dict[str, Any]) -> None:
    assert rehearsed(record(**broken)).looked_at == 0


@pytest.mark.parametrize(
    ("before", "after", "keys"),
    [
        ("", 'mode = "observe"', ["virtual_servers.default.mode"]),
        ('mode = "observe"', "", []),
        ('mode = "defer"', 'mode = "observe"', ["virtual_servers.default.mode"]),
        ("", 'mode = "defer"', []),
    ],
)
def test_wider_by_its_mode(before: str, after: str, keys: list[str]) -> None:
    def made(line: str) -> Any:
        return policy(
            TEXT.replace(
                "[virtual_servers.default.conn", f"[virtual_servers.default]\n{line}\n[virtual_servers.default.conn"
            )
        )

    assert [one.key for one in widenings(made(before), made(after))] == keys


def test_wider_by_the_mode_of_a_list() -> None:
    opened = TEXT.replace("only_listed = [ {", 'mode = "all_except_listed"\nall_except_listed = []\nonly_listed = [ {')
    found = widenings(policy(TEXT), policy(opened))
    assert [one.key for one in found] == ["virtual_servers.default.connection_control.mode"]
    assert widenings(policy(opened), policy(opened)) == []
