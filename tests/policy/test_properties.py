"""What must hold for every policy and all facts."""

from __future__ import annotations

import datetime
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from arrowslit.mail.address import parse_address
from arrowslit.mail.address_range import parse_range
from arrowslit.mail.address_set import AddressSet
from arrowslit.mail.mailbox import NULL_REVERSE_PATH, Mailbox, Postmaster
from arrowslit.policy import reasons
from arrowslit.policy.conditions import View
from arrowslit.policy.decide import decide
from arrowslit.policy.decision import Action, Decision, Needs, Stage
from arrowslit.policy.facts import TEMPORARY_FAILURE, UNKNOWN, Certificate, Facts
from arrowslit.policy.model import (
    AcceptedDomain,
    AccessList,
    Authentication,
    ConnectionControl,
    Entry,
    Network,
    NextHop,
    NextHopAddress,
    Policy,
    RelayRestrictions,
    VirtualServer,
)
from arrowslit.policy.trace import walk

ADDRESSES = ["192.0.2.1", "192.0.2.2", "192.0.2.130", "198.51.100.1", "2001:db8::1", "2001:db8:1::1"]
PLACES = [
    ("computer", "192.0.2.1"),
    ("computer", "2001:db8::1"),
    ("group", "192.0.2.0/25"),
    ("group", "2001:db8::/32"),
    ("range", "192.0.2.2-192.0.2.140"),
    ("network", "small"),
    ("network", "mixed"),
]
NAMES = [("domain", "a.example"), ("domain", "*.example"), ("domain", "*.a.example")]
CERTIFICATES = [("certificate", "mx.example"), ("certificate", "*.example"), ("certificate", "sha256:" + "0" * 64)]
DAYS = [datetime.date(2026, 11, 24), datetime.date(2026, 11, 25), datetime.date(2026, 11, 26)]


def network(name: str, *ranges: str) -> Network:
    found = [parse_range(text) for text in ranges]
    return Network(name, AddressSet.from_ranges((one.first, one.last) for one in found), pinned=ranges)


NETWORKS = {
    "small": network("small", "192.0.2.128/25"),
    "mixed": network("mixed", "192.0.2.2", "198.51.100.0/24", "2001:db8:1::/48"),
}


@st.composite
def entries(draw: st.DrawFn, *, listed: bool) -> Entry:
    kind, value = draw(st.sampled_from(PLACES + NAMES + (CERTIFICATES if listed else [])))
    return Entry(
        kind,
        value,
        expires=draw(st.none() | st.sampled_from(DAYS)),
        require_tls=draw(st.booleans()) if listed else False,
        line_ends=draw(st.sampled_from(["", "", "normalise"])) if listed else "",
    )


def lists(kind: type = AccessList) -> st.SearchStrategy[AccessList]:
    return st.builds(
        kind,
        mode=st.sampled_from(["only_listed", "all_except_listed"]),
        only_listed=st.lists(entries(listed=True), max_size=4).map(tuple),
        all_except_listed=st.lists(entries(listed=False), max_size=3).map(tuple),
    )


def relay_lists() -> st.SearchStrategy[RelayRestrictions]:
    return st.builds(lambda one, auth: replace(one, allow_authenticated=auth), lists(RelayRestrictions), st.booleans())


HOPS = {name: NextHop(name, (NextHopAddress("smtp", "192.168.0.5", 25),)) for name in ("inner", "queue")}


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    server = VirtualServer(
        "default",
        mode=draw(st.sampled_from(["enforce", "defer", "observe"])),
        refuse_at=draw(st.sampled_from(["recipient", "connect"])),
        relay_next_hop="queue",
        recipient_exceptions=draw(st.sampled_from([(), ("postmaster@example.org",)])),
        require_tls=draw(st.booleans()),
        own_domains_from_outside=draw(st.sampled_from(["permit", "reject"])),
        message_bytes=draw(st.none() | st.just(1000)),
        authentication=draw(st.none() | st.builds(Authentication, required=st.booleans())),
        connection_control=draw(lists(ConnectionControl)),
        delivery=draw(lists() | st.just(AccessList("all_except_listed"))),
        skip_checks=draw(lists()),
        relay_restrictions=draw(relay_lists()),
    )
    accepted = {"example.org": AcceptedDomain("example.org", "authoritative", "inner", draw(st.none() | lists()))}
    return Policy(1, NETWORKS, HOPS, accepted, {"default": server}, revision=7)


