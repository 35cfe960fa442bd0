"""What must be true of every target: it never admits whom the policy refuses, and nothing in a policy can become code.

A new target needs a line in the register, a model (`tests.targets.models`), and golden files: run with
ARROWSLIT_WRITE=1 to write them, and read them.
"""

from __future__ import annotations

import os
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.mail.address import IPAddress
from arrowslit.policy.model import Policy
from arrowslit.policy.parts import ENFORCE, OBSERVE
from arrowslit.targets.gaps import GAPS, Term
from arrowslit.targets.register import MODULES, target
from arrowslit.targets.target import Compiled, Place, PlaceError
from tests.targets.models import MODELS
from tests.targets.samples import HOSTILE, POLICIES, SMALL, made
from tests.targets.truth import edges, may_connect, policy_of

GOLDEN = Path(__file__).parent / "golden"
GOLDENS = ("small", "everybody-but", "names-and-certificates", "nobody")
NAMES = sorted(MODULES)
DECIDING = [name for name in NAMES if target(name).scope]
"""Those that decide something; the others set up the server behind the gateway, whoever may do what (`inner`)."""
BESIDE = [name for name in NAMES if name not in DECIDING]
SILENT = [name for name in NAMES if name not in {"sheet", "sheet-markdown"}]
"""Those that say nothing of a policy outside comments; the sheets show notes (see test_sheet)."""
ABOUT_CLIENTS = {Term.SIZE.value, Term.IPV6.value, Term.ADDRESS.value}
"""Gaps of a text's own by which a client may be kept out, or let in where they widen."""


def compare(name: str, policy: Policy, made: Compiled, addresses: list[str]) -> None:
    """The model of that target and the policy agree about these clients, but for what the target has no words for."""
    text = made.text
    admits = MODELS[name](text)
    four_only = Term.IPV6 not in target(name).terms
    observes_badly = Term.OBSERVE not in target(name).terms and policy.virtual_servers["default"].mode == OBSERVE
    if observes_badly:
        # A gap: with a waiver, whoever can't only count refuses at once, or does nothing.
        servers = {key: replace(server, mode=ENFORCE) for key, server in policy.virtual_servers.items()}
        policy = replace(policy, virtual_servers=servers)
    keeps_out = any(not gap.widens and gap.name in ABOUT_CLIENTS for gap in made.body.gaps)
    lets_in = any(gap.widens and gap.name in ABOUT_CLIENTS for gap in made.body.gaps)
    for one in addresses:
        address = ip_address(one)
        wanted = may_connect(policy, one)
        if four_only and address.version == 6 and wanted:
            continue  # a gap: whoever is kept out is allowed to be
        if (keeps_out and wanted) or (lets_in and not wanted):
            continue  # a gap that this very text names
        if observes_badly and admits(address):
            continue
        assert admits(address) is wanted, f"{name}: {one} {'may' if wanted else 'may not'} connect\n{text}"


@pytest.mark.parametrize("name", DECIDING)
@pytest.mark.parametrize("sample", sorted(POLICIES))
def test_it_admits_whom_the_policy_permits(name: str, sample: str) -> None:
    policy = policy_of(POLICIES[sample])
    compare(name, policy, made(name, POLICIES[sample]), edges(policy))


IPV4 = st.integers(2**24, 224 * 2**24 - 1).map(IPv4Address)
IPV6 = st.integers(2**125, 2**125 + 2**124).map(IPv6Address)


@st.composite
def entries(draw: st.DrawFn) -> str:
    """One entry of addresses."""
    address: IPAddress = draw(IPV4 | IPV6)
    kind = draw(st.sampled_from(["computer", "group", "range"]))
    if kind == "computer":
        return f'{{ computer = "{address}" }}'
    if kind == "group":
        return f'{{ group = "{address}/{draw(st.integers(8, address.max_prefixlen))}" }}'
    last = type(address)(min(int(address) + draw(st.integers(0, 70_000)), 2**address.max_prefixlen - 1))
    return f'{{ range = "{address}-{last}" }}'


