"""What could come of facts that are not known: held against `decide` for many ways in which they could be completed."""

from __future__ import annotations

import datetime
import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrowslit.mail.address import parse_address
from arrowslit.mail.mailbox import NULL_REVERSE_PATH, Mailbox
from arrowslit.policy.ask import walk
from arrowslit.policy.decision import Decision, Needs
from arrowslit.policy.facts import TEMPORARY_FAILURE, UNKNOWN, Certificate, Facts
from arrowslit.policy.model import (
    AcceptedDomain,
    AccessList,
    Authentication,
    ConnectionControl,
    Entry,
    Policy,
    RelayRestrictions,
    VirtualServer,
)
from arrowslit.policy.possible import Possibilities, Possible
from tests.policy.test_properties import HOPS, NETWORKS, known_facts, policies
from tests.policy.trees import DATE, facts, policy

DIGESTS = ["sha256:" + digit * 64 for digit in "01"]
NAMES = ["mx.example", "b.mx.example", "x.example", "elsewhere.test"]
VALUES: dict[str, list[Any]] = {
    "client_name": [
        None,
        TEMPORARY_FAILURE,
        *("a.example", "b.a.example", "c.b.a.example", "x.example", "example", "elsewhere.test"),
    ],
    "tls": [False, True],
    "certificate": [
        None,
        *(
            Certificate(digest, frozenset(names))
            for digest in DIGESTS
            for size in range(3)
            for names in itertools.combinations(NAMES, size)
        ),
    ],
    "authenticated_as": [None, TEMPORARY_FAILURE, "bob"],
    "reverse_path": [
        NULL_REVERSE_PATH,
        Mailbox("eve", "example.org", "eve@Example.org"),
        Mailbox("eve", "elsewhere.test", "eve@elsewhere.test"),
    ],
    "own_addresses": [None, frozenset(), frozenset({"eve@example.org"}), frozenset({"eve@elsewhere.test"})],
}
HOLES = list(VALUES)


ENTRIES = [
    *(("domain", name) for name in ("a.example", "*.example", "*.a.example", "b.a.example")),
    *(("certificate", value) for value in ("mx.example", "*.example", "x.example", *DIGESTS)),
    ("computer", "192.0.2.1"),
]
PLACES = [one for one in ENTRIES if one[0] != "certificate"]


@st.composite
def named_lists(draw: st.DrawFn, kind: type = AccessList) -> AccessList:
    """Lists whose entries go by names and certificates."""
    mode = draw(st.sampled_from(["only_listed", "only_listed", "all_except_listed"]))
    listed = mode == "only_listed"
    made = tuple(
        Entry(
            *draw(st.sampled_from(ENTRIES if listed else PLACES)), require_tls=listed and draw(st.integers(0, 3)) == 0
        )
        for _ in range(draw(st.integers(0, 3)))
    )
    return kind(mode, **{mode: made})


@st.composite
def wide_policies(draw: st.DrawFn) -> Policy:
    """Policies of the other tests, and some in which nearly everything depends on names, certificates and sign-ins."""
    made = draw(policies())
    server = made.virtual_servers["default"]
    if draw(st.integers(0, 3)):
        made = replace(
            made, accepted_domains={"example.org": AcceptedDomain("example.org", "authoritative", "inner", draw(_OWN))}
        )
        server = replace(
            server,
            require_tls=False,
            refuse_at=draw(st.sampled_from(["recipient", "recipient", "recipient", "connect"])),
            connection_control=draw(named_lists(ConnectionControl) | st.just(ConnectionControl("all_except_listed"))),
            delivery=draw(named_lists() | st.just(AccessList("all_except_listed"))),
            relay_restrictions=replace(draw(named_lists(RelayRestrictions)), allow_authenticated=draw(st.booleans())),
        )
    if server.authentication is not None and draw(st.booleans()):
        server = replace(server, authentication=Authentication(draw(st.booleans()), sender_addresses="own"))
    if draw(st.integers(0, 9)) == 0:
        server = replace(server, forward="splice")
    if server.connection_control.mode == "all_except_listed" and draw(st.booleans()):
        server = replace(server, connection_control=replace(server.connection_control, when_dns_fails="permit"))
    return replace(made, virtual_servers={"default": server})