def paths() -> st.SearchStrategy[object]:
    local = st.sampled_from(
        ["bob", "u%elsewhere.example", "elsewhere.example!u", '"u@elsewhere.example"', "postmaster"]
    )
    domain = st.sampled_from(["example.org", "sub.example.org", "elsewhere.example", "[192.0.2.9]"])
    return st.builds(lambda a, b: Mailbox(a, b, f"{a}@{b}"), local, domain) | st.just(Postmaster("postmaster"))


UNSETTLED = st.sampled_from([UNKNOWN, TEMPORARY_FAILURE])


def known_facts() -> st.SearchStrategy[Facts]:
    names = st.sampled_from(["a.example", "b.a.example", "x.example", "elsewhere.test"])
    shown = st.builds(
        Certificate,
        st.sampled_from(["sha256:" + "0" * 64, "sha256:" + "1" * 64]),
        st.frozensets(st.sampled_from(["mx.example", "b.mx.example", "elsewhere.test"])),
    )
    return st.builds(
        Facts,
        client_address=st.sampled_from([parse_address(text) for text in ADDRESSES]),
        date=st.sampled_from(DAYS),
        client_name=names | st.none() | UNSETTLED,
        tls=st.booleans() | st.just(UNKNOWN),
        certificate=shown | st.none() | UNSETTLED,
        authenticated_as=st.sampled_from(["bob", None, UNKNOWN, TEMPORARY_FAILURE]),
        reverse_path=st.just(NULL_REVERSE_PATH) | st.just(Mailbox("eve", "example.org", "eve@example.org")),
        message_bytes=st.sampled_from([None, 10, 2000]),
        forward_path=paths(),
        recipient_listed=st.sampled_from([None, True, False, UNKNOWN, TEMPORARY_FAILURE]),
    )


def any_facts() -> st.SearchStrategy[Facts]:
    """Facts with holes."""
    return st.builds(
        lambda facts, holes: replace(facts, **dict.fromkeys(holes, UNKNOWN)),
        known_facts(),
        st.sets(st.sampled_from(["client_address", "date", "tls", "reverse_path", "forward_path", "authenticated_as"])),
    )


@given(policies(), any_facts(), st.sampled_from(Stage))
@settings(max_examples=120)
def test_nobody_relays_without_an_entry_or_a_sign_in(policy: Policy, facts: Facts, stage: Stage) -> None:
    answer = decide(policy, stage, facts)
    if not isinstance(answer, Decision) or not answer.relay:
        return
    server = policy.virtual_servers["default"]
    assert answer.action is Action.PERMIT
    assert stage is Stage.RECIPIENT
    if answer.reason == reasons.SIGNED_IN:
        assert isinstance(facts.authenticated_as, str)
        assert server.authentication is not None
        assert server.relay_restrictions.allow_authenticated
        return
    assert answer.reason == reasons.MAY_RELAY
    mode, _, last = answer.rule.removeprefix("default/relay_restrictions/").partition("/")
    assert mode == server.relay_restrictions.mode
    if mode == "only_listed":
        assert last in {entry.rule for entry in server.relay_restrictions.only_listed}
    else:
        assert last == "end-of-list"
        assert answer.would_be is None


@given(policies())
def test_without_any_fact_nobody_relays(policy: Policy) -> None:
    mailbox = Mailbox("u", "elsewhere.example", "u@elsewhere.example")
    for facts in (Facts(), Facts(forward_path=mailbox)):
        answer = decide(policy, Stage.RECIPIENT, facts)
        assert isinstance(answer, Needs) or not answer.relay


def test_an_open_relay_still_wants_to_know_the_address() -> None:
    server = VirtualServer(
        "default",
        relay_next_hop="queue",
        connection_control=ConnectionControl("all_except_listed"),
        relay_restrictions=RelayRestrictions("all_except_listed"),
    )
    policy = Policy(1, NETWORKS, HOPS, {}, {"default": server})
    facts = Facts(forward_path=Mailbox("u", "elsewhere.example", "u@elsewhere.example"))
    assert decide(policy, Stage.RECIPIENT, facts) == Needs(frozenset({"client_address"}))


