"""The addresses of SPF records, asked at a real DNS server with zones that break in every way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from arrowslit.mail.address_range import address_set, parse_range
from arrowslit.networks import spf
from arrowslit.networks.found import Answer, Failed, Found
from arrowslit.networks.hosts import addresses_of
from arrowslit.networks.resolver import Resolver
from tests.peers import nsd

pytestmark = pytest.mark.peer("nsd")

LONG = " ".join(f"ip4:198.51.{n // 256}.{n % 256}" for n in range(300))
PARTS = ["v=spf1 ", *(LONG[at : at + 200] for at in range(0, len(LONG), 200)), " -all"]
RECORDS = [
    'plain.test. TXT "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/48 ~all"',
    'plain.test. TXT "something else"',
    'split.test. TXT "v=spf1 ip4:192.0" ".2.9 -all"',
    'include.test. TXT "v=spf1 include:plain.test a:host.test/28 mx -all"',
    "host.test. A 203.0.113.17",
    "host.test. AAAA 2001:db8:1::1",
    "include.test. MX 10 mx1.include.test.",
    "include.test. MX 20 mx2.include.test.",
    "mx1.include.test. A 198.51.100.1",
    "mx2.include.test. A 198.51.100.2",
    'redirect.test. TXT "v=spf1 redirect=plain.test"',
    'not.test. TXT "v=spf1 -ip4:192.0.2.1 ip4:192.0.2.2 ?ip4:192.0.2.3 exp=why.test -all"',
    'loop.test. TXT "v=spf1 ip4:192.0.2.1 include:loop2.test -all"',
    'loop2.test. TXT "v=spf1 include:loop.test -all"',
    *(f'many.test. TXT "v=spf1 {" ".join(f"include:m{n}.test" for n in range(11))} -all"' for _ in range(1)),
    *(f'm{n}.test. TXT "v=spf1 ip4:192.0.2.{n} -all"' for n in range(11)),
    'void.test. TXT "v=spf1 ip4:192.0.2.1 a:no1.test a:no2.test a:no3.test -all"',
    'void2.test. TXT "v=spf1 ip4:192.0.2.1 a:no1.test a:no2.test -all"',
    'two.test. TXT "v=spf1 ip4:192.0.2.1 -all"',
    'two.test. TXT "v=spf1 ip4:192.0.2.2 -all"',
    'macro.test. TXT "v=spf1 include:%{d}.plain.test -all"',
    'exists.test. TXT "v=spf1 ip4:192.0.2.1 exists:%{i}.list.test ptr -all"',
    'open.test. TXT "v=spf1 +all"',
    'empty.test. TXT "v=spf1 -all"',
    'broken.test. TXT "v=spf1 ip4:192.0.2.300 -all"',
    'unknown.test. TXT "v=spf1 whatever:x -all"',
    'none.test. TXT "no record"',
    "huge.test. TXT " + " ".join(f'"{part}"' for part in PARTS),
    "alias.test. CNAME plain.test.",
    "around.test. CNAME around2.test.",
    "around2.test. CNAME around.test.",
]


@contextmanager
def resolver() -> Iterator[Resolver]:
    with nsd.authoritative(RECORDS) as server:
        yield Resolver([server.at])


@pytest.fixture(scope="module")
def asked() -> Iterator[Resolver]:
    with resolver() as one:
        yield one


def look(asked: Resolver, name: str) -> Answer:
    return asyncio.run(spf.addresses_of(asked, name, 3.0))


@pytest.mark.parametrize(
    ("name", "ranges"),
    [
        ("plain.test", ["192.0.2.0/24", "2001:db8::/48"]),
        ("split.test", ["192.0.2.9"]),
        (
            "Include.Test.",
            ["192.0.2.0/24", "2001:db8::/48", "203.0.113.16/28", "2001:db8:1::1", "198.51.100.1-198.51.100.2"],
        ),
        ("redirect.test", ["192.0.2.0/24", "2001:db8::/48"]),
        ("not.test", ["192.0.2.2"]),
        ("void2.test", ["192.0.2.1"]),
        ("exists.test", ["192.0.2.1"]),
        ("alias.test", ["192.0.2.0/24", "2001:db8::/48"]),
    ],
)
def test_what_a_record_lists(asked: Resolver, name: str, ranges: list[str]) -> None:
    found = look(asked, name)
    assert isinstance(found, Found), found
    assert found.addresses == address_set(parse_range(text) for text in ranges)
    assert found.seconds == 60


def test_a_huge_record_comes_over_tcp(asked: Resolver) -> None:
    found = look(asked, "huge.test")
    assert isinstance(found, Found), found
    assert len(list(found.addresses.ranges())) >= 1
    assert found.addresses.contains(parse_range("198.51.1.43").first)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("loop.test", "includes itself"),
        ("many.test", "more than 10 look-ups"),
        ("void.test", "more than 2 look-ups find nothing"),
        ("two.test", "2 SPF records"),
        ("macro.test", "macro"),
        ("open.test", "lets everybody send"),
        ("empty.test", "lists no address"),
        ("broken.test", "no address"),
        ("unknown.test", "unknown term"),
        ("none.test", "no SPF record"),
        ("nowhere.test", "no SPF record"),
        ("around.test", "DNS gave no answer"),
    ],
)
def test_what_can_not_be_used(asked: Resolver, name: str, says: str) -> None:
    found = look(asked, name)
    assert isinstance(found, Failed), found
    assert says in found.why


def test_what_depends_on_the_mail_is_reported(asked: Resolver) -> None:
    found = look(asked, "exists.test")
    assert isinstance(found, Found)
    assert found.warnings == ("exists.test: exists lists no addresses", "exists.test: ptr lists no addresses")


def test_hosts(asked: Resolver) -> None:
    found = asyncio.run(addresses_of(asked, "host.test", 3.0))
    assert found == Found(address_set(map(parse_range, ["203.0.113.17", "2001:db8:1::1"])), (), 60)
    assert isinstance(asyncio.run(addresses_of(asked, "none.test", 3.0)), Failed)


def test_a_server_that_is_gone_is_a_failure() -> None:
    with resolver() as one:
        pass
    found = look(one, "plain.test")
    assert isinstance(found, Failed)
    assert "DNS gave no answer" in found.why
