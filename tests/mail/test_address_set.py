"""Sets of addresses against Python's own sets, and their packed form."""

from __future__ import annotations

import itertools
import mmap
import tempfile
import time
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.mail.address_set import EMPTY, AddressSet

BASE6 = int(IPv6Address("2001:db8::ffff:ffff:ffff:fff0"))
"""Near the border between the halves of an address."""


def four(value: int) -> IPv4Address:
    return IPv4Address(value)


def six(value: int) -> IPv6Address:
    return IPv6Address(BASE6 + value)


SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 8)), max_size=8)


def made(spans4: list[tuple[int, int]], spans6: list[tuple[int, int]]) -> AddressSet:
    ranges4 = [(four(first), four(first + length)) for first, length in spans4]
    ranges6 = [(six(first), six(first + length)) for first, length in spans6]
    return AddressSet.from_ranges([*ranges4, *ranges6])


def members(spans: list[tuple[int, int]]) -> set[int]:
    return {value for first, length in spans for value in range(first, first + length + 1)}


@given(SPANS, SPANS)
def test_it_contains_what_it_was_made_of(spans4: list[tuple[int, int]], spans6: list[tuple[int, int]]) -> None:
    found = made(spans4, spans6)
    assert {value for value in range(60) if found.contains(four(value))} == members(spans4)
    assert {value for value in range(-5, 60) if six(value) in found} == members(spans6)


@given(SPANS, SPANS)
def test_ranges_are_sorted_disjoint_and_apart(spans4: list[tuple[int, int]], spans6: list[tuple[int, int]]) -> None:
    found = made(spans4, spans6)
    ranges = list(found.ranges())
    assert len(ranges) == len(found)
    for (_, last), (first, _) in itertools.pairwise(ranges):
        assert last.version < first.version or int(last) + 1 < int(first)
    assert AddressSet.from_ranges(reversed(ranges)) == found


@given(SPANS, SPANS, SPANS)
def test_union_and_subtract_are_those_of_sets(
    one: list[tuple[int, int]], other: list[tuple[int, int]], six_too: list[tuple[int, int]]
) -> None:
    left, right = made(one, six_too), made(other, [])
    union, rest = left.union(right), left.subtract(right)
    for value in range(60):
        inside, out = value in members(one), value in members(other)
        assert union.contains(four(value)) == (inside or out)
        assert rest.contains(four(value)) == (inside and not out)
    assert union.covers(left)
    assert union.covers(right)
    assert left.covers(right) == (members(other) <= members(one))
    assert left.overlaps(right) == bool(members(one) & members(other))
    assert rest.pairs()[1] == left.pairs()[1]


@given(SPANS, SPANS)
def test_the_packed_form_is_the_set(spans4: list[tuple[int, int]], spans6: list[tuple[int, int]]) -> None:
    found = made(spans4, spans6)
    again = AddressSet.from_buffer(memoryview(found.to_bytes()))
    assert again == found
    assert hash(again) == hash(found)
    assert list(again.ranges()) == list(found.ranges())
    assert [six(value) in again for value in range(60)] == [six(value) in found for value in range(60)]
    assert again.union(EMPTY).to_bytes() == found.to_bytes()


def test_the_packed_form_does_not_change() -> None:
    found = AddressSet.from_ranges([(four(1), four(2)), (IPv6Address(1 << 64), IPv6Address((1 << 64) + 3))])
    assert found.to_bytes().hex() == (
        b"ARROWSET".hex() + "0100000000000000" * 2 + "01000000" + "02000000"
        "0100000000000000" + "0000000000000000" + "0100000000000000" + "0300000000000000"
    )


@pytest.mark.parametrize(
    "spoil", [lambda raw: raw[:-1], lambda raw: b"x" + raw[1:], lambda raw: b"", lambda raw: raw * 2]
)
def test_what_is_no_packed_form_is_refused(spoil: object) -> None:
    raw = AddressSet.from_ranges([(four(1), four(2))]).to_bytes()
    with pytest.raises(ValueError, match="packed address set"):
        AddressSet.from_buffer(memoryview(spoil(raw)))  # type: ignore[operator]


@pytest.mark.parametrize("pair", [("192.0.2.2", "192.0.2.1"), ("192.0.2.1", "2001:db8::1")])
def test_what_is_no_range_is_refused(pair: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="not a range"):
        AddressSet.from_ranges([(ip_address(pair[0]), ip_address(pair[1]))])


def test_mapped_ranges_are_ipv4() -> None:
    found = AddressSet.from_ranges([(IPv6Address("::ffff:192.0.2.0"), IPv6Address("::ffff:192.0.2.255"))])
    assert IPv4Address("192.0.2.7") in found
    assert IPv6Address("::ffff:192.0.2.7") in found
    assert [str(prefix) for prefix in found.cidrs()] == ["192.0.2.0/24"]


def test_a_wide_ipv6_range_holds_no_ipv4_address() -> None:
    whole = ip_network("::/0")
    found = AddressSet.from_ranges([(whole[0], whole[-1])])
    assert IPv4Address("192.0.2.7") not in found
    assert IPv6Address("::ffff:192.0.2.7") not in found


def test_the_ends_of_both_families() -> None:
    whole = AddressSet.from_ranges([(network[0], network[-1]) for network in map(ip_network, ("0.0.0.0/0", "::/0"))])
    for text in ("0.0.0.0", "255.255.255.255", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"):
        assert ip_address(text) in whole
        assert ip_address(text) not in EMPTY
    assert not whole.subtract(whole)
    assert repr(EMPTY) == "AddressSet()"
    assert EMPTY != "no set"


def test_a_million_ranges_are_mapped_and_asked_in_no_time() -> None:
    """The goal is 2 s to load and about a microsecond a look-up; the margin is for slow machines."""
    pairs = [(0x14000000 + 16 * n, 0x14000000 + 16 * n + 7) for n in range(1_000_000)]
    with tempfile.TemporaryFile() as file:
        file.write(AddressSet.from_pairs(pairs, []).to_bytes())
        file.flush()
        mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        start = time.perf_counter()
        found = AddressSet.from_buffer(memoryview(mapped))
        assert time.perf_counter() - start < 0.2
        assert len(found) == 1_000_000
        start = time.perf_counter()
        for value in range(10_000):
            assert found.contains(four(0x14000000 + 16 * value + value % 16)) == (value % 16 < 8)
        assert time.perf_counter() - start < 0.2