@given(policies(), known_facts(), st.sampled_from([View.BEFORE_TLS, View.FINAL, View.WITHOUT_TLS]))
@settings(max_examples=150)
def test_look_up_and_walk_agree(policy: Policy, facts: Facts, view: View) -> None:
    server = policy.compiled.servers["default"]
    for grant in (server.connection, server.delivery, server.skip_checks, server.relay):
        fast, slow = grant.index.find(facts, view), walk(policy, grant, facts, view)
        assert fast.status == slow.status
        assert (fast.placed is None) == (slow.placed is None)
        if fast.placed is not None and slow.placed is not None:
            assert fast.placed.entry == slow.placed.entry


@given(policies(), any_facts(), st.sampled_from(Stage))
@settings(max_examples=80)
def test_only_the_list_of_the_mode_counts(policy: Policy, facts: Facts, stage: Stage) -> None:
    server = policy.virtual_servers["default"]
    emptied = {}
    for name in ("connection_control", "delivery", "skip_checks", "relay_restrictions"):
        access = getattr(server, name)
        other = "all_except_listed" if access.mode == "only_listed" else "only_listed"
        emptied[name] = replace(access, **{other: ()})
    without = replace(policy, virtual_servers={"default": replace(server, **emptied)})
    assert decide(without, stage, facts) == decide(policy, stage, facts)


@given(policies(), known_facts())
@settings(max_examples=120)
def test_watching_and_deferring_never_relay_more(policy: Policy, facts: Facts) -> None:
    """What may not relay under `enforce` may only relay under `observe` by its own entry or sign-in (decisions 5)."""
    server = policy.virtual_servers["default"]
    answers = {
        mode: decide(replace(policy, virtual_servers={"default": replace(server, mode=mode)}), Stage.RECIPIENT, facts)
        for mode in ("enforce", "defer", "observe")
    }
    relays = {mode: isinstance(one, Decision) and one.relay for mode, one in answers.items()}
    assert relays["defer"] == relays["enforce"]
    observed = answers["observe"]
    if relays["observe"] and not relays["enforce"]:
        assert isinstance(observed, Decision)
        assert observed.would_be is not None
        own_entry = server.relay_restrictions.mode == "only_listed" and "end-of-list" not in observed.rule
        assert own_entry or observed.reason == reasons.SIGNED_IN


@given(policies(), known_facts())
@settings(max_examples=80)
def test_what_is_enforced_for_good_is_never_permitted_in_observe_without_saying_so(
    policy: Policy, facts: Facts
) -> None:
    server = policy.virtual_servers["default"]
    watched = replace(policy, virtual_servers={"default": replace(server, mode="observe")})
    enforced = replace(policy, virtual_servers={"default": replace(server, mode="enforce")})
    seen, made = decide(watched, Stage.RECIPIENT, facts), decide(enforced, Stage.RECIPIENT, facts)
    if isinstance(seen, Decision) and isinstance(made, Decision) and seen.permitted and not made.permitted:
        assert seen.would_be is not None
        assert seen.would_be.reason == made.reason
        assert seen.would_be.rule == made.rule


@given(policies(), any_facts(), st.sampled_from(Stage))
@settings(max_examples=80)
def test_needs_are_asked_for_once(policy: Policy, facts: Facts, stage: Stage) -> None:
    """Every fact that is needed is Unknown, and giving it gets on: at most one round for each fact."""
    settled = {
        "client_address": parse_address("192.0.2.1"),
        "date": DAYS[0],
        "client_name": None,
        "tls": False,
        "certificate": None,
        "authenticated_as": None,
        "reverse_path": NULL_REVERSE_PATH,
        "forward_path": Mailbox("bob", "example.org", "bob@example.org"),
        "recipient_listed": None,
    }
    answer = decide(policy, stage, facts)
    while isinstance(answer, Needs):
        assert answer.facts
        assert all(getattr(facts, name) is UNKNOWN for name in answer.facts)
        facts = replace(facts, **{name: settled[name] for name in answer.facts})
        answer = decide(policy, stage, facts)
    assert answer.trace
    assert answer.revision == 7


@given(policies(), known_facts())
@settings(max_examples=60)
def test_the_trace_holds_the_rule_of_a_refusal_to_connect(policy: Policy, facts: Facts) -> None:
    answer = decide(policy, Stage.CONNECT, facts)
    if isinstance(answer, Decision) and answer.reason == reasons.NOT_CONNECT:
        assert answer.trace[-1].rule == answer.rule
