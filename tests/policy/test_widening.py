"""What a new policy opens by its modes."""

from __future__ import annotations

from typing import Any

import pytest

from arrowslit.policy.widening import widenings
from tests.policy.trees import policy

TEXT = """
version = 1
[next_hops.inner]
address = "smtp://192.0.2.25:25"
[accepted_domains."example.org"]
next_hop = "inner"
[virtual_servers.default.connection_control]
only_listed = [ { computer = "192.0.2.1" }, { domain = "*.branches.example.org" } ]
"""


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
