"""The live enforcement point ufw, with the real program: packets, kills within its script, rules of others."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from arrowslit.rollout.commands import Commands
from arrowslit.rollout.kept import KeptFile
from arrowslit.rollout.point import RolloutError
from arrowslit.rollout.scripted import ScriptedPoint
from arrowslit.rollout.ufw import Ufw
from arrowslit.targets.target import Place
from tests.peers import install
from tests.peers.outside import Outside, listening, outside
from tests.peers.ufw import ufw
from tests.rollout.contract import BRANCH, FILTER, NARROW, PLACE, SPAM, STRANGER, At, Contract, Error, rules
from tests.rollout.scripted_places import stopping
from tests.targets.samples import SMALL, made

pytestmark = [pytest.mark.namespaces, pytest.mark.peer("ufw"), pytest.mark.timeout(600)]

_CHANGES = "prepend*|insert*|delete*|deny*|allow*"


@pytest.fixture(scope="module")
def net() -> Iterator[Outside]:
    with outside() as found, listening(found):
        yield found


@pytest.fixture
def at(net: Outside, tmp_path: Path) -> Iterator[At]:
    with ufw(net.machine) as run:
        run("ufw allow 25/tcp")
        commands = Commands(run.prefix())
        inside = f"/instances/{tmp_path.parent.name}-{tmp_path.name}"
        folder = install.root("ufw") / inside.lstrip("/")

        def stop(step: int, error: Error) -> Commands:
            given = Commands(run.prefix(inside))
            return stopping(given, folder, inside, "/usr/sbin/ufw", _CHANGES, step, error)

        def add(address: str) -> None:
            commands.run("ufw", "prepend", *f"allow from {address} to any port 25 proto tcp comment arrowslit".split())

        yield At(
            net,
            commands,
            lambda given: ScriptedPoint(Ufw(given), KeptFile(tmp_path / "kept.json")),
            add,
            stop,
            dies_confirming=False,
            stride=4,
            load=lambda: commands.run("ufw", "reload"),
        )
        shutil.rmtree(folder, ignore_errors=True)


class TestContract(Contract):
    pass


def test_rules_of_others_are_named_and_stay(at: At) -> None:
    at.commands.run("sh", "-s", given="ufw allow 25\nufw allow 20:30/tcp\nufw allow 22/tcp\nufw limit 25/udp\n")
    at.commands.run("sh", "-s", given="ufw allow from 198.51.100.200 to any port 25\nufw default allow incoming\n")
    wide = at.live.look().wide
    assert wide == (
        "port 25 is accepted from anywhere (ufw, rule 1: 25/tcp)",
        "port 25 is accepted from anywhere (ufw, rule 2: 25)",
        "port 25 is accepted from anywhere (ufw, rule 3: 20:30/tcp)",
        "port 25 is accepted from anywhere (ufw, rule 7: 25/tcp (v6))",
        "port 25 is accepted from anywhere (ufw, rule 8: 25 (v6))",
        "port 25 is accepted from anywhere (ufw, rule 9: 20:30/tcp (v6))",
        "every port is accepted from anywhere (ufw, default allow incoming)",
    )
    at.apply(SMALL)
    assert len(at.live.look().wide) == len(wide)
    assert at.net.reach([FILTER, BRANCH, STRANGER, SPAM]) == {FILTER, BRANCH}
    at.live.undo()
    assert at.live.look().wide == wide


def test_a_rule_of_others_before_ours_stops_a_change(at: At) -> None:
    at.apply(SMALL)
    at.commands.run("ufw", "prepend", "allow", "to", "any", "port", "25")
    assert at.live.differs(rules(SMALL), PLACE)
    with pytest.raises(RolloutError, match=r"accepted before ours is asked \(ufw, rule 1: 25\)"):
        at.apply(NARROW)


def test_drift_is_named(at: At) -> None:
    at.apply(SMALL)
    at.commands.run("iptables", "-F", "ufw-user-input")
    assert at.live.differs(rules(SMALL), PLACE).says == (
        "IPv4: the kernel does not have the rules that ufw keeps: ufw reload",
    )
    at.commands.run("ufw", "reload")
    assert not at.live.differs(rules(SMALL), PLACE)
    assert at.live.differs(rules(SMALL), Place(ports=(25, 587))).says == (
        "the ports, the interface or the mode are others",
    )
    at.commands.run("ufw", "--force", "delete", *["deny", "from", "::/1", "to", "any", "port", "25", "proto", "tcp"])
    assert at.live.differs(rules(SMALL), PLACE).says == ("others are refused than everybody else",)
    at.commands.run("ufw", "disable")
    assert "ufw is not active: ufw enable" in at.live.differs(rules(SMALL), PLACE).says
    assert not at.live.look().holds


@pytest.mark.long
def test_it_takes_over_from_a_script(at: At) -> None:
    at.commands.run("sh", "-s", given=made("ufw", SMALL, PLACE).text)
    assert not at.live.differs(rules(SMALL), PLACE)
    at.apply(NARROW, 60)
    assert at.reached() == {FILTER}
    at.live.undo()
    assert at.reached() == {FILTER, BRANCH}
