"""The compiled router in a real kernel: who reaches the mail server behind it, in packets."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

import pytest

from arrowslit.targets.target import Place, PlaceError
from tests.peers import process
from tests.peers.behind import SERVER4, SERVER6, behind
from tests.peers.netns import Host
from tests.peers.outside import Outside, listening, outside
from tests.targets.samples import POLICIES, SMALL, made
from tests.targets.truth import edges, may_connect, policy_of

pytestmark = [pytest.mark.namespaces, pytest.mark.peer("nftables")]

PLACE = Place(interface="wan0", server=(ip_address(SERVER4), ip_address(SERVER6)))

WIDE = f"""
table ip router {{
	chain translate {{
		type nat hook prerouting priority dstnat; policy accept;
		iifname "wan0" tcp dport 25 dnat to {SERVER4}
		iifname "wan0" tcp dport 2525 dnat to {SERVER4}:25
	}}
}}
"""
"""What routers have before anybody thinks of a filtering service; with a second door."""

STRICT = """
table inet router {
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		iifname "lan0" accept
		ct status dnat accept
		ip6 daddr 2001:db8:fffe::25 tcp dport 25 accept
	}
}
"""


@pytest.fixture(scope="module")
def net() -> Iterator[tuple[Outside, Host]]:
    with outside() as found, behind(found) as server, listening(Outside(server, found.clients)):
        yield found, server


@pytest.fixture(autouse=True)
def _bare(net: tuple[Outside, Host]) -> None:
    nft(net, "flush ruleset")


def nft(net: tuple[Outside, Host], text: str) -> str:
    return net[0].machine.run(process.by_loader("nftables", "usr/sbin/nft", "-f", "-"), given=text.encode())


def reached(net: tuple[Outside, Host], clients: list[str]) -> set[str]:
    four = [one for one in clients if ":" not in one]
    six = [one for one in clients if ":" in one]
    with ThreadPoolExecutor(2) as threads:
        found = threads.submit(net[0].reach, four), threads.submit(net[0].reach, six, to=SERVER6)
        return found[0].result() | found[1].result()


@pytest.mark.parametrize(
    ("sample", "before"),
    [
        *((sample, STRICT) for sample in sorted(set(POLICIES) - {"observe"})),
        *((sample, before) for sample in ("small", "everybody-but") for before in ("", WIDE, WIDE + STRICT)),
    ],
)
def test_packets_get_as_far_as_the_policy_says(net: tuple[Outside, Host], sample: str, before: str) -> None:
    policy = policy_of(POLICIES[sample])
    text = made("nftables-router", POLICIES[sample], PLACE).text
    nft(net, before)
    nft(net, text)
    nft(net, text)
    clients = edges(policy, more=150)
    assert reached(net, clients) == {one for one in clients if may_connect(policy, one)}


def test_a_second_door_to_the_server_is_guarded_too(net: tuple[Outside, Host]) -> None:
    clients = [one for one in edges(policy_of(SMALL), more=20) if ":" not in one]
    nft(net, WIDE)
    assert net[0].reach(clients, 2525) == set(clients)
    nft(net, made("nftables-router", SMALL, PLACE).text)
    assert net[0].reach(clients, 2525) == {one for one in clients if may_connect(policy_of(SMALL), one)}
    nft(net, "delete table inet arrowslit_router")
    assert net[0].reach(clients) == set(clients), "undone, it is as before"


def test_to_observe_leaves_the_routers_forward_as_it_is(net: tuple[Outside, Host]) -> None:
    clients = edges(policy_of(SMALL), more=20)
    four = {one for one in clients if ":" not in one}
    nft(net, made("nftables-router", POLICIES["observe"], PLACE).text)
    assert reached(net, clients) == set(clients) - four
    nft(net, WIDE)
    assert reached(net, clients) == set(clients)


def test_the_server_sends_and_its_network_is_not_touched(net: tuple[Outside, Host]) -> None:
    nft(net, made("nftables-router", POLICIES["nobody"], PLACE).text)
    net, server = net
    with listening(Outside(net.clients, net.machine)):
        assert server.call(process.answers("198.18.0.1", 25)), "the server can't send"
        assert net.machine.call(process.answers(SERVER4, 25)), "the router can't reach it"


@pytest.mark.parametrize(
    ("place", "option"),
    [
        (Place(server=PLACE.server), "--interface"),
        (Place(interface="wan0"), "--server"),
        (Place(interface='x" accept; #', server=PLACE.server), "--interface"),
    ],
)
def test_what_the_place_lacks_is_said_with_its_option(place: Place, option: str) -> None:
    with pytest.raises(PlaceError, match=option):
        made("nftables-router", SMALL, place)


def test_a_server_of_one_family_leaves_the_other_alone() -> None:
    compiled = made("nftables-router", SMALL, Place(interface="wan0", server=PLACE.server[:1]))
    assert "ip6 daddr" not in compiled.text
    assert any("IPv6" in note and "--server" in note for note in compiled.notes)
