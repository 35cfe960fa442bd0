"""Everybody of one family is nobody of the other, and a family that is listed whole is not lost."""

from __future__ import annotations

import pytest

from arrowslit.targets.register import MODULES
from tests.targets.samples import POLICIES
from tests.targets.test_all_targets import compare, made
from tests.targets.truth import edges, policy_of

NAMES = {
    "haproxy",
    "nginx",
    "aws",
    "azure",
    "gcp",
    "terraform",
    "cloudformation",
    "kubernetes",
    "juniper",
    "pf",
    "paloalto",
}
CLIENTS = ["203.0.113.1", "127.255.255.254", "128.0.0.1", "198.51.100.7", "2001:db8::1", "9000::1", "7fff::1"]


@pytest.mark.parametrize("name", sorted(NAMES & set(MODULES)))
@pytest.mark.parametrize("mode", ["only_listed", "all_except_listed"])
@pytest.mark.parametrize(
    "listed",
    [
        '{ group = "0.0.0.0/0" }',
        '{ group = "::/0" }',
        '{ group = "0.0.0.0/0" }, { group = "::/0" }',
        '{ group = "0.0.0.0/0" }, { computer = "198.51.100.7", note = "also by itself" }',
        '{ group = "0.0.0.0/1" }, { group = "128.0.0.0/1" }, { computer = "2001:db8::1" }',
    ],
)
def test_a_whole_family(name: str, mode: str, listed: str) -> None:
    text = POLICIES["nobody"].replace("only_listed = []", f'mode = "{mode}"\n{mode} = [ {listed} ]')
    policy = policy_of(text)
    compare(name, policy, made(name, text), [*CLIENTS, *edges(policy)])
