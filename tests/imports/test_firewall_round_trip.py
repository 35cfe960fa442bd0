"""What arrowslit itself compiles for firewalls, loaded, written out by the firewall's own commands, and imported."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from arrowslit.imports.imported import Imported, Source
from arrowslit.imports.iptables.kind import IPTABLES
from arrowslit.imports.nft.kind import NFTABLES
from arrowslit.mail.address_range import address_set, parse_range
from arrowslit.mail.address_set import AddressSet
from arrowslit.policy.parts import OBSERVE
from arrowslit.targets.rules import EVERYBODY, rules_of
from arrowslit.targets.target import Place
from tests.imports.kernel import exported, nft
from tests.imports.loading import policy_from
from tests.peers import iptables
from tests.peers.outside import Outside, outside
from tests.targets.samples import HOSTILE, POLICIES, SMALL, made
from tests.targets.truth import TODAY, policy_of

pytestmark = [pytest.mark.namespaces, pytest.mark.peer("nftables"), pytest.mark.peer("iptables")]

OWN = address_set([parse_range("127.0.0.0/8"), parse_range("::1")])
SAVED = "\niptables-save; echo =; ip6tables-save; echo =; ipset save"


@pytest.fixture(scope="module")
def net() -> Iterator[Outside]:
    with outside() as found:
        yield found


def through_nft(net: Outside, text: str) -> Imported:
    return NFTABLES.read([Source("rules.json", exported(net.machine, text))])


def through_iptables(net: Outside, script: str) -> Imported:
    try:
        saved = iptables.run("nft", net.machine, script)
        saved = iptables.run("nft", net.machine, SAVED)
    finally:
        nft(net.machine, "flush", "ruleset")
        iptables.run("nft", net.machine, "ipset destroy")
    four, six, sets = saved.split("=\n")
    return IPTABLES.read([Source("four", four), Source("six", six), Source("sets", sets)])


def meant(text: str, *, with_own: bool = True) -> AddressSet:
    """Whom the policy lets connect, and what runs on the machine itself."""
    policy = policy_of(text)
    if policy.virtual_servers["default"].mode == OBSERVE:
        return EVERYBODY
    who = rules_of(policy, "default", TODAY).connect.permitted
    return who.union(OWN) if with_own else who


def of(found: Imported, server: str = "default") -> AddressSet:
    """Whom the import lets connect."""
    return rules_of(policy_from(found), server, TODAY).connect.permitted


@pytest.mark.parametrize("sample", sorted(POLICIES))
def test_nftables(net: Outside, sample: str) -> None:
    found = through_nft(net, made("nftables", POLICIES[sample]).text)
    assert of(found) == meant(POLICIES[sample])
    assert found.left == []


@pytest.mark.parametrize("sample", sorted(POLICIES))
def test_iptables(net: Outside, sample: str) -> None:
    found = through_iptables(net, made("iptables", POLICIES[sample]).text)
    assert of(found) == meant(POLICIES[sample])
    assert found.left == []


@pytest.mark.parametrize("sample", ["small", "nobody"])
def test_nftables_on_a_router(net: Outside, sample: str) -> None:
    place = Place(interface="wan0", server=(ip_address("192.168.0.5"), ip_address("2001:db8:5::5")))
    found = through_nft(net, made("nftables-router", POLICIES[sample], place).text)
    assert of(found) == meant(POLICIES[sample], with_own=False)


@pytest.mark.parametrize("place", [Place(interface="eth0"), Place()], ids=["eth0", "anywhere"])
def test_iptables_beside_docker(net: Outside, place: Place) -> None:
    found = through_iptables(net, made("iptables-docker", SMALL, place).text)
    assert of(found) == meant(SMALL)


def test_what_a_policy_says_in_words_comes_back_as_words_only(net: Outside) -> None:
    for word in HOSTILE:
        found = through_nft(net, made("nftables", SMALL, word=word).text)
        assert of(found) == meant(SMALL)
