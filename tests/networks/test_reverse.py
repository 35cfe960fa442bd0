"""Reverse names and their confirmation, asked of a real server on loopback."""

from __future__ import annotations

import asyncio
import socket
import time
from ipaddress import ip_address

import dns.resolver
import pytest

from arrowslit.mail.address import IPAddress
from arrowslit.networks.name_cache import LONGEST, SHORTEST, Name, NameCache, Names
from arrowslit.networks.resolver import Resolver
from arrowslit.networks.reverse import client_names
from arrowslit.policy.facts import TEMPORARY_FAILURE
from tests.networks.dns_server import Data, DnsServer, Trouble, serving

V4 = ip_address("192.0.2.1")
V6 = ip_address("2001:db8::1")
PTR4 = (V4.reverse_pointer, "PTR")
Zone = dict[tuple[str, str], Data]


def names(zone: Zone, address: IPAddress = V4, timeout: float = 3.0, **more: frozenset[str]) -> Names:
    """What is found with this zone."""

    async def run() -> Names:
        async with serving(DnsServer(zone, **more)) as server:  # type: ignore[arg-type]
            return await client_names(address, Resolver([server.address]), timeout)

    return asyncio.run(run())


GOOD: Zone = {PTR4: ["mx.example.net."], ("mx.example.net", "A"): ["198.51.100.9", "192.0.2.1"]}


@pytest.mark.parametrize(
    ("zone", "reverse_name", "client_name"),
    [
        pytest.param(GOOD, "mx.example.net", "mx.example.net", id="good"),
        pytest.param({}, None, None, id="no PTR"),
        pytest.param({(V4.reverse_pointer, "TXT"): ["x"]}, None, None, id="no data"),
        pytest.param({PTR4: ["mx.example."]}, "mx.example", None, id="forged: the name is not there"),
        pytest.param(
            {PTR4: ["mx.bank.example."], ("mx.bank.example", "A"): ["198.51.100.9"]},
            "mx.bank.example",
            None,
            id="forged: the name is another's",
        ),
        pytest.param(
            {PTR4: ["MX.Example.NET."], ("mx.example.net", "A"): ["192.0.2.1"]},
            "mx.example.net",
            "mx.example.net",
            id="capitals",
        ),
        pytest.param(
            {PTR4: ["a.example.", "b.example."], ("b.example", "A"): ["192.0.2.1"]},
            "b.example",
            "b.example",
            id="the second name is the true one",
        ),
        pytest.param(
            {
                PTR4: ["a.example.", "b.example."],
                ("a.example", "A"): Trouble.SERVFAIL,
                ("b.example", "A"): ["192.0.2.1"],
            },
            "b.example",
            "b.example",
            id="a failure beside the true one",
        ),
        pytest.param(
            {PTR4: ["a.example.", "b.example."], ("a.example", "A"): Trouble.SERVFAIL},
            "a.example",
            TEMPORARY_FAILURE,
            id="a failure beside a forged one",
        ),
        pytest.param(
            {
                (V4.reverse_pointer, "CNAME"): ["1.part.2.0.192.in-addr.arpa."],
                ("1.part.2.0.192.in-addr.arpa", "PTR"): ["mx.example."],
                ("mx.example", "CNAME"): ["host.example."],
                ("host.example", "A"): ["192.0.2.1"],
            },
            "mx.example",
            "mx.example",
            id="aliases, RFC 2317",
        ),
        pytest.param({PTR4: ["."]}, None, None, id="the root is no name"),
        pytest.param({PTR4: ["localhost."]}, None, None, id="one label is no name"),
        pytest.param({PTR4: ["a\\032b.example.", "\\000.example."]}, None, None, id="no host name"),
        pytest.param({PTR4: ["192.0.2.1."]}, "192.0.2.1", None, id="an address as a name"),
    ],
)
def test_names(zone: Zone, reverse_name: Name, client_name: Name) -> None:
    assert names(zone) == (reverse_name, client_name)


@pytest.mark.parametrize("trouble", [Trouble.SERVFAIL, Trouble.REFUSED, Trouble.GARBAGE, Trouble.OTHER_QUESTION])
def test_a_failing_server_is_a_failure_for_now(trouble: Trouble) -> None:
    assert names({PTR4: trouble}, timeout=0.6) == (TEMPORARY_FAILURE, TEMPORARY_FAILURE)
    assert names({PTR4: ["mx.example."], ("mx.example", "A"): trouble}, timeout=0.6) == (
        "mx.example",
        TEMPORARY_FAILURE,
    )


@pytest.mark.parametrize("zone", [{PTR4: Trouble.SILENCE}, {**GOOD, ("mx.example.net", "A"): Trouble.SILENCE}])
def test_silence_takes_no_longer_than_told(zone: Zone) -> None:
    started = time.monotonic()
    assert names(zone, timeout=0.3)[1] is TEMPORARY_FAILURE
    assert time.monotonic() - started < 1.5


