"""What must be true of every target: it never admits whom the policy refuses, and nothing in a policy can become code.

A new target needs a line in the register, a model (`tests.targets.models`), and golden files: run with
ARROWSLIT_WRITE=1 to write them, and read them.
"""

from __future__ import annotations

import os
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.mail.address import IPAddress
from arrowslit.policy.model import Policy
from arrowslit.targets.gaps import GAPS, Grant, Term
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
CLOSES = {
    *("nftables", "iptables", "ufw", "firewalld", "windows-firewall", "mikrotik", "cisco-ios", "cisco-asa", "openwrt"),
    *("nftables-router", "juniper", "iptables-docker", "paloalto", "sheet", "sheet-markdown"),
}
"""Those that leave nobody who comes in from outside, whatever other rules say."""
ABOUT_CLIENTS = {Term.SIZE.value, Term.IPV6.value, Term.ADDRESS.value}
"""Gaps of a text's own by which a client may be kept out, or let in where they widen."""


def compare(name: str, policy: Policy, made: Compiled, addresses: list[str]) -> None:
    """The model of that target and the policy agree about these clients, but for what the target has no words for."""
    text = made.text
    admits = MODELS[name](text)
    four_only = Term.IPV6 not in target(name).terms
    keeps_out = any(not gap.widens and gap.name in ABOUT_CLIENTS for gap in made.body.gaps)
    lets_in = any(gap.widens and gap.name in ABOUT_CLIENTS for gap in made.body.gaps)
    for one in addresses:
        address = ip_address(one)
        wanted = may_connect(policy, one)
        if four_only and address.version == 6 and wanted:
            continue  # a gap: whoever is kept out is allowed to be
        if (keeps_out and wanted) or (lets_in and not wanted):
            continue  # a gap that this very text names
        assert admits(address) is wanted, f"{name}: {one} {'may' if wanted else 'may not'} connect\n{text}"


def observing(text: str) -> str:
    """The same policy, which only observes."""
    header, mode = "[virtual_servers.default]\n", 'mode = "observe"\n'
    return text.replace(header, header + mode) if header in text else f"{text}\n{header}{mode}"


OBSERVING = {name: observing(text) for name, text in POLICIES.items() if name != "observe"}


@pytest.mark.parametrize("name", DECIDING)
@pytest.mark.parametrize("sample", sorted(OBSERVING))
def test_who_observes_refuses_nobody(name: str, sample: str) -> None:
    """Whoever can count counts; with the gap waived, whoever can't does nothing to the traffic, and says so."""
    own, text = target(name), OBSERVING[sample]
    found = made(name, text)
    cannot = Term.OBSERVE not in own.terms
    assert ("observe-mode" in {gap.name for gap in made(name, text, waive=False).gaps}) is cannot
    refused_nobody = "nothing is set, and nobody is refused" if own.scope == {Grant.CONNECT} else "are not refused"
    assert ("can't count" in found.text or "nobody is counted" in found.text) is cannot
    assert (refused_nobody in found.text) or not cannot
    admits = MODELS[name](found.text)
    for one in map(ip_address, edges(policy_of(text))):
        assert admits(one) or (one.version == 6 and Term.IPV6 not in own.terms), f"{name}: {one}\n{found.text}"


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


ONLY_PERMIT = {"aws", "terraform", "cloudformation"}
"""A security group has no rule that refuses."""


@pytest.mark.parametrize("name", DECIDING)
def test_it_says_what_nobody_comes_to_here(name: str) -> None:
    own = target(name)
    (said,) = [note for note in made(name, POLICIES["nobody"]).notes if note.startswith("nobody may connect: ")]
    assert ("refuses nobody" in said) is (name in ONLY_PERMIT)
    assert ("closes the port" in said) is (own.scope == {Grant.CONNECT} and name in CLOSES)
    assert ("mail" in said) is (own.scope != {Grant.CONNECT} or name.startswith("exchange-online"))
    for sample in set(POLICIES) - {"nobody"}:
        assert not [note for note in made(name, POLICIES[sample]).notes if "nobody may connect" in note]
    assert not [note for note in made(name, OBSERVING["nobody"]).notes if "nobody may connect" in note]


def test_who_knows_names_is_open_to_them() -> None:
    text = POLICIES["nobody"].replace("only_listed = []", 'only_listed = [ { domain = "mail.filter.example" } ]')
    for name in DECIDING:
        closed = any("nobody may connect" in note for note in made(name, text).notes)
        assert closed is (Term.DOMAIN not in target(name).terms), name


def test_who_knows_recipients_names_the_exceptions() -> None:
    text = POLICIES["nobody"] + '[virtual_servers.default]\nrecipient_exceptions = ["postmaster@example.org"]\n'
    for name in DECIDING:
        (said,) = [note for note in made(name, text).notes if note.startswith("nobody may connect: ")]
        assert ("exceptions" in said) is (Term.EXCEPTIONS in target(name).terms), name


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
