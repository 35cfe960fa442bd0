"""Where a fact is missing that could still let the client deliver, `decide` asks for it and does not refuse."""

from __future__ import annotations

from typing import Any

import pytest

from arrowslit.policy.decide import decide
from arrowslit.policy.decision import Needs, Stage
from arrowslit.policy.facts import TEMPORARY_FAILURE, UNKNOWN
from tests.policy.trees import facts, policy

TEXT = """
version = 1
[next_hops.inner]
address = "smtp://192.0.2.25:25"
[accepted_domains."example.org"]
next_hop = "inner"
[virtual_servers.default]
relay_next_hop = "inner"
authentication = { with = "users" }
connection_control = { mode = "all_except_listed" }
delivery = { mode = "only_listed" }
relay_restrictions = { only_listed = [ { domain = "mx.example" } ], allow_authenticated = ALLOW }
"""


@pytest.mark.parametrize(
    ("allow", "known", "asked"),
    [
        ("true", {"authenticated_as": UNKNOWN}, {"authenticated_as"}),
        ("true", {"authenticated_as": UNKNOWN, "client_name": UNKNOWN}, {"authenticated_as", "client_name"}),
        ("false", {"authenticated_as": "ann", "client_name": UNKNOWN}, {"client_name"}),
        ("false", {"authenticated_as": UNKNOWN, "client_name": "mx.example"}, {"authenticated_as"}),
        ("false", {"authenticated_as": UNKNOWN}, set()),
        ("true", {"authenticated_as": None, "client_name": UNKNOWN}, set()),
        ("true", {"authenticated_as": TEMPORARY_FAILURE, "client_name": UNKNOWN}, set()),
    ],
)
def test_signing_in_gives_the_right_to_deliver(allow: str, known: dict[str, Any], asked: set[str]) -> None:
    answer = decide(policy(TEXT.replace("ALLOW", allow)), Stage.RECIPIENT, facts(to="bob@example.org", **known))
    if asked:
        assert answer == Needs(frozenset(asked))
    else:
        assert not isinstance(answer, Needs)
        assert not answer.permitted
