"""The live enforcement point firewalld, with the real daemon: packets, kills within its script, rules of others."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from arrowslit.rollout.commands import Commands
from arrowslit.rollout.firewalld import Firewalld
from arrowslit.rollout.kept import KeptFile
from arrowslit.rollout.point import RolloutError
from arrowslit.rollout.scripted import ScriptedPoint
from arrowslit.targets.target import Place
from tests.peers import install
from tests.peers.firewalld import Run, firewalld
from tests.peers.outside import Outside, listening, outside
from tests.rollout.contract import BRANCH, FILTER, NARROW, PLACE, STRANGER, At, Contract, Error, rules
from tests.rollout.scripted_places import stopping
from tests.targets.samples import SMALL, made

pytestmark = [pytest.mark.namespaces, pytest.mark.peer("firewalld"), pytest.mark.timeout(600)]

_CHANGES = "*--add-*|*--remove-*|*--new-*|*--delete-*|*--set-*|*--reload*"


@pytest.fixture(scope="module")
def net() -> Iterator[Outside]:
    with outside() as found, listening(found):
        yield found


@pytest.fixture(scope="module")
def run(net: Outside, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with firewalld(net.machine, tmp_path_factory.mktemp("firewalld")) as found:
        yield found


@pytest.fixture
def at(net: Outside, run: Run, tmp_path: Path) -> Iterator[At]:
    run("firewall-cmd -q --permanent --add-service=smtp && firewall-cmd -q --reload")
    commands = Commands(run.prefix())
    inside = f"/instances/{tmp_path.parent.name}-{tmp_path.name}"
    folder = install.root("firewalld") / inside.lstrip("/")

    def stop(step: int, error: Error) -> Commands:
        return stopping(Commands(run.prefix(inside)), folder, inside, "/usr/bin/firewall-cmd", _CHANGES, step, error)

    def add(address: str) -> None:
        for how in ((), ("--permanent",)):
            commands.run("firewall-cmd", *how, "--ipset=arrowslit-only-4", f"--add-entry={address}")

    def point(given: Commands) -> ScriptedPoint:
        return ScriptedPoint(Firewalld(given), KeptFile(tmp_path / "kept.json"))

    yield At(net, commands, point, add, stop, False, 5, lambda: commands.run("firewall-cmd", "--reload"))
    shutil.rmtree(folder, ignore_errors=True)
    run("cd /etc/firewalld && rm -f zones/* policies/* ipsets/* && firewall-cmd -q --reload")


class TestContract(Contract):
    pass


def cmd(at: At, *arguments: str) -> None:
    at.commands.run("firewall-cmd", "-q", *arguments)


def test_rules_of_others_are_named_and_stay(at: At) -> None:
    for change in (
        ["--add-port=20-30/tcp"],
        ["--add-port=25/udp"],
        ["--add-forward-port=port=25:proto=tcp:toport=25:toaddr=192.168.1.9"],
        ['--add-rich-rule=rule family="ipv4" source address="10.0.0.0/8" service name="smtp" accept'],
        ['--add-rich-rule=rule service name="smtp" accept'],
        ["--zone=trusted", "--add-source=203.0.112.0/23"],
        ["--zone=work", "--add-service=smtp"],
    ):
        cmd(at, "--permanent", *change)
    cmd(at, "--reload")
    wide = at.live.look().wide
    assert wide == (
        "port 25 is accepted from anywhere (firewalld, zone public, service smtp)",
        "port 25 is accepted from anywhere (firewalld, zone public, ports)",
        "port 25 is also forwarded to 192.168.1.9 (firewalld, zone public, forward-ports)",
        'port 25 is accepted from anywhere (firewalld, zone public, rich rule rule service name="smtp" accept)',
    )
    cmd(at, "--permanent", "--remove-forward-port=port=25:proto=tcp:toport=25:toaddr=192.168.1.9")
    cmd(at, "--reload")
    at.apply(SMALL)
    assert at.reached() == {FILTER, BRANCH}
    at.live.undo()
    assert at.live.look().wide == (*wide[:2], wide[3])


def test_what_others_changed_at_run_time_is_not_dropped(at: At) -> None:
    cmd(at, "--add-service=imaps")
    with pytest.raises(RolloutError, match=r"at run time only, which loading drops \(public, services: imaps\)"):
        at.apply(SMALL)
    assert "imaps" in at.commands.run("firewall-cmd", "--list-services")
    cmd(at, "--runtime-to-permanent")
    at.apply(SMALL)
    assert "imaps" in at.commands.run("firewall-cmd", "--list-services")


def test_drift_is_named(at: At) -> None:
    at.apply(SMALL)
    drop = 'rule priority="-90" port port="25" protocol="tcp" drop'
    cmd(at, "--policy=arrowslit", f"--remove-rich-rule={drop}")
    assert at.live.differs(rules(SMALL), PLACE).says == (
        "firewalld runs others of our rules than it keeps: firewall-cmd --reload",
    )
    cmd(at, "--permanent", "--policy=arrowslit", f"--remove-rich-rule={drop}")
    cmd(at, "--permanent", "--policy=arrowslit", "--set-priority=-100")
    cmd(at, "--reload")
    assert at.live.differs(rules(SMALL), PLACE).says == (
        "the policy arrowslit has another priority, or is between other zones",
        "the rules of the policy arrowslit are others",
    )
    at.apply(SMALL)
    assert not at.live.differs(rules(SMALL), PLACE)
    assert at.live.differs(rules(SMALL), Place(ports=(25, 587))).says


@pytest.mark.long
def test_it_takes_over_from_a_script(at: At) -> None:
    at.commands.run("sh", "-s", given=made("firewalld", SMALL, PLACE).text)
    assert not at.live.differs(rules(SMALL), PLACE)
    at.apply(NARROW, 60)
    assert at.reached() == {FILTER}
    at.live.undo()
    assert at.reached() == {FILTER, BRANCH}


@pytest.mark.long
@pytest.mark.timeout(900)
def test_twenty_thousand_entries(at: At) -> None:
    """Of a hundred thousand, firewall-cmd does not wait for the end of the loading, and they are undone."""
    lines = ", ".join(f'"11.{n >> 15}.{n >> 7 & 255}.{(n & 127) * 2}"' for n in range(20_000))
    at.apply(NARROW.replace('"198.51.100.10-198.51.100.20"', lines))
    assert at.net.reach(["11.0.0.2", "11.0.0.3", "11.0.12.0", STRANGER]) == {"11.0.0.2", "11.0.12.0"}
