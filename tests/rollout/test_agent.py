"""The agent as a process of its own, asked by the commands: cut off, killed, restarted, followed, drifted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.peers import process
from tests.peers.outside import Outside, listening, outside
from tests.peers.process import until
from tests.targets.samples import SMALL

pytestmark = [pytest.mark.namespaces, pytest.mark.peer("nftables")]

FILTER, BRANCH, STRANGER = "83.245.15.239", "203.0.113.77", "203.0.113.99"
NARROW = SMALL.replace('  { computer = "203.0.113.77", note = "branch in Leeds" },\n', "")
EARLY = SMALL.replace("[virtual_servers.default]\n", '[virtual_servers.default]\nrefuse_at = "connect"\n')
SETTINGS = """\
[node]
name = "mx.example.test"
[[listeners]]
address = "127.0.0.1:2525"
[enforcement_points.firewall]
target = "nftables"
interface = "wan0"
"""
OLD, NEW = "192.0.2.1 40000 192.0.2.25 22", "192.0.2.1 40001 192.0.2.25 22"


@dataclass(slots=True)
class Site:
    """The files of a machine, and the way to run commands on it."""

    net: Outside
    folder: Path
    bin: Path

    def environment(self, connection: str = "") -> dict[str, str]:
        path = f"{self.bin}:{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "SSH_CONNECTION": connection, "PYTHONSAFEPATH": "1"}

    def run(self, *arguments: str, connection: str = OLD) -> subprocess.CompletedProcess[str]:
        """One command, over that line."""
        argv = [sys.executable, "-m", "arrowslit.cli.main", "target", *arguments]
        return subprocess.run(
            argv,
            cwd=self.folder,
            env=self.environment(connection),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def done(self, *arguments: str, connection: str = OLD) -> dict[str, object]:
        """One command that must work; what it says as JSON."""
        done = self.run(*arguments, "--json", connection=connection)
        assert done.returncode == 0, done.stderr
        said: dict[str, object] = json.loads(done.stdout)
        return said

    def policy(self, text: str) -> None:
        (self.folder / "policy.toml").write_text(text)

    def nft(self, text: str) -> None:
        self.net.machine.run([str(self.bin / "nft"), "-f", "-"], given=text.encode())

    @contextmanager
    def agent(self) -> Iterator[subprocess.Popen[bytes]]:
        """A running agent."""
        argv = [*self.net.machine.prefix, sys.executable, "-m", "arrowslit.cli.main", "agent"]
        log = (self.folder / "agent.log").open("ab")
        with log, subprocess.Popen(argv, cwd=self.folder, env=self.environment(), stderr=log) as running:
            before = self.log().count("the agent is ready")
            assert until(lambda: self.log().count("the agent is ready") > before or running.poll() is not None)
            assert running.poll() is None, self.log()
            try:
                yield running
            finally:
                running.terminate()
                running.wait(10)

    def log(self) -> str:
        return (self.folder / "agent.log").read_text()

    def reached(self) -> set[str]:
        return self.net.reach([FILTER, BRANCH, STRANGER])


@pytest.fixture(scope="module")
def net() -> Iterator[Outside]:
    with outside() as found, listening(found):
        yield found


@pytest.fixture
def site(net: Outside, tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "bin").mkdir()
    nft = tmp_path / "bin" / "nft"
    argv = " ".join(f"'{word}'" for word in process.by_loader("nftables", "usr/sbin/nft"))
    nft.write_text(f'#!/bin/sh\nexec {argv} "$@"\n')
    nft.chmod(0o755)
    (tmp_path / "arrowslit.toml").write_text(SETTINGS)
    made = Site(net, tmp_path, tmp_path / "bin")
    made.policy(SMALL)
    yield made
    made.nft("flush ruleset\n")


def test_an_administrator_who_cut_himself_off_comes_in_again(site: Site) -> None:
    with site.agent():
        assert site.done("plan", "firewall")["differs"] is True
        site.done("apply", "firewall", "--for-good")
        site.policy(NARROW)
        plan = site.done("plan", "firewall")
        assert plan["removed"] == [BRANCH]
        said = site.done("apply", "firewall", "--confirm-within", "8s")
        assert (said["named"], said["back_to"]) == ("policy.toml", "policy.toml")
        assert site.reached() == {FILTER}
        refused = site.run("confirm", "firewall", connection=OLD)
        assert refused.returncode == 1
        assert "sign in anew" in refused.stderr
        assert until(lambda: site.done("plan", "firewall")["pending_seconds"] is None, 20)
        assert site.reached() == {FILTER, BRANCH}
        assert site.run("confirm", "firewall", connection=NEW).returncode == 1
        assert site.run("drift", "firewall").returncode == 3


def test_what_is_confirmed_over_a_new_line_holds_and_undo_removes_it(site: Site) -> None:
    with site.agent():
        site.done("apply", "firewall", "--confirm-within", "1m")
        assert site.done("confirm", "firewall", connection=NEW)["pending_seconds"] is None
        assert site.run("drift", "firewall").returncode == 0
        assert site.reached() == {FILTER, BRANCH}
        assert site.done("undo", "firewall")["holds"] is False
        assert site.reached() == {FILTER, BRANCH, STRANGER}


def test_a_killed_agent_keeps_no_rule_in_force(site: Site) -> None:
    with site.agent():
        site.done("apply", "firewall", "--for-good")
    site.policy(NARROW)
    with site.agent() as running:
        site.done("apply", "firewall", "--confirm-within", "8s")
        os.kill(_child(running.pid), signal.SIGKILL)
        assert site.reached() == {FILTER}
        assert site.run("plan", "firewall").returncode == 5
        assert until(lambda: site.reached() == {FILTER, BRANCH}, 20)
    with site.agent():
        assert site.done("plan", "firewall")["pending_seconds"] is None
        site.done("apply", "firewall", "--for-good")
        assert site.reached() == {FILTER}


def _child(pid: int) -> int:
    """`ip netns exec` becomes the program itself."""
    return pid


def test_after_a_restart_of_the_machine_what_was_settled_holds_and_what_was_pending_does_not(site: Site) -> None:
    with site.agent():
        site.done("apply", "firewall", "--for-good")
        site.policy(NARROW)
        site.done("apply", "firewall", "--confirm-within", "10m")
    site.nft("flush ruleset\n")
    (record,) = (site.folder / "agent").glob("*.json")
    record.write_text(json.dumps({**json.loads(record.read_text()), "boot": "another"}))
    with site.agent():
        assert site.reached() == {FILTER, BRANCH}
        assert "is in force again after the restart" in site.log()
        assert site.done("plan", "firewall")["pending_seconds"] is None


def test_a_change_between_plan_and_apply_is_exit_4(site: Site) -> None:
    with site.agent():
        token = str(site.done("plan", "firewall")["token"])
        site.nft("add table inet arrowslit\nadd chain inet arrowslit other\n")
        done = site.run("apply", "firewall", "--for-good", "--token", token)
        assert done.returncode == 4, done.stderr
        assert site.reached() == {FILTER, BRANCH, STRANGER}


def test_a_follower_keeps_step_and_says_where_it_may_not(site: Site) -> None:
    with (site.folder / "arrowslit.toml").open("a") as file:
        file.write("follow = true\n")
    with site.agent():
        assert until(lambda: 'has refuse_at = "recipient"' in site.log())
        assert site.reached() == {FILTER, BRANCH, STRANGER}
        site.policy(EARLY)
        assert until(lambda: site.reached() == {FILTER, BRANCH}, 20)
        site.policy(EARLY.replace(BRANCH, STRANGER))
        assert until(lambda: site.reached() == {FILTER, STRANGER})
        assert site.log().count('has refuse_at = "recipient"') == 1


def test_what_cannot_be_expressed_is_not_applied(site: Site) -> None:
    site.policy(SMALL.replace("only_listed = [\n", 'only_listed = [\n  { domain = "*.branches.example.org" },\n', 1))
    with site.agent():
        done = site.run("apply", "firewall", "--for-good")
        assert done.returncode == 1
        assert "domain-entry" in done.stderr
        assert site.run("apply", "gone", "--for-good").returncode == 1
