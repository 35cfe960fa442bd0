"""Ranges as people write them."""

from __future__ import annotations

import time
from ipaddress import IPv4Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.mail.address_range import LineProblem, parse_range, read_ranges


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1 ", "192.0.2.1"),
        ("192.0.2.1/32", "192.0.2.1"),
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("192.0.2.0/255.255.255.0", "192.0.2.0/24"),
        ("192.0.2.1, 255.255.255.255", "192.0.2.1"),
        ("192.0.2.0,255.255.255.240", "192.0.2.0/28"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("192.0.2.1-192.0.2.9", "192.0.2.1-192.0.2.9"),
        ("192.0.2.0 - 192.0.2.255", "192.0.2.0/24"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("2001:db8::1", "2001:db8::1"),
        ("2001:db8::/ffff:ffff::", "2001:db8::/32"),
        ("2001:db8::1-2001:db8::f", "2001:db8::1-2001:db8::f"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1-::ffff:192.0.2.9", "192.0.2.1-192.0.2.9"),
    ],
)
def test_forms(text: str, normal: str) -> None:
    found = parse_range(text)
    assert found.text == normal
    assert not found.host_bits
    assert parse_range(found.text) == found


@pytest.mark.parametrize(
    ("text", "normal"), [("192.168.1.1/24", "192.168.1.0/24"), ("2001:db8::1/64", "2001:db8::/64")]
)
def test_host_bits_are_cleared_and_said(text: str, normal: str) -> None:
    found = parse_range(text)
    assert (found.text, found.host_bits) == (normal, True)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not an address"),
        ("localhost", "not an address"),
        ("192.0.2", "not an address"),
        ("192.0.2.256", "not an address"),
        ("192.0.2.01", "not an address"),
        ("192.0.2.0/33", "longer than 32"),
        ("192.0.2.0/-1", "not an address"),
        ("192.0.2.0/", "not an address"),
        ("192.0.2.0/255.0.255.0", "hole"),
        ("192.0.2.0/0.0.0.255", "hole"),
        ("192.0.2.0/ffff::", "different families"),
        ("192.0.2.9-192.0.2.1", "behind the last"),
        ("192.0.2.1-2001:db8::1", "different families"),
        ("192.0.2.1-", "not an address"),
        ("2001:db8::/129", "longer than 128"),
        ("١٩٢.0.2.1", "not an address"),
        ("192.0.2.0/٢٤", "not an address"),
    ],
)
def test_what_is_no_range_says_why(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_range(text)


def test_a_file_of_ranges() -> None:
    lines = [
        "# the filter",
        "",
        "192.0.2.1  # one",
        "192.0.2.8/29",
        "192.168.1.1/24",
        "nonsense",
        "2001:db8::/32",
        "10.0.0.1-10.0.0.3",
    ]
    found, problems = read_ranges(lines)
    assert [str(prefix) for prefix in found.cidrs()] == [
        "10.0.0.1/32", "10.0.0.2/31", "192.0.2.1/32", "192.0.2.8/29", "192.168.1.0/24", "2001:db8::/32",
    ]  # fmt: skip
    assert problems == (
        LineProblem(
            5, "192.168.1.1/24", "192.168.1.1/24 has bits set after the prefix; it was read as 192.168.1.0/24", False
        ),
        LineProblem(6, "nonsense", "'nonsense' is not an address", True),
    )


def test_problems_are_bounded() -> None:
    found, problems = read_ranges(["nonsense"] * 1000)
    assert not found
    assert len(problems) == 100


@given(st.integers(0, 2**32 - 1), st.integers(0, 32))
def test_the_short_way_reads_what_the_careful_way_reads(value: int, prefix: int) -> None:
    text = f"{IPv4Address(value)}/{prefix}"
    found, problems = read_ranges([text])
    wanted = ip_network(text, strict=False)
    assert list(found.ranges()) == [(wanted[0], wanted[-1])]
    assert bool(problems) == (wanted[0] != IPv4Address(value))


def test_many_lines_are_read_fast() -> None:
    lines = [f"20.{n >> 12 & 255}.{n >> 4 & 255}.{(n & 15) * 16}/29" for n in range(100_000)]
    start = time.perf_counter()
    found, problems = read_ranges(lines)
    assert time.perf_counter() - start < 2
    assert (len(found), problems) == (100_000, ())
