"""Living networks on a running node: what a source says counts within seconds, and what is doubtful does not."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from arrowslit.gateway.control import request
from arrowslit.store.database import open_database
from arrowslit.upkeep.living import contents_of
from tests.gateway.node import RunningNode, serving
from tests.gateway.policies import loopback
from tests.gateway.wire import Wire
from tests.peers import nsd
from tests.peers.process import until

FILE = loopback(9, more='[networks.filter]\nfile = "filter.txt"\nremoval_grace = "3s"\n').replace(
    '{ computer = "127.0.0.1" }', '{ network = "filter" }'
)
SPF = loopback(9, more='[networks.filter]\nspf = ["_spf.filter.test"]\n').replace(
    '{ computer = "127.0.0.1" }', '{ network = "filter" }'
)
RECORDS = ['_spf.filter.test. TXT "v=spf1 ip4:127.0.0.21 -all"']


def answer(node: RunningNode, source: str) -> int:
    """What RCPT comes to: 550 refused, 451 let in (no next hop is there)."""
    with Wire(node.at, source) as wire:
        wire.say("EHLO client.test")
        wire.say("MAIL FROM:<a@elsewhere.test>")
        return wire.say("RCPT TO:<bob@example.org>")[0]


def alarms(node: RunningNode) -> dict[str, str]:
    """What somebody must act on."""
    status: dict[str, Any] = request(node.folder / "state" / "control.sock", {"do": "status"})
    return {one["name"]: one["text"] for one in status["alarms"]}


def test_a_file_that_changes_counts_within_seconds_and_what_is_gone_goes_late(tmp_path: Path) -> None:
    (tmp_path / "filter.txt").write_text("127.0.0.21\n")
    with serving(tmp_path, FILE) as node:
        assert (answer(node, "127.0.0.21"), answer(node, "127.0.0.22")) == (451, 550)
        said = json.loads(node.run("explain", "127.0.0.21", "--to", "bob@example.org", "--json").stdout)
        assert (said["action"], said["revision"]) == ("permit", 1)
        assert json.loads(node.run("explain", "127.0.0.22", "--json").stdout)["action"] == "reject"
        (tmp_path / "filter.txt").write_text("127.0.0.22\n")
        assert until(lambda: answer(node, "127.0.0.22") == 451)
        assert answer(node, "127.0.0.21") == 451  # its grace time
        assert until(lambda: answer(node, "127.0.0.21") == 550)  # with no other refresh before
        (tmp_path / "filter.txt").write_text("no address\n")
        assert until(lambda: "network-failed" in alarms(node))
        assert answer(node, "127.0.0.22") == 451  # the last good answer
        with closing(open_database(tmp_path / "state" / "store.sqlite")) as store:
            kinds = [change.kind for change in store.networks.changes("filter")]
            head = store.revisions.head()
        assert kinds[0] == "failed"
        assert kinds.count("refresh") >= 3
        assert head is not None
        assert head.revision == 1
        assert head.generation >= 4
    generations = {row["generation"] for row in node.records(action="reject")}
    assert len(generations) >= 2, generations


@pytest.mark.peer("nsd")
def test_spf_from_the_first_moment_and_over_a_restart_without_dns(tmp_path: Path) -> None:
    with nsd.authoritative(RECORDS) as server:
        dns = f'[dns]\nservers = ["{server.at}"]\n'
        with serving(tmp_path, SPF, more=dns) as node:
            assert (answer(node, "127.0.0.21"), answer(node, "127.0.0.22")) == (451, 550)
    with serving(tmp_path, SPF, more=dns) as node:
        assert (answer(node, "127.0.0.21"), answer(node, "127.0.0.22")) == (451, 550)


@pytest.mark.peer("nsd")
def test_without_any_address_nobody_is_refused_for_good(tmp_path: Path) -> None:
    with nsd.authoritative(RECORDS) as server:
        pass
    dns = f'[dns]\nservers = ["{server.at}"]\n'
    with serving(tmp_path, SPF, more=dns) as node:
        assert "everybody is deferred" in node.log
        assert 400 <= answer(node, "127.0.0.21") < 500
        with nsd.authoritative(RECORDS, port=server.port):
            node.reload()
            assert until(lambda: answer(node, "127.0.0.22") == 550, 20)
            assert answer(node, "127.0.0.21") == 451


def test_what_grows_too_much_is_held(tmp_path: Path) -> None:
    (tmp_path / "filter.txt").write_text("127.0.0.0/26\n")
    with serving(tmp_path, FILE) as node:
        (tmp_path / "filter.txt").write_text("127.0.0.0/24\n")
        assert until(lambda: "network-held" in alarms(node))
        assert answer(node, "127.0.0.99") == 550
        with closing(open_database(tmp_path / "state" / "store.sqlite")) as store:
            state = store.networks.states()["filter"]
        assert state.held
        assert contents_of(state).held_because.startswith("it would grow by 192 addresses")


def test_what_would_break_an_expectation_is_held(tmp_path: Path) -> None:
    expected = '[[expectations]]\nthat = "no stranger"\nfrom = "127.0.0.22"\noutcome = "reject"\n'
    (tmp_path / "filter.txt").write_text("127.0.0.21\n")
    with serving(tmp_path, FILE + expected) as node:
        (tmp_path / "filter.txt").write_text("127.0.0.20-127.0.0.23\n")
        assert until(lambda: "network-held" in alarms(node))
        assert "no stranger" in alarms(node)["network-held"]
        assert answer(node, "127.0.0.22") == 550


def test_a_policy_with_new_networks_is_judged_with_their_addresses(tmp_path: Path) -> None:
    (tmp_path / "filter.txt").write_text("127.0.0.21\n")
    expected = '[[expectations]]\nthat = "the filter comes in"\nfrom = "127.0.0.21"\noutcome = "permit"\n'
    with serving(tmp_path, loopback(9)) as node:
        said = node.policy(FILE + expected)
        assert said.returncode == 0, said.stderr
        assert answer(node, "127.0.0.21") == 451
        (tmp_path / "other.txt").write_text("\n")
        empty = FILE.replace("filter.txt", "other.txt").replace("networks.filter", "networks.other")
        said = node.policy(empty.replace('network = "filter"', 'network = "other"'))
        assert said.returncode == 1
        assert "no address is known of network other" in said.stderr
        rows = json.loads(node.run("policy", "history", "--json").stdout)["revisions"]
        assert len(rows) == 2
