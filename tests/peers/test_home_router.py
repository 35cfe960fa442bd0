"""The home router starts, forwards as upnpc asks, and treats remote hosts as the reference of targets has it."""

from __future__ import annotations

import pytest

from tests.peers import process
from tests.peers.home_router import Home, home_router

pytestmark = [
    pytest.mark.namespaces,
    pytest.mark.peer("nftables", "miniupnpd", "miniupnpd-iptables", "upnpc"),
]
BUILDS = ["nftables", "iptables"]


@pytest.mark.parametrize("build", BUILDS)
def test_a_mapping_lets_strangers_in(build: str) -> None:
    with home_router(build) as home:
        assert home.through() == ""
        home.upnpc("-a", Home.OTHER, "25", "25", "TCP")
        assert home.through() == "220 other"


@pytest.mark.parametrize(("build", "shown"), [("nftables", "''"), ("iptables", "'11.0.0.77'")])
def test_what_is_read_back_of_a_remote_host(build: str, shown: str) -> None:
    with home_router(build) as home:
        home.upnpc("-a", Home.OTHER, "465", "465", "TCP", "0", "11.0.0.77")
        line = next(line for line in home.upnpc("-l").splitlines() if "465->" in line)
        assert f"'libminiupnpc' {shown}" in line
        assert home.through(465) == ""


def test_a_remote_host_is_not_enforced_where_forwards_are_accepted() -> None:
    # As a router has it whose firewall accepts whatever was translated: the nftables build looks at the host in its
    # chain of the filter only. So a mapping can't carry a policy.
    with home_router("nftables") as home:
        home.upnpc("-a", Home.OTHER, "25", "25", "TCP", "0", "11.0.0.77")
        assert home.through() == ""
        rule = b"insert rule inet filter forward ct status dnat accept\n"
        home.router.run([*process.by_loader("nftables", "usr/sbin/nft"), "-f", "-"], given=rule)
        assert home.through() == "220 other"
