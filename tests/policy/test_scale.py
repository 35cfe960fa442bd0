"""What grows with a policy must not grow in time: a decision costs the same for ten entries and for a million ranges.

The goal is a factor of 1.5; the margin here is for machines that do other things too.
"""

from __future__ import annotations

import timeit

import pytest

from arrowslit.mail.address_set import AddressSet
from arrowslit.policy.decide import decide
from arrowslit.policy.decision import Decision, Stage
from arrowslit.policy.facts import Facts
from arrowslit.policy.model import (
    AcceptedDomain,
    ConnectionControl,
    Entry,
    Network,
    NextHop,
    NextHopAddress,
    Policy,
    VirtualServer,
)
from tests.policy.trees import facts

MARGIN = 2.5
ACCEPTED = {"example.org": AcceptedDomain("example.org", next_hop="inner")}


def site(
    entries: list[Entry], networks: dict[str, Network] | None = None, accepted: dict[str, AcceptedDomain] = ACCEPTED
) -> Policy:
    hops = {"inner": NextHop("inner", (NextHopAddress("smtp", "192.168.0.5", 25),))}
    server = VirtualServer("default", connection_control=ConnectionControl("only_listed", tuple(entries)))
    return Policy(1, networks or {}, hops, accepted, {"default": server})


def computers(count: int) -> list[Entry]:
    return [Entry("computer", f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}") for n in range(0, 2 * count, 2)]


def cost(policy: Policy, about: Facts) -> float:
    answer = decide(policy, Stage.RECIPIENT, about)
    assert isinstance(answer, Decision)
    assert answer.permitted
    return min(timeit.repeat(lambda: decide(policy, Stage.RECIPIENT, about), number=3000, repeat=9))


@pytest.fixture(scope="module")
def small() -> float:
    return cost(site(computers(10)), facts("10.0.0.4", "bob@example.org"))


def test_a_hundred_thousand_entries(small: float) -> None:
    assert cost(site(computers(100_000)), facts("10.1.0.4", "bob@example.org")) < MARGIN * small


def test_a_million_ranges(small: float) -> None:
    pairs = [(0x14000000 + 16 * n, 0x14000000 + 16 * n + 7) for n in range(1_000_000)]
    network = Network("big", AddressSet.from_pairs(pairs, []))
    assert (
        cost(site([Entry("network", "big")], {"big": network}), facts("20.5.0.1", "bob@example.org")) < MARGIN * small
    )


def test_a_hundred_thousand_accepted_domains(small: float) -> None:
    accepted = {f"d{n}.example": AcceptedDomain(f"d{n}.example", next_hop="inner") for n in range(100_000)}
    accepted["*.wide.example"] = AcceptedDomain("*.wide.example", next_hop="inner")
    policy = site(computers(10), accepted=accepted)
    assert cost(policy, facts("10.0.0.4", "bob@d4711.example")) < MARGIN * small
    assert cost(policy, facts("10.0.0.4", "bob@a.b.c.wide.example")) < MARGIN * small


def test_nested_ranges_are_not_spread_out() -> None:
    """Each of 3,000 ranges lies inside the one before: only the first can decide, wherever one looks."""
    nested = [Entry("range", f"10.0.{n >> 8}.{n & 255}-10.1.{255 - (n >> 8)}.{255 - (n & 255)}") for n in range(3000)]
    index = site(nested).compiled.servers["default"].connection.index
    assert max(len(candidates) for candidates in index._segments4) == 1


def test_the_longest_wildcard_wins() -> None:
    names = ["example.org", "*.example.org", "*.b.example.org", "a.b.example.org"]
    policy = site([], accepted={name: AcceptedDomain(name, next_hop="inner") for name in names})
    wanted = {
        "example.org": "example.org",
        "x.example.org": "*.example.org",
        "b.example.org": "*.example.org",
        "a.b.example.org": "a.b.example.org",
        "x.b.example.org": "*.b.example.org",
        "x.y.b.example.org": "*.b.example.org",
        "example.net": None,
        "notexample.org": None,
        "org": None,
        "[192.0.2.1]": None,
        "": None,
    }
    for domain, name in wanted.items():
        found = policy.accepted_domain(domain)
        assert (None if found is None else found.name) == name