_OWN = st.none() | named_lists()


def completions(given_: Facts, most: int, draw: Any) -> list[Facts]:
    """Some of the ways in which what is not known could be: only what could be at all."""
    holes = [name for name in HOLES if getattr(given_, name) is UNKNOWN]
    found = []
    for _ in range(most):
        one = replace(given_, **{name: draw(st.sampled_from(VALUES[name])) for name in holes})
        if one.tls is False and isinstance(one.certificate, Certificate):
            one = replace(one, certificate=None) if "certificate" in holes else replace(one, tls=True)
        found.append(one)
    return found


def outcome(made: Policy, one: Facts, *, to_recipient: bool, to_mail: bool) -> str:
    found = walk(made, one, to_recipient=to_recipient, to_mail=to_mail)
    assert not isinstance(found, Needs), found
    return word(found[0])


def word(decision: Decision) -> str:
    if not decision.permitted:
        return "refused"
    return "permitted" if decision.would_be is None else "observed"


def outcomes(found: Possible) -> set[str]:
    decisions = {"permitted": found.permitting, "observed": found.observing, "refused": found.refusing}
    for name, decision in decisions.items():
        assert decision is None or word(decision) == name
    return {name for name, decision in decisions.items() if decision is not None}


@given(
    wide_policies(),
    known_facts(),
    st.sets(st.sampled_from(HOLES)),
    st.sampled_from([(True, False), (False, True), (False, False)]),
    st.data(),
)
@settings(max_examples=200, deadline=None)
def test_every_outcome_of_every_completion_is_possible(
    made: Policy, known: Facts, holes: set[str], way: tuple[bool, bool], data: st.DataObject
) -> None:
    known = replace(known, recipient_listed=None)
    known = replace(known, **dict.fromkeys(holes, UNKNOWN))
    if known.tls is False and isinstance(known.certificate, Certificate):
        known = replace(known, certificate=None)
    ways = {"to_recipient": way[0], "to_mail": way[1]}
    found = Possibilities(made).of(known, **ways)
    missing = set(found.missing)
    assert missing <= {name for name in HOLES if getattr(known, name) is UNKNOWN}
    assert (len(outcomes(found)) > 1) == bool(missing), "it is certain where all come to the same, and only there"
    for one in completions(known, 40, data.draw):
        assert outcome(made, one, **ways) in outcomes(found)
    # What is not named makes no difference: with the rest of one completion, whatever it is.
    others = {name for name in HOLES if getattr(known, name) is UNKNOWN} - missing
    settled = completions(known, 1, data.draw)[0]
    for one in completions(replace(settled, **dict.fromkeys(others, UNKNOWN)), 10, data.draw):
        if (one.tls, "tls" in others) != (False, True) or one.certificate is settled.certificate:
            assert outcome(made, one, **ways) == outcome(made, settled, **ways)


@given(wide_policies(), known_facts(), st.sets(st.sampled_from(HOLES), min_size=1), st.booleans())
@settings(max_examples=80, deadline=None)
def test_what_is_named_makes_a_difference(made: Policy, known: Facts, holes: set[str], to_recipient: bool) -> None:
    """For each fact that is named there are two completions that differ in nothing else, and in the outcome."""
    known = replace(known, recipient_listed=None)
    known = replace(known, **dict.fromkeys(holes, UNKNOWN))
    if isinstance(known.certificate, Certificate):
        known = replace(known, tls=True)
    found = Possibilities(made).of(known, to_recipient=to_recipient, to_mail=True)
    for name in found.missing:
        assert differs(made, known, name, set(found.missing), to_recipient=to_recipient), name


