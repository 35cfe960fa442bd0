"""`network list|refresh|accept` on a store in which a change is held, a source fails and one was not asked yet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from arrowslit.cli.main import run
from arrowslit.mail.address_range import address_set, parse_range
from arrowslit.mail.address_set import AddressSet
from arrowslit.networks import guards
from arrowslit.networks.ask import described
from arrowslit.networks.guards import Contents, Leaving, Source
from arrowslit.store.database import Database, open_database
from arrowslit.store.values import NetworkChange, NetworkState
from arrowslit.upkeep.living import contents_of, policy_of
from tests.cli.command import arrowslit
from tests.gateway.policies import loopback
from tests.store.records import NOON

NETWORKS = """
[networks.filter]
names = ["out.filter.example"]
file = "filter.txt"
addresses = ["198.51.100.25"]
[networks.branch]
spf = ["branch.example"]
addresses = ["2001:db8::/48"]
"""
POLICY = loopback(25, more=NETWORKS).replace(
    '{ computer = "127.0.0.1" }', '{ network = "filter" }, { network = "branch" }'
)


def _addresses(*texts: str) -> AddressSet:
    return address_set(map(parse_range, texts))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A store whose network `filter` has two sources, one of which fails, and holds a change."""
    settings = '[node]\nname = "mx1.test"\nstore = "store.sqlite"\n[[listeners]]\naddress = "127.0.0.1:2525"\n'
    (tmp_path / "arrowslit.toml").write_text(settings)
    policy = policy_of(POLICY)
    assert policy is not None
    contents = Contents(
        described=described(policy.networks["filter"]),
        accepted=_addresses("192.0.2.0/28"),
        held=_addresses("203.0.113.0/24"),
        held_since=NOON,
        held_because="it would grow by 256 addresses, more than 50% of 16",
        leaving=(Leaving(NOON - 60, _addresses("192.0.2.15")),),
        sources={
            "names": Source(_addresses("192.0.2.0/28"), NOON - 3600, "out.filter.example: \x1b[31mno answer"),
            "file": Source(_addresses("203.0.113.0/24"), NOON),
        },
    )
    with open_database(tmp_path / "store.sqlite", create=True) as made:
        made.revisions.first(POLICY, "jan", "")
        changes = [
            NetworkChange("filter", NOON - 120, 1, "failed", (), (), "out.filter.example: \x1b[31mno answer"),
            NetworkChange("branch", NOON - 60, 1, "recovered", (), (), ""),
            NetworkChange("filter", NOON, 1, "held", ("203.0.113.0/24",), (), contents.held_because),
        ]
        state = NetworkState("filter", guards.to_json(contents), True, NOON)
        made.networks.write([state], changes, expected_generation=1, bump=False)
        yield made


LISTED = """\
filter            2 ranges, 1 pinned, 17 addresses
  names                     2024-10-04 11:00:00  1 ranges; now: out.filter.example: \\x1b[31mno answer
  file                      2024-10-04 12:00:00  1 ranges
  failed    2024-10-04 11:58:00  out.filter.example: \\x1b[31mno answer
  held      it would grow by 256 addresses, more than 50% of 16: 203.0.113.0/24
            take it: arrowslit network accept filter
  leaving   since 2024-10-04 11:59:00: 192.0.2.15
branch            1 ranges, 1 pinned, 0 addresses, 65536 IPv6 networks of 64 bits
  spf:branch.example        not asked yet        0 ranges
"""


def test_each_network_with_its_sources(database: Database, tmp_path: Path) -> None:
    assert arrowslit("network", "list", cwd=tmp_path).out == LISTED
    (branch,) = json.loads(arrowslit("network", "list", "branch", "--json", cwd=tmp_path).out)["networks"]
    assert branch["sources"] == [{"source": "spf:branch.example", "ranges": 0, "at": None, "problem": ""}]
    assert branch["last_failure"] is None
    near = arrowslit("network", "list", "filtre", cwd=tmp_path)
    assert (near.code, near.out) == (2, "")
    assert 'did you mean "filter"?' in near.err


def test_what_the_store_has_of_other_sources_is_not_taken_for_theirs(database: Database, tmp_path: Path) -> None:
    text = POLICY.replace("out.filter.example", "other.filter.example")
    database.revisions.apply(text, expected=1, kind="apply", author="jan", message="")
    (one,) = json.loads(arrowslit("network", "list", "filter", "--json", cwd=tmp_path).out)["networks"]
    assert [source["at"] for source in one["sources"]] == [None, None]
    assert one["ranges"] == 2  # what was accepted still decides


def test_changes_newest_first(database: Database, tmp_path: Path) -> None:
    said = arrowslit("network", "list", "--changes", "--limit", "2", cwd=tmp_path)
    assert said.out == (
        "2024-10-04 12:00:00  filter  held  generation 1  it would grow by 256 addresses, more than 50% of 16\n"
        "  + 203.0.113.0/24\n"
        "2024-10-04 11:59:00  branch  recovered  generation 1\n"
    )


def test_a_held_change_is_accepted_once(database: Database, tmp_path: Path) -> None:
    said = arrowslit("network", "accept", "filter", cwd=tmp_path)
    assert (said.code, said.out) == (0, "network filter: 203.0.113.0/24 accepted, generation 2\n")
    head, state = database.revisions.head(), database.networks.states()["filter"]
    assert head is not None
    assert (head.generation, state.held) == (2, False)
    contents = contents_of(state)
    assert contents.accepted == _addresses("192.0.2.0/28", "203.0.113.0/24")
    (change, *_) = database.networks.changes("filter")
    assert (change.kind, change.generation, change.added) == ("accepted", 2, ("203.0.113.0/24",))
    assert change.because.startswith("accepted by ")
    assert arrowslit("network", "accept", "filter", cwd=tmp_path).code == 1
    assert arrowslit("network", "accept", "nothing", cwd=tmp_path).code == 2


def test_a_network_that_changes_meanwhile_is_left_as_it_is(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another node writes between what the command reads and what it writes."""
    accept = guards.accept

    def overtaken(before: Contents) -> guards.Outcome:
        other = replace(before, accepted=_addresses("192.0.2.0/27"))
        state = NetworkState("filter", guards.to_json(other), True, NOON)
        database.networks.write([state], (), expected_generation=1)
        return accept(before)

    monkeypatch.setattr(guards, "accept", overtaken)
    monkeypatch.chdir(tmp_path)
    assert run(["network", "accept", "filter"]) == 4
    assert "see what is held now: arrowslit network list filter" in capsys.readouterr().err
    assert contents_of(database.networks.states()["filter"]).accepted == _addresses("192.0.2.0/27")
    assert [change.kind for change in database.networks.changes("filter")] == ["held", "failed"]


def test_nobody_refreshes_where_no_node_runs(database: Database, tmp_path: Path) -> None:
    said = arrowslit("network", "refresh", "filter", cwd=tmp_path)
    assert (said.code, said.out) == (5, "")
    assert "no node runs here" in said.err
    assert arrowslit("network", "refresh", "nothing", cwd=tmp_path).code == 2
