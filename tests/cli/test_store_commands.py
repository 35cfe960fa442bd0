"""`decision`, `network`, `store`: against a real node and its store."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.node import RunningNode, serving
from tests.gateway.policies import loopback
from tests.gateway.scripted_hop import scripted
from tests.gateway.wire import Wire
from tests.peers.process import until

NETWORK = '[networks.filter]\nfile = "filter.txt"\n'


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node that has let in one message, refused three and watched one stranger."""
    folder = tmp_path_factory.mktemp("node")
    (folder / "filter.txt").write_text("127.0.0.0/26\n")
    with scripted() as hop:
        text = loopback(hop.at[1], more=NETWORK).replace('{ computer = "127.0.0.1" }', '{ network = "filter" }')
        with serving(folder, text) as running:
            assert send(running, "127.0.0.1") == 250
            for _ in range(3):
                assert send(running, "127.0.0.99", "a@<script>.test", "EHLO \x1b[31mred") == 550
            assert running.policy(text.replace('mode = "enforce"', 'mode = "observe"')).returncode == 3  # wider
            assert running.policy(text.replace('mode = "enforce"', 'mode = "observe"'), "--widen").returncode == 0
            assert send(running, "127.0.0.98") == 250
            assert until(lambda: len(decisions(running)) >= 5)
            yield running


def send(node: RunningNode, source: str, sender: str = "a@elsewhere.test", hello: str = "EHLO client.test") -> int:
    with Wire(node.at, source) as wire:
        wire.say(hello)
        wire.say("EHLO client.test")
        return wire.message("a@elsewhere.test", "bob@example.org")[0]


def decisions(node: RunningNode, *options: str) -> list[dict[str, object]]:
    said = node.run("decision", "list", "--json", *options)
    assert said.returncode == 0, said.stderr
    found: list[dict[str, object]] = json.loads(said.stdout)["decisions"]
    return found


def test_a_search_by_everything(node: RunningNode) -> None:
    assert {row["client_address"] for row in decisions(node, "--action", "reject")} == {"127.0.0.99"}
    assert (
        len(
            decisions(
                node, "--client", "127.0.0.96/29", "--reason", "may-not-connect", "--since", "1h", "--action", "reject"
            )
        )
        == 3
    )
    assert decisions(node, "--client", "203.0.113.0/24") == []
    assert len(decisions(node, "--recipient", "@example.org", "--outcome", "delivered")) == 2
    assert {row["client_address"] for row in decisions(node, "--would-be")} == {"127.0.0.98"}
    assert decisions(node, "--until", "1h") == []
    page = json.loads(node.run("decision", "list", "--json", "--limit", "2").stdout)
    rest = decisions(node, "--cursor", page["cursor"])
    assert len(page["decisions"]) == 2
    assert not [row for row in rest if row in page["decisions"]]


def test_by_client(node: RunningNode) -> None:
    said = json.loads(
        node.run(
            "decision", "list", "--by-client", "--reason", "may-not-connect", "--action", "reject", "--json"
        ).stdout
    )
    assert [(row["client"], row["count"]) for row in said["clients"]] == [("127.0.0.99", 3)]
    assert "127.0.0.98" in node.run("decision", "list", "--by-client", "--would-be").stdout


def test_for_a_reader(node: RunningNode) -> None:
    said = node.run("decision", "list", "--action", "reject")
    assert said.returncode == 0
    assert all(line.isprintable() for line in said.stdout.splitlines())
    assert said.stdout.count("may-not-connect") == 3
    assert said.stderr.startswith("time (UTC)")


def test_one_of_them(node: RunningNode) -> None:
    (row, *_) = decisions(node, "--outcome", "delivered")
    said = node.run("decision", "show", str(row["id"]))
    assert said.returncode == 0
    assert "forward_path      bob@example.org" in said.stdout
    assert node.run("decision", "show", "NOTHING").returncode == 1


@pytest.mark.parametrize(
    "options", [("--client", "x"), ("--since", "yesterday"), ("--action", "kill"), ("--limit", "0"), ("--cursor", "x")]
)
def test_wrong_input(node: RunningNode, options: tuple[str, str]) -> None:
    assert node.run("decision", "list", *options).returncode == 2


def test_watching(node: RunningNode) -> None:
    thread = threading.Timer(2.0, lambda: send(node, "127.0.0.97"))
    thread.start()
    said = node.run("decision", "watch", "--seconds", "6", "--client", "127.0.0.97", "--json")
    thread.join()
    rows = [json.loads(line) for line in said.stdout.splitlines()]
    assert {row["client_address"] for row in rows} == {"127.0.0.97"}


def test_networks_and_a_held_change(node: RunningNode) -> None:
    said = node.run("network", "list")
    assert said.stdout.startswith("filter            1 ranges, 0 pinned, 64 addresses\n  file ")
    assert node.run("network", "accept", "filter").returncode == 1
    (node.folder / "filter.txt").write_text("127.0.0.0/25\n192.0.2.0/24\n")
    assert until(lambda: "held      it would grow" in node.run("network", "list", "filter").stdout)
    said = node.run("network", "accept", "filter")
    assert said.returncode == 0, said.stderr
    assert "192.0.2.0/24" in said.stdout
    changes = json.loads(node.run("network", "list", "filter", "--changes", "--json").stdout)["changes"]
    assert [change["kind"] for change in changes][:2] == ["accepted", "held"]
    assert "127.0.0.64/26" in changes[0]["added"]
    assert node.run("network", "list", "nothing").returncode == 2
    (node.folder / "filter.txt").write_text("127.0.0.0/25\n")
    assert node.run("network", "refresh", "filter").returncode == 0
    assert until(lambda: "leaving   since" in node.run("network", "list", "filter").stdout)


def test_backup_migrate_prune(node: RunningNode, tmp_path: Path) -> None:
    assert node.run("store", "backup", str(tmp_path / "copy")).returncode == 0
    assert (tmp_path / "copy" / "store.sqlite").is_file()
    assert node.run("store", "backup", str(tmp_path / "copy")).returncode == 1  # never over another
    assert node.run("store", "migrate").returncode == 0
    assert json.loads(node.run("store", "prune", "--keep", "30d", "--json").stdout)["days_removed"] == 0
    assert node.run("store", "prune", "--to-size", "10X").returncode == 2
    time.sleep(0.1)
    assert decisions(node)


def test_without_a_store(tmp_path: Path) -> None:
    (tmp_path / "arrowslit.toml").write_text('[node]\nname = "a.test"\n[[listeners]]\naddress = "127.0.0.1:2525"\n')
    node = RunningNode(tmp_path, None, [], "127.0.0.1")  # type: ignore[arg-type]
    said = node.run("decision", "list")
    assert said.returncode == 1
    assert "there is no store" in said.stderr
    assert not (tmp_path / "state").exists()
