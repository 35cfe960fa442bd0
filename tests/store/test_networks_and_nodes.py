"""Contents of networks and what nodes say of themselves."""

from __future__ import annotations

import pytest

from arrowslit.store import networks
from arrowslit.store.database import Database
from arrowslit.store.errors import ChangedByOthersError, EmptyStoreError
from arrowslit.store.values import NetworkChange, NetworkState, NodeState

STATE = NetworkState("filter", '{"addresses":["192.0.2.0/24"]}', False, 1000.5)
CHANGE = NetworkChange("filter", 1000.5, 2, "refresh", ("192.0.2.0/24",), ("198.51.100.1",), "spf:example.test")


def test_states_and_changes_are_written_together_and_count_the_generation(database: Database) -> None:
    with pytest.raises(EmptyStoreError):
        database.networks.write([STATE], [CHANGE], expected_generation=1)
    assert database.networks.states() == {}
    database.revisions.first("one", "mx1", "")
    head = database.networks.write([STATE], [CHANGE], expected_generation=1)
    assert (head.generation, head.version) == (2, 2)
    assert head == database.revisions.head()
    assert database.networks.states() == {"filter": STATE}
    assert database.networks.changes() == [CHANGE]


def test_of_two_refreshes_of_one_generation_the_second_changes_nothing(database: Database) -> None:
    database.revisions.first("one", "mx1", "")
    database.networks.write([STATE], [CHANGE], expected_generation=1)
    late = NetworkState("filter", "{}", True, 1001.0)
    with pytest.raises(ChangedByOthersError) as caught:
        database.networks.write([late], [CHANGE, CHANGE], expected_generation=1, forget=["filter"])
    assert caught.value.head.generation == 2
    assert database.networks.states() == {"filter": STATE}
    assert database.networks.changes() == [CHANGE]


def test_a_state_that_changes_no_address_leaves_the_generation(database: Database) -> None:
    first = database.revisions.first("one", "mx1", "")
    held = NetworkState("filter", "{}", True, 1.0)
    gone = NetworkState("gone", "{}", False, 1.0)
    assert database.networks.write([held, gone], [], expected_generation=1, bump=False) == first
    assert database.networks.write([STATE], [], expected_generation=1, bump=False, forget=["gone"]) == first
    assert database.networks.states() == {"filter": STATE}


def test_changes_are_read_newest_first_and_the_oldest_are_let_go_of(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "KEPT_CHANGES", 5)
    database.revisions.first("one", "mx1", "")
    for number in range(8):
        change = NetworkChange("even" if number % 2 == 0 else "odd", float(number), 1, "failed", (), (), "servfail\0")
        database.networks.write([], [change], expected_generation=1, bump=False)
    assert [change.at for change in database.networks.changes()] == [7.0, 6.0, 5.0, 4.0, 3.0]
    assert [change.at for change in database.networks.changes("even")] == [6.0, 4.0]
    assert [change.at for change in database.networks.changes(limit=1)] == [7.0]
    assert database.networks.changes("none") == []


def test_a_node_has_one_state_the_last_it_told(database: Database) -> None:
    one = NodeState("mx1", 0, 0, "0.1.0", 5.5, "")
    two = NodeState("mx2", 1, 1, "0.1.0", 6.5, "\ud800 can't be read")
    database.nodes.report(two)
    database.nodes.report(NodeState("mx1", 9, 9, "0.0.9", 1.5, "old"))
    database.nodes.report(one)
    assert [node.node for node in database.nodes.list()] == ["mx1", "mx2"]
    assert database.nodes.list()[0] == one
    assert database.nodes.list()[1].problem == "\ufffd can't be read"
    assert database.nodes.forget("mx2")
    assert not database.nodes.forget("mx2")
    assert database.nodes.list() == [one]
