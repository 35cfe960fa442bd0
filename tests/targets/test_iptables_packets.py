"""The compiled scripts in a real kernel, with both kinds of iptables: the host, and a container behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from arrowslit.targets.target import Place
from tests.peers import iptables, process
from tests.peers.behind import SERVER4, SERVER6, behind
from tests.peers.netns import Host
from tests.peers.outside import Outside, listening, outside
from tests.targets.samples import EVERYBODY_BUT, POLICIES, SMALL, made
from tests.targets.truth import edges, may_connect, policy_of

pytestmark = [pytest.mark.namespaces, pytest.mark.peer("iptables")]

ANYWHERE = Place()

DOCKER = f"""
set -e
for tables in iptables ip6tables; do
	$tables -N DOCKER-USER 2>/dev/null || :
	$tables -N DOCKER
	$tables -A FORWARD -j DOCKER-USER
	$tables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
	$tables -A FORWARD -o lan0 -j DOCKER
	$tables -A FORWARD -i lan0 -j ACCEPT
	$tables -A DOCKER ! -i lan0 -o lan0 -p tcp --dport 25 -j ACCEPT
	$tables -P FORWARD DROP
done
published="-t nat -A PREROUTING -m addrtype --dst-type LOCAL -p tcp ! -i lan0 --dport 25 -j DNAT --to-destination"
iptables $published {SERVER4}:25
ip6tables $published [{SERVER6}]:25
"""
"""What Docker makes of `-p 25:25` to a container on a bridge of its own."""

CLEAN = """
for tables in iptables ip6tables; do
	$tables -P INPUT ACCEPT; $tables -P FORWARD ACCEPT
	$tables -F; $tables -X
	$tables -t nat -F
done
ipset destroy
"""


@pytest.fixture(scope="module")
def net() -> Iterator[tuple[Outside, Host]]:
    with outside() as found, behind(found) as server, listening(found), listening(Outside(server, found.clients)):
        yield found, server


@pytest.fixture(params=iptables.BACKENDS)
def backend(request: pytest.FixtureRequest, net: tuple[Outside, Host]) -> Iterator[str]:
    yield str(request.param)
    iptables.run(str(request.param), net[0].machine, CLEAN)


def permitted(policy_text: str, clients: list[str]) -> set[str]:
    policy = policy_of(policy_text)
    return {one for one in clients if may_connect(policy, one)}


@pytest.mark.parametrize(
    ("backend", "sample"),
    [*(("nft", one) for one in sorted(POLICIES)), *(("legacy", one) for one in ("small", "everybody-but", "nobody"))],
    indirect=["backend"],
)
def test_packets_to_the_host_get_as_far_as_the_policy_says(
    net: tuple[Outside, Host], backend: str, sample: str
) -> None:
    script = made("iptables", POLICIES[sample]).text
    iptables.run(backend, net[0].machine, script)
    iptables.run(backend, net[0].machine, script)
    clients = edges(policy_of(POLICIES[sample]), more=200)
    assert net[0].reach(clients) == permitted(POLICIES[sample], clients)


@pytest.mark.parametrize(
    ("sample", "place", "docker_first"),
    [
        *((sample, ANYWHERE, True) for sample in ("small", "everybody-but", "nobody", "observe")),
        ("small", Place(interface="wan0"), True),
        ("small", ANYWHERE, False),
        ("everybody-but", Place(interface="wan0"), False),
    ],
)
def test_packets_to_a_container_get_as_far_as_the_policy_says(
    net: tuple[Outside, Host], backend: str, sample: str, place: Place, docker_first: bool
) -> None:
    script = made("iptables-docker", POLICIES[sample], place).text
    machine = net[0].machine
    for step in [DOCKER, script, script] if docker_first else [script, DOCKER]:
        iptables.run(backend, machine, step)
    clients = edges(policy_of(POLICIES[sample]), more=50)
    assert net[0].reach(clients) == permitted(POLICIES[sample], clients)


def test_without_docker_the_host_itself_is_guarded(net: tuple[Outside, Host], backend: str) -> None:
    iptables.run(backend, net[0].machine, made("iptables-docker", SMALL).text)
    clients = edges(policy_of(SMALL))
    assert net[0].reach(clients) == permitted(SMALL, clients)


def test_a_container_reached_by_its_own_address_is_guarded(net: tuple[Outside, Host], backend: str) -> None:
    iptables.run(backend, net[0].machine, DOCKER + made("iptables-docker", SMALL).text)
    clients = edges(policy_of(SMALL))
    four, six = ([one for one in clients if (":" in one) is other] for other in (False, True))
    with ThreadPoolExecutor(2) as threads:
        found = threads.submit(net[0].reach, four, to=SERVER4), threads.submit(net[0].reach, six, to=SERVER6)
        assert found[0].result() | found[1].result() == permitted(SMALL, clients)


@pytest.mark.parametrize("place", [ANYWHERE, Place(interface="wan0")], ids=["anywhere", "wan0"])
def test_a_container_may_send_and_the_host_talks_to_itself(
    net: tuple[Outside, Host], backend: str, place: Place
) -> None:
    outside_, container = net
    iptables.run(backend, outside_.machine, DOCKER)
    iptables.run(backend, outside_.machine, made("iptables-docker", POLICIES["nobody"], place).text)
    with listening(Outside(outside_.clients, outside_.machine)):
        assert container.call(process.answers("198.18.0.1", 25)), "the container can't send"
        assert container.call(process.answers("fd00::1", 25)), "the container can't send by IPv6"
        assert outside_.machine.call(process.answers("127.0.0.1", 25)), "the host can't reach itself"
        assert outside_.machine.call(process.answers(SERVER4, 25)), "the host can't reach the container"


def test_a_list_that_changes_its_mode_lets_nobody_in_meanwhile(net: tuple[Outside, Host], backend: str) -> None:
    """Every prefix of the second script's commands is a state that somebody may meet."""
    machine, first, second = net[0].machine, made("iptables", EVERYBODY_BUT), made("iptables", SMALL)
    clients = edges(policy_of(SMALL)) + edges(policy_of(EVERYBODY_BUT))
    before, after = permitted(EVERYBODY_BUT, clients), permitted(SMALL, clients)
    iptables.run(backend, machine, first.text)
    steps = re.split(r"(?m)^(?=ipset restore|iptables-restore|if \[ \"\$families\" = |for family)", second.text)
    assert len(steps) == 8
    for stop in range(3, len(steps) + 1):
        iptables.run(backend, machine, "".join(steps[:stop]))
        found = net[0].reach(clients)
        assert before & after <= found <= before | after, steps[stop - 1]
    assert found == after