def differs(made: Policy, known: Facts, name: str, missing: set[str], *, to_recipient: bool) -> bool:
    plain = {one: VALUES[one][0] for one in HOLES if getattr(known, one) is UNKNOWN and one not in missing}
    rest = [one for one in sorted(missing) if one != name]
    for values in itertools.product(*(VALUES[one] for one in rest)):
        one = replace(known, **plain, **dict(zip(rest, values, strict=True)))
        came = set()
        for value in VALUES[name]:
            tried = replace(one, **{name: value})
            if tried.tls is False:
                tried = replace(tried, certificate=None)
            came.add(outcome(made, tried, to_recipient=to_recipient, to_mail=True))
        if len(came) > 1:
            return True
    return False


@given(wide_policies(), st.lists(st.tuples(known_facts(), st.sets(st.sampled_from(HOLES))), min_size=2, max_size=8))
@settings(max_examples=80, deadline=None)
def test_what_was_remembered_is_what_would_be_found_anew(made: Policy, asked: list[tuple[Facts, set[str]]]) -> None:
    remembering = Possibilities(made)
    for known, holes in asked:
        one = replace(known, recipient_listed=None)
        one = replace(one, **dict.fromkeys(holes, UNKNOWN))
        found, anew = remembering.of(one), Possibilities(made).of(one)
        assert (outcomes(found), found.missing) == (outcomes(anew), anew.missing)


HOPS_TEXT = """
version = 1
[next_hops.inner]
address = "smtp://192.0.2.25:25"
[accepted_domains."example.org"]
next_hop = "inner"
"""


def possible(text: str, one: Facts, **more: Any) -> Possible:
    return Possibilities(policy(HOPS_TEXT + text)).of(one, **more)


def test_what_is_only_observed_is_neither_let_in_nor_refused() -> None:
    text = """
        [virtual_servers.default]
        mode = "observe"
        connection_control = { only_listed = [ { domain = "*.partner.example" } ] }
    """
    found = possible(text, facts(to="bob@example.org", client_name=UNKNOWN))
    assert (outcomes(found), found.missing) == ({"permitted", "observed"}, ("client_name",))


def test_one_certificate_may_stand_in_several_lists_by_its_digest_and_its_names() -> None:
    text = f"""
        [virtual_servers.default]
        relay_next_hop = "inner"
        connection_control = {{ only_listed = [ {{ certificate = "mx.example" }} ] }}
        relay_restrictions = {{ only_listed = [ {{ certificate = "{DIGESTS[0]}" }} ] }}
    """
    asked = facts(to="x@elsewhere.test", tls=True, certificate=UNKNOWN)
    found = possible(text, asked)
    assert (outcomes(found), found.missing) == ({"permitted", "refused"}, ("certificate",))


def test_own_addresses_are_compared_as_the_policy_compares_them() -> None:
    text = """
        [virtual_servers.default]
        relay_next_hop = "inner"
        authentication = { required = true, with = "users", sender_addresses = "own" }
        connection_control = { mode = "all_except_listed" }
    """
    known = {"authenticated_as": "ann", "own_addresses": UNKNOWN, "to": "x@elsewhere.test"}
    for path in ("Ann@Example.ORG.", "ann@straße.example"):
        found = possible(text, facts(mail_from=path, **known))
        assert (outcomes(found), found.missing) == ({"permitted", "refused"}, ("own_addresses",))
    assert possible(text, facts(**known)).certain, "the null reverse-path is everybody's"


def test_a_fact_that_decides_in_another_way_each_time_is_named() -> None:
    """In TLS the one name may connect, without it the other: both depend on the name, and each on TLS."""
    text = """
        [virtual_servers.default]
        relay_next_hop = "inner"
        [virtual_servers.default.connection_control]
        only_listed = [ { domain = "a.example", require_tls = true }, { domain = "b.example" } ]
    """
    found = possible(text, facts(to="bob@example.org", tls=UNKNOWN, client_name=UNKNOWN))
    assert found.missing == ("tls", "client_name")


