"""What a validating resolver finds forged lets nobody in: it is SERVFAIL, and the last good answer stays."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from arrowslit.networks import spf
from arrowslit.networks.found import Failed, Found
from arrowslit.networks.hosts import addresses_of
from arrowslit.networks.resolver import Resolver
from tests.peers import nsd, unbound
from tests.peers_gateway.test_domain_entries import BRANCH, RECORDS, answer, node_asking

pytestmark = [pytest.mark.peer("nsd"), pytest.mark.peer("ldnsutils"), pytest.mark.peer("unbound")]

ZONE = [
    'good.test. TXT "v=spf1 ip4:192.0.2.1 -all"',
    'forged.test. TXT "v=spf1 ip4:192.0.2.2 -all"',
    'half.test. TXT "v=spf1 ip4:192.0.2.1 include:forged.test -all"',
    "good-host.test. A 192.0.2.3",
    "forged-host.test. A 192.0.2.4",
]


def test_a_forged_record_gives_no_address() -> None:
    with unbound.validating(ZONE, forged={"192.0.2.2": "203.0.113.2", "192.0.2.4": "203.0.113.4"}) as server:
        resolver = Resolver([server.at])
        assert isinstance(asyncio.run(spf.addresses_of(resolver, "good.test", 3.0)), Found)
        assert isinstance(asyncio.run(addresses_of(resolver, "good-host.test", 3.0)), Found)
        for name in ("forged.test", "half.test"):
            failed = asyncio.run(spf.addresses_of(resolver, name, 3.0))
            assert isinstance(failed, Failed), name
            assert "SERVFAIL" in failed.why
        failed = asyncio.run(addresses_of(resolver, "forged-host.test", 3.0))
        assert isinstance(failed, Failed)
        assert "SERVFAIL" in failed.why


def test_a_client_whose_name_is_signed_comes_in(tmp_path: Path) -> None:
    with unbound.validating(RECORDS, forged={}) as server, node_asking(tmp_path, server.at) as node:
        assert answer(node, BRANCH) == "250 2.1.5"


def test_a_client_who_forges_the_name_of_another_does_not_come_in(tmp_path: Path) -> None:
    true = [nsd.reverse(BRANCH, "leeds.branches.example.test"), "leeds.branches.example.test. A 127.0.0.99"]
    with unbound.validating(true, forged={"127.0.0.99": BRANCH}) as server, node_asking(tmp_path, server.at) as node:
        assert answer(node, BRANCH) == "450 4.7.1"