def test_an_alias_that_leads_to_itself() -> None:
    loop: Zone = {PTR4: ["a.example."], ("a.example", "CNAME"): ["b.example."], ("b.example", "CNAME"): ["a.example."]}
    assert names(loop) == ("a.example", TEMPORARY_FAILURE)


def test_an_answer_that_is_too_long_comes_over_tcp() -> None:
    assert names(GOOD, truncated=frozenset({V4.reverse_pointer})) == ("mx.example.net", "mx.example.net")


def test_ipv6() -> None:
    zone: Zone = {
        (V6.reverse_pointer, "PTR"): ["mx.example."],
        ("mx.example", "AAAA"): ["2001:0db8:0:0::0001"],
        ("mx.example", "A"): ["192.0.2.1"],
    }
    assert names(zone, V6) == ("mx.example", "mx.example")
    assert names({**zone, ("mx.example", "AAAA"): ["2001:db8::2"]}, V6) == ("mx.example", None)


def test_a_mapped_address_is_the_ipv4_address() -> None:
    assert names(GOOD, ip_address("::ffff:192.0.2.1")) == ("mx.example.net", "mx.example.net")


def test_no_more_than_five_names_are_asked_for() -> None:
    async def run() -> list[tuple[str, str]]:
        async with serving(DnsServer({PTR4: [f"n{number}.example." for number in range(30)]})) as server:
            await client_names(V4, Resolver([server.address]), 3.0)
            return server.asked

    asked = asyncio.run(run())
    assert sorted(set(asked[1:])) == [(f"n{number}.example", "A") for number in (0, 1, 10, 11, 12)]


# The cache


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def asked_again_after(zone: Zone, ttl: int, seconds: float) -> bool:
    """Whether a second look-up, that long after the first, asks the server."""

    async def run() -> bool:
        clock = Clock()
        async with serving(DnsServer(zone, ttl=ttl)) as server:
            resolver = Resolver([server.address], clock=clock)
            first = await client_names(V4, resolver, 1.0)
            asked = len(server.asked)
            clock.now = seconds
            assert await client_names(V4, resolver, 1.0) == first
            return len(server.asked) > asked

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("zone", "ttl", "kept"),
    [
        (GOOD, 100, 100),
        (GOOD, 1, SHORTEST),
        (GOOD, 90_000, LONGEST),
        ({}, 60, 60),
        ({**GOOD, ("mx.example.net", "A"): Trouble.SERVFAIL}, 100, SHORTEST),
    ],
)
def test_how_long_names_are_kept(zone: Zone, ttl: int, kept: float) -> None:
    assert not asked_again_after(zone, ttl, kept - 1)
    assert asked_again_after(zone, ttl, kept)


def test_the_cache_is_bounded_and_drops_the_oldest() -> None:
    cache = NameCache(Clock(), entries=2)
    addresses = [ip_address(f"192.0.2.{number}") for number in range(3)]
    for address in addresses:
        cache.keep(address, ("a.example", None), 60)
    assert len(cache) == 2
    assert [cache.get(address) is None for address in addresses] == [True, False, False]


# The servers


@pytest.mark.parametrize("server", ["", "x", "localhost", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "[::1]:x"])
def test_what_is_no_server(server: str) -> None:
    with pytest.raises(ValueError, match="no "):
        Resolver([server])


@pytest.mark.parametrize("server", ["127.0.0.1", "::1", "127.0.0.1:5353", "[::1]:5353"])
def test_what_is_a_server(server: str) -> None:
    Resolver([server])


def test_a_dead_server_is_a_failure_and_the_next_is_asked() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        dead = f"127.0.0.1:{unused.getsockname()[1]}"

    async def run() -> tuple[Names, Names]:
        async with serving(DnsServer(GOOD)) as server:
            alone = await client_names(V4, Resolver([dead]), 0.5)
            return alone, await client_names(V4, Resolver([dead, server.address]), 10.0)

    alone, followed = asyncio.run(run())
    assert alone == (TEMPORARY_FAILURE, TEMPORARY_FAILURE)
    assert followed == ("mx.example.net", "mx.example.net")


def test_a_missing_resolv_conf_is_told_and_looked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    real = dns.resolver.BaseResolver.read_resolv_conf

    def elsewhere(self: dns.resolver.BaseResolver, _file: str) -> None:
        real(self, "/nonexistent/resolv.conf")

    monkeypatch.setattr(dns.resolver.BaseResolver, "read_resolv_conf", elsewhere)
    resolver = Resolver()
    assert resolver.problem is not None
    assert asyncio.run(client_names(V4, resolver, 0.5)) == (TEMPORARY_FAILURE, TEMPORARY_FAILURE)

    def there(self: dns.resolver.BaseResolver, _file: str) -> None:
        self.nameservers = ["127.0.0.1"]

    monkeypatch.setattr(dns.resolver.BaseResolver, "read_resolv_conf", there)
    asyncio.run(resolver.ask("x.example", "A", 0.05))
    assert resolver.problem is None