def test_a_name_is_found_that_no_longer_pattern_matches() -> None:
    text = """
        [virtual_servers.default]
        connection_control = { only_listed = [ { domain = "*.example" } ] }
        [accepted_domains."example.net"]
        next_hop = "inner"
        delivery = { mode = "all_except_listed", all_except_listed = [ { domain = "any-name-below.example" } ] }
    """
    found = possible(text, facts(to="bob@example.net", client_name=UNKNOWN))
    assert outcomes(found) == {"permitted", "refused"}


def test_where_only_the_address_is_missing_it_is_named() -> None:
    text = '[virtual_servers.default]\nconnection_control = { only_listed = [ { computer = "192.0.2.1" } ] }\n'
    asked = replace(facts(to="bob@example.org"), client_address=UNKNOWN)
    assert possible(text, asked) == Possible(missing=("client_address",))


def test_lists_of_others_do_not_count() -> None:
    text = """
        [virtual_servers.default]
        connection_control = { only_listed = [ { computer = "192.0.2.1" } ] }
        [accepted_domains."example.net"]
        next_hop = "inner"
        delivery = { mode = "only_listed", only_listed = [ { domain = "mx.example" } ] }
        [virtual_servers.other]
        connection_control = { only_listed = [ { domain = "*.example", require_tls = true } ] }
    """
    asked = facts("192.0.2.1", to="bob@example.org", client_name=UNKNOWN, tls=UNKNOWN)
    assert possible(text, asked).certain
    elsewhere = facts("192.0.2.1", to="bob@example.net", client_name=UNKNOWN, tls=UNKNOWN)
    assert possible(text, elsewhere).missing == ("client_name",)


def large(number: int) -> Policy:
    """Thousands of names in every list, and of accepted domains with lists of their own."""

    def several(kind: type, front: str, **more: Any) -> Any:
        made = tuple(
            Entry("domain" if at % 3 else "certificate", f"{front}{at}.example", require_tls=at % 2 == 0)
            for at in range(number)
        )
        return kind("only_listed", (*made, Entry("domain", f"*.{front}.example")), **more)

    accepted = {
        f"d{at}.example": AcceptedDomain(f"d{at}.example", "authoritative", "inner", several(AccessList, f"n{at % 7}-"))
        for at in range(50)
    }
    server = VirtualServer(
        "default",
        relay_next_hop="queue",
        authentication=Authentication(sender_addresses="own"),
        own_domains_from_outside="reject",
        connection_control=several(ConnectionControl, "c"),
        relay_restrictions=several(RelayRestrictions, "r"),
    )
    return Policy(1, NETWORKS, HOPS, accepted, {"default": server})


def strangers(number: int) -> Iterator[Facts]:
    """Facts of clients of whom hardly anything is known."""
    for at in range(number):
        path = Mailbox(f"bob{at}", f"d{at % 50}.example", f"bob{at}@d{at % 50}.example")
        yield Facts(
            client_address=parse_address(f"198.51.{at >> 8 & 255}.{at & 255}"),
            date=DATE,
            client_name=UNKNOWN if at % 2 else f"name{at}.test",
            own_addresses=UNKNOWN,
            reverse_path=Mailbox("a", f"e{at}.test", f"a@e{at}.test") if at % 3 else UNKNOWN,
            forward_path=path,
        )


def test_large_policies_and_many_unknown_facts_are_quick() -> None:
    asked = Possibilities(large(2000))
    before = time.process_time()
    for one in strangers(5000):
        assert not asked.of(one).certain
    assert time.process_time() - before < 15


@pytest.mark.parametrize("day", [datetime.date(2026, 11, 24), datetime.date(2026, 11, 25), datetime.date(2026, 11, 26)])
def test_an_entry_that_has_expired_makes_no_difference(day: datetime.date) -> None:
    text = """
        [virtual_servers.default]
        connection_control = { only_listed = [ { domain = "mx.example", expires = 2026-11-25 } ] }
    """
    found = possible(text, replace(facts(to="bob@example.org", client_name=UNKNOWN), date=day))
    assert found.certain == (day > datetime.date(2026, 11, 25))
