"""The compiled script run against the real firewalld, and then packets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from arrowslit.targets.target import Place
from tests.peers.firewalld import Run, firewalld
from tests.peers.outside import Outside, listening, outside
from tests.targets.samples import EVERYBODY_BUT, POLICIES, SMALL, made
from tests.targets.truth import edges, may_connect, policy_of

SAMPLES = [
    *("small", "everybody-but", "nobody"),
    *(pytest.param(name, marks=pytest.mark.long) for name in ("everybody", "ipv6-only", "observe")),
]
pytestmark = [pytest.mark.namespaces, pytest.mark.peer("firewalld")]

WIDE = """
firewall-cmd -q --permanent --add-service=smtp
firewall-cmd -q --permanent --zone=work --add-port=25/tcp --add-interface=wan0
firewall-cmd -q --permanent --zone=trusted --add-source=203.0.112.0/23
firewall-cmd -q --reload
"""


@pytest.fixture(scope="module")
def net() -> Iterator[Outside]:
    with outside() as found, listening(found):
        yield found


@pytest.fixture(scope="module")
def run(net: Outside, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with firewalld(net.machine, tmp_path_factory.mktemp("firewalld")) as found:
        yield found


@pytest.fixture(autouse=True)
def _bare(run: Run, net: Outside) -> Iterator[None]:
    yield
    run("cd /etc/firewalld && rm -f zones/* policies/* ipsets/* && firewall-cmd -q --reload")


def permitted(policy_text: str, clients: list[str]) -> set[str]:
    policy = policy_of(policy_text)
    return {one for one in clients if may_connect(policy, one)}


@pytest.mark.parametrize("sample", SAMPLES)
def test_packets_get_as_far_as_the_policy_says(net: Outside, run: Run, sample: str) -> None:
    run(WIDE)
    run(made("firewalld", POLICIES[sample]).text)
    clients = edges(policy_of(POLICIES[sample]), more=200)
    assert net.reach(clients) == permitted(POLICIES[sample], clients)


def test_it_rests_on_no_zone(net: Outside, run: Run) -> None:
    run(made("firewalld", SMALL).text)
    clients = edges(policy_of(SMALL))
    assert net.reach(clients) == permitted(SMALL, clients)


@pytest.mark.long
def test_a_list_follows_what_changes_and_can_be_repeated(net: Outside, run: Run) -> None:
    other = SMALL.replace("203.0.113.77", "203.0.113.78").replace("2001:db8:25::/48", "2001:db8:24::/47")
    run(WIDE)
    clients = sorted(
        {*edges(policy_of(SMALL), more=9), *edges(policy_of(EVERYBODY_BUT), more=9), *edges(policy_of(other))}
    )
    for text in (SMALL, other, other, EVERYBODY_BUT, POLICIES["observe"]):
        run(made("firewalld", text).text)
        assert net.reach(clients) == permitted(text, clients)


def test_undone_the_configuration_is_as_it_was(run: Run) -> None:
    run(WIDE)
    shown = (
        "firewall-cmd --list-all-zones; firewall-cmd --list-all-policies; firewall-cmd --get-ipsets; nft list ruleset"
    )
    before = run(shown).stdout
    for text in (SMALL, EVERYBODY_BUT):
        run(made("firewalld", text, Place(ports=(587, 25))).text)
    assert run(shown).stdout != before
    run(made("firewalld", SMALL).text, "undo")
    assert run(shown).stdout == before


@pytest.mark.long
def test_what_cannot_be_loaded_leaves_what_is_in_force(net: Outside, run: Run) -> None:
    run(WIDE)
    run(made("firewalld", SMALL).text)
    broken = made("firewalld", EVERYBODY_BUT).text.replace('protocol="tcp" drop', 'protocol="tcp" no-such-verdict')
    with pytest.raises(Exception, match="no-such-verdict"):
        run(broken)
    clients = edges(policy_of(SMALL), more=10)
    assert net.reach(clients) == permitted(SMALL, clients)
    run(made("firewalld", SMALL).text)


def test_without_firewalld_it_says_so(tmp_path: Path, net: Outside) -> None:
    with outside() as other, firewalld(other.machine, tmp_path) as run:
        done = run("rm /run/dbus/system_bus_socket\n" + made("firewalld", SMALL).text, code=1)
        assert "firewalld is not running" in done.stderr