@pytest.mark.parametrize("name", DECIDING)
@given(mode=st.sampled_from(["only_listed", "all_except_listed"]), listed=st.lists(entries(), max_size=6))
def test_no_list_of_addresses_is_understood_otherwise(name: str, mode: str, listed: list[str]) -> None:
    text = f"""\
version = 1
[next_hops.inner]
address = "smtp://192.168.0.5:25"
[accepted_domains."example.org"]
next_hop = "inner"
[virtual_servers.default.connection_control]
mode = "{mode}"
{mode} = [ {", ".join(listed)} ]
"""
    policy = policy_of(text)
    compare(name, policy, made(name, text), edges(policy, more=3))


@pytest.mark.parametrize("name", SILENT)
@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_no_word_of_a_policy_becomes_code(name: str, hostile: str) -> None:
    assert _code(name, made(name, SMALL, word=hostile).text) == _code(name, made(name, SMALL, word="harmless").text)


def _code(name: str, text: str) -> list[str]:
    """The lines that are no comment, and how many are."""
    before = target(name).comment.before
    lines = text.split("\n")
    code = [line for line in lines if not line.lstrip().startswith(before)]
    return [*code, str(len(lines))]


@pytest.mark.parametrize("name", NAMES)
def test_a_line_of_comment_is_a_line_for_everybody(name: str) -> None:
    comments = made(name, SMALL, word="".join(map(chr, range(1, 0xD800, 7)))).text
    comments += made(name, SMALL, word="".join(map(chr, range(1, 0x300)))).text
    assert comments == comments.replace("\r", "").replace("\x0b", "").replace("\x0c", "").replace("\x85", "")
    assert len(comments.splitlines()) == len(comments.split("\n")) - 1
    assert comments.endswith("\n")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sample", GOLDENS)
def test_the_text_is_as_it_was_read(name: str, sample: str) -> None:
    compiled = made(name, POLICIES[sample])
    assert made(name, POLICIES[sample]) == compiled
    path = GOLDEN / name / f"{sample}.{compiled.suffix}"
    if os.environ.get("ARROWSLIT_WRITE"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(compiled.text, "utf-8")
    assert compiled.text == path.read_text("utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_it_says_how_to_apply_check_and_undo_it(name: str) -> None:
    compiled = made(name, SMALL)
    assert compiled.target == name
    for steps in (compiled.body.apply, compiled.body.check, compiled.body.undo):
        assert steps
        assert all(step.isprintable() for step in steps)


@pytest.mark.parametrize("name", NAMES)
def test_what_it_cannot_express_is_a_gap(name: str) -> None:
    found = {gap.name for gap in made(name, POLICIES["names-and-certificates"], waive=False).gaps}
    own = target(name)
    assert found <= own.gaps
    assert own.gaps <= set(GAPS)
    for term in (Term.DOMAIN, Term.CERTIFICATE):
        assert (term.value in found) is (term not in own.terms)


def test_every_target_that_decides_has_a_model() -> None:
    assert set(MODELS) == set(DECIDING)
    assert len(DECIDING) > 40


@pytest.mark.parametrize("name", BESIDE)
@pytest.mark.parametrize("sample", sorted(POLICIES))
def test_who_decides_nothing_says_the_same_for_every_list(name: str, sample: str) -> None:
    if set(policy_of(POLICIES[sample]).accepted_domains) != set(policy_of(SMALL).accepted_domains):
        return  # domains may be named, lists of clients may not
    found = made(name, POLICIES[sample], waive=False)
    assert _code(name, found.text) == _code(name, made(name, SMALL).text)
    assert not found.gaps
    assert not target(name).gaps


@pytest.mark.parametrize("name", BESIDE)
def test_who_decides_nothing_must_know_the_gateway(name: str) -> None:
    with pytest.raises(PlaceError, match="--server"):
        made(name, SMALL, Place())
    several = Place(server=tuple(map(ip_address, ("192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"))))
    assert all(str(one) in made(name, SMALL, several).text for one in several.server)
