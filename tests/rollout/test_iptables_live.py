"""The live enforcement point iptables with ipset, both kinds, in a namespace: packets, the kernel's timer, kills."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from arrowslit.rollout.commands import Commands
from arrowslit.rollout.ipt_program import Kernel
from arrowslit.rollout.iptables import IptablesPoint
from arrowslit.rollout.point import RolloutError
from arrowslit.targets.target import Place
from tests.peers import iptables
from tests.peers.chroot import command
from tests.peers.outside import Outside, listening, outside
from tests.rollout.contract import BRANCH, FILTER, NARROW, PLACE, STRANGER, At, Contract, Dying, Error, rules
from tests.targets.samples import EVERYBODY_BUT, SMALL, made
from tests.targets.test_iptables_packets import CLEAN

pytestmark = [pytest.mark.namespaces, pytest.mark.peer("iptables")]


@pytest.fixture(scope="module")
def net() -> Iterator[Outside]:
    with outside() as found, listening(found):
        yield found


@pytest.fixture(params=iptables.BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def at(net: Outside, backend: str) -> Iterator[At]:
    iptables.run(backend, net.machine, "")
    commands = Commands((*net.machine.prefix, *command("iptables", [], path=f"/instances/{backend}")))

    def changes(argv: tuple[str, ...]) -> bool:
        return argv[0].endswith("-restore") or argv[:2] in {("ipset", "restore"), ("ipset", "destroy")}

    def add(address: str) -> None:
        names = commands.run("ipset", "list", "-n").split()
        commands.run("ipset", "add", next(one for one in names if one.endswith("-4")), address)

    def stopping(step: int, error: Error) -> Commands:
        return Dying(commands.prefix, commands.seconds, [step], changes, error)

    yield At(net, commands, lambda given: IptablesPoint(Kernel(given)), add, stopping)
    iptables.run(backend, net.machine, CLEAN)


class TestContract(Contract):
    pass


def run(at: At, script: str) -> str:
    return at.commands.run("sh", "-s", given=script)


def test_the_kernel_goes_back_for_both_families_by_itself(at: At) -> None:
    at.apply(SMALL)
    seen = at.apply(NARROW, 5)
    assert seen.pending_seconds is not None
    assert 0 < seen.pending_seconds <= 5
    at.take_back()
    assert at.live.look().listed == rules(SMALL).connect.listed
    assert at.reached() == {FILTER, BRANCH}


def test_it_takes_over_from_a_script_and_a_script_from_it(at: At) -> None:
    run(at, made("iptables", SMALL, PLACE).text)
    assert not at.live.differs(rules(SMALL), PLACE)
    at.apply(EVERYBODY_BUT, 60)
    assert at.reached() == {FILTER, BRANCH, STRANGER}
    at.live.undo()
    assert at.reached() == {FILTER, BRANCH}
    at.apply(NARROW)
    at.live.load(made("iptables", SMALL, PLACE).text)
    assert at.reached() == {FILTER, BRANCH}
    assert not at.live.differs(rules(SMALL), PLACE)
    at.apply(NARROW)
    run(at, made("iptables", SMALL, PLACE).text + "\n")
    at.live.undo()
    left = run(at, "iptables-save -t filter; ip6tables-save -t filter; ipset list -n")
    assert "ARROWSLIT" not in left.upper()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("iptables -F ARROWSLIT-GATE-A", "IPv4: the gate's rules are others"),
        ("ip6tables -I ARROWSLIT-GATE-A -j ACCEPT", "IPv6: the gate's rules are others"),
        ("iptables -A ARROWSLIT -p tcp --dport 587 -j ARROWSLIT-GATE-A", "IPv4: the ports or the interface are others"),
        ("iptables -F ARROWSLIT", "IPv4: no rule of ours holds"),
        ("ip6tables -D INPUT -j ARROWSLIT", "IPv6: no packet comes to the chain ARROWSLIT: INPUT has no jump to it"),
        (
            "iptables -I INPUT -p tcp --dport 25 -j ACCEPT",
            "strangers are accepted before they come to the chain ARROWSLIT (iptables, table filter, chain INPUT, rule"
            " 1): put its jump first",
        ),
    ],
)
def test_drift_is_named(at: At, change: str, says: str) -> None:
    at.apply(SMALL)
    run(at, change)
    assert says in at.live.differs(rules(SMALL), PLACE).says


def test_wide_rules_of_others_are_named_and_left(at: At) -> None:
    others = """
iptables -t nat -A PREROUTING -i wan0 -p tcp --dport 25 -j DNAT --to-destination 192.168.1.9
iptables -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 192.168.1.8
iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables -A INPUT -i lo -j ACCEPT
iptables -N mail
iptables -A INPUT -p tcp -m multiport --dports 25,587 -j mail
iptables -A mail -s 192.0.2.0/24 -j ACCEPT
iptables -A mail -p tcp -m tcp --dport 20:30 -m comment --comment "let's go" -j ACCEPT
iptables -A OUTPUT -p tcp --dport 25 -j ACCEPT
ip6tables -A INPUT -p tcp --dport 25 -j ACCEPT
"""
    run(at, others)
    wide = at.live.look().wide
    assert wide == (
        "port 25 is also forwarded to 192.168.1.9 (iptables, table nat, chain PREROUTING, rule 1)",
        "port 25 is accepted from anywhere (iptables, table filter, chain mail, rule 2)",
        "port 25 is accepted from anywhere (ip6tables, table filter, chain INPUT, rule 1)",
    )
    run(at, "iptables -t nat -F")
    at.apply(SMALL)
    assert at.live.look().wide[-1] == wide[2].replace("rule 1", "rule 2")
    assert at.reached() == {FILTER, BRANCH}
    at.live.undo()
    assert at.live.look().wide == wide[1:]


def test_rules_of_others_before_ours_stop_a_change(at: At) -> None:
    at.apply(SMALL)
    run(at, "iptables -I INPUT -j ACCEPT")
    with pytest.raises(RolloutError, match="put its jump first"):
        at.apply(NARROW)
    run(at, "iptables -D INPUT -j ACCEPT; iptables -I INPUT -s 10.0.0.0/8 -j ACCEPT")
    at.apply(NARROW)
    assert at.reached() == {FILTER}


def test_other_ports_and_an_interface(at: At) -> None:
    at.apply(SMALL, place=Place(ports=(25, 587)))
    with listening(at.net, 587):
        at.apply(NARROW, 60, Place(interface="wan0"))
        assert at.reached() == {FILTER}
        assert at.net.reach([BRANCH, STRANGER], 587) == {BRANCH, STRANGER}
        at.live.undo()
        assert at.net.reach([BRANCH, STRANGER], 587) == {BRANCH}


def test_rules_that_the_kernel_does_not_take_change_nothing(at: At) -> None:
    at.apply(SMALL)
    with pytest.raises(ValueError, match="interface"):
        at.apply(NARROW, place=Place(interface="a" * 40))
    assert at.reached() == {FILTER, BRANCH}
    assert not at.live.differs(rules(SMALL), PLACE)


def test_a_hundred_thousand_entries(at: At) -> None:
    lines = ", ".join(f'"11.{n >> 15}.{n >> 7 & 255}.{(n & 127) * 2}"' for n in range(100_000))
    at.apply(NARROW.replace('"198.51.100.10-198.51.100.20"', lines))
    assert at.net.reach(["11.0.0.2", "11.0.0.3", "11.3.12.0", STRANGER]) == {"11.0.0.2", "11.3.12.0"}
