"""The compiled nftables in a real kernel: every client of the samples, in packets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.peers import process
from tests.peers.outside import Outside, listening, outside
from tests.targets.samples import POLICIES, made
from tests.targets.truth import edges, may_connect, policy_of

pytestmark = [pytest.mark.namespaces, pytest.mark.peer("nftables")]


@pytest.fixture(scope="module")
def net() -> Iterator[Outside]:
    with outside() as found, listening(found):
        yield found


def apply(net: Outside, text: str) -> None:
    net.machine.run(process.by_loader("nftables", "usr/sbin/nft", "-f", "-"), given=text.encode())


@pytest.mark.parametrize("sample", sorted(POLICIES))
def test_packets_get_as_far_as_the_policy_says(net: Outside, sample: str) -> None:
    policy = policy_of(POLICIES[sample])
    apply(net, made("nftables", POLICIES[sample]).text)
    clients = edges(policy, more=200)
    assert net.reach(clients) == {one for one in clients if may_connect(policy, one)}
