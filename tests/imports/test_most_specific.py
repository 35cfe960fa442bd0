"""The most specific range, held against looking at every range for one address."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address

from hypothesis import given
from hypothesis import strategies as st

from arrowslit.imports.most_specific import claims
from arrowslit.mail.address_range import AddressRange, parse_range


def ranges(*texts: tuple[str, int]) -> list[tuple[AddressRange, int]]:
    return [(parse_range(text), owner) for text, owner in texts]


def owners(found, address: str) -> list[int]:
    return [one for one in found.of if found.owned(one).contains(ip_address(address))]


def test_three_within_each_other() -> None:
    found = claims(ranges(("0.0.0.0-255.255.255.255", 0), ("10.0.0.0/8", 1), ("10.1.0.0/16", 2), ("10.1.2.3", 1)))
    assert [owners(found, one) for one in ("9.9.9.9", "10.2.0.1", "10.1.0.1", "10.1.2.3", "10.1.2.4", "11.0.0.0")] == [
        [0],
        [1],
        [2],
        [1],
        [2],
        [0],
    ]
    assert not len(found.contested)


def test_ranges_that_cross_and_the_same_range_twice_belong_to_nobody() -> None:
    found = claims(ranges(("10.0.0.0-10.0.0.9", 0), ("10.0.0.5-10.0.0.15", 1), ("192.0.2.1", 0), ("192.0.2.1", 1)))
    assert [owners(found, one) for one in ("10.0.0.0", "10.0.0.7", "10.0.0.15", "192.0.2.1")] == [[], [], [], []]
    assert found.between == ((0, 1),)


def test_the_same_range_twice_of_one_owner_is_one() -> None:
    found = claims(ranges(("192.0.2.0/24", 3), ("192.0.2.0-192.0.2.255", 3)))
    assert owners(found, "192.0.2.9") == [3]


def test_families_do_not_meet() -> None:
    found = claims(ranges(("::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 0), ("2001:db8::/32", 1), ("10.0.0.0/8", 2)))
    assert [owners(found, one) for one in ("2001:db8::1", "2001:db9::1", "10.0.0.1", "11.0.0.1")] == [[1], [0], [2], []]


SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(0, 3)), max_size=8)


@given(SPANS)
def test_no_address_has_two_owners_and_each_has_its_smallest(spans: list[tuple[int, int, int]]) -> None:
    given_ = [(min(a, b), max(a, b), owner) for a, b, owner in spans]
    found = claims((AddressRange(IPv4Address(a), IPv4Address(b)), owner) for a, b, owner in given_)
    for value in range(42):
        holding = [(b - a, owner) for a, b, owner in given_ if a <= value <= b]
        has = [one for one in found.of if found.owned(one).contains(IPv4Address(value))]
        if found.contested.contains(IPv4Address(value)):
            assert not has
        else:
            assert has == ([min(holding)[1]] if holding else [])
    crossing = any(a < c <= b < d or ((a, b) == (c, d) and x != y) for a, b, x in given_ for c, d, y in given_)
    assert bool(len(found.contested)) is crossing
