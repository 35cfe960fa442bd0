"""How many ranges the clouds take: one more is a gap, and it is said before anybody finds out by an error."""

from __future__ import annotations

import pytest

from arrowslit.targets.target import Place
from tests.targets.samples import POLICIES, made


def listed(count: int) -> str:
    entries = ", ".join(f'"10.{n // 16384}.{n // 64 % 256}.{n % 64 * 4}"' for n in range(count))
    return POLICIES["small"].replace('"83.245.15.239", "2001:db8:25::/48", "198.51.100.10-198.51.100.20"', entries)


def gaps(name: str, text: str, *ports: int) -> set[str]:
    return {gap.name for gap in made(name, text, Place(ports=ports or (25,)), waive=False).gaps}


OTHERS = 5
"""Prefixes that the small policy has besides its network of a filter, IPv4."""


@pytest.mark.parametrize(
    ("name", "most"),
    [("aws", 60), ("terraform", 60), ("cloudformation", 60), ("gcp", 2500), ("azure", 4000), ("kubernetes", 20_000)],
)
def test_one_range_more_than_the_place_takes_is_a_gap(name: str, most: int) -> None:
    assert gaps(name, listed(most - OTHERS)) == set()
    assert gaps(name, listed(most - OTHERS + 1)) == {"too-many-ranges"}


def test_each_port_counts_a_list_of_aws_once_more() -> None:
    assert gaps("aws", listed(30 - OTHERS), 25, 2525) == set()
    assert gaps("aws", listed(31 - OTHERS), 25, 2525) == {"too-many-ranges"}


@pytest.mark.parametrize("name", ["aws", "terraform", "cloudformation"])
def test_everybody_but_a_few_soon_is_too_much_where_nothing_refuses(name: str) -> None:
    assert gaps(name, POLICIES["everybody-but"]) == {"too-many-ranges"}