def test_undone_nothing_is_left_and_the_rules_of_others_are(net: tuple[Outside, Host], backend: str) -> None:
    machine = net[0].machine
    saved = "iptables-save -t filter; ip6tables-save -t filter; ipset save"
    own = "iptables -A INPUT -p tcp --dport 22 -j ACCEPT; iptables -P INPUT ACCEPT; ip6tables -A INPUT -p tcp -j ACCEPT"
    iptables.run(backend, machine, own)
    before = _rules(iptables.run(backend, machine, saved))
    for name in ("iptables", "iptables-docker"):
        script = made(name, SMALL).text
        iptables.run(backend, machine, script)
        iptables.run(backend, machine, made(name, EVERYBODY_BUT).text)
        assert len(_rules(iptables.run(backend, machine, saved))) > len(before)
        iptables.run(backend, machine, script, "undo")
        iptables.run(backend, machine, script, "undo")
        left = [line for line in _rules(iptables.run(backend, machine, saved)) if "DOCKER-USER" not in line]
        assert left == before


def _rules(saved: str) -> list[str]:
    return [re.sub(r"\[.*\]", "", line) for line in saved.splitlines() if not line.startswith("#")]


def test_a_jump_is_made_once_and_first(net: tuple[Outside, Host], backend: str) -> None:
    machine = net[0].machine
    iptables.run(backend, machine, "iptables -A INPUT -p tcp --dport 25 -j ACCEPT")
    for _ in range(3):
        iptables.run(backend, machine, made("iptables", SMALL).text)
    rules = iptables.run(backend, machine, "iptables -S INPUT").splitlines()
    assert rules == ["-P INPUT ACCEPT", "-A INPUT -j ARROWSLIT", "-A INPUT -p tcp -m tcp --dport 25 -j ACCEPT"]


def test_many_networks_fit(net: tuple[Outside, Host], backend: str) -> None:
    many = ", ".join(f'{{ computer = "10.{n >> 15}.{n >> 7 & 255}.{n * 2 & 255}" }}' for n in range(70_000))
    script = made("iptables", SMALL.replace("only_listed = [\n", f"only_listed = [\n{many},\n", 1)).text
    iptables.run(backend, net[0].machine, script)
    iptables.run(backend, net[0].machine, script)
    assert net[0].reach(["10.0.0.2", "10.0.0.3", "10.1.2.8", "10.1.2.9"]) == {"10.0.0.2", "10.1.2.8"}


def test_what_cannot_be_loaded_leaves_what_was_there(net: tuple[Outside, Host], backend: str) -> None:
    script = made("iptables", POLICIES["nobody"]).text
    iptables.run(backend, net[0].machine, made("iptables", SMALL).text)
    broken = script.replace("-A ARROWSLIT-GATE -j DROP", "-A ARROWSLIT-GATE -j NO-SUCH-CHAIN")
    assert iptables.attempt(backend, net[0].machine, broken).returncode
    clients = edges(policy_of(SMALL), more=10)
    assert net[0].reach(clients) <= permitted(SMALL, clients), "wider than before"
