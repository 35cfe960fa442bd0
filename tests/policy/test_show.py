"""A policy printed as a document loads equal again, whatever is in it."""

from __future__ import annotations

import datetime
import string
import tomllib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from arrowslit.policy import parts
from arrowslit.policy.decision import Action, Stage
from arrowslit.policy.model import Policy
from arrowslit.policy.show import quote, render
from tests.policy.test_properties import HOPS, NETWORKS, lists, relay_lists
from tests.policy.trees import policy

TEXT = st.text(alphabet=string.printable.replace("\r", "").strip() + " äß\"\\'#{}[]=", max_size=20).filter(
    str.isprintable
)
WORD = st.text(alphabet=string.ascii_letters + string.digits + "-_.", min_size=1, max_size=8)


def shuffled(entry: parts.Entry, note: str) -> parts.Entry:
    return parts.Entry(entry.kind, entry.value, note, note[::-1], entry.expires, entry.require_tls, entry.line_ends)


def noted(access: Any, note: str) -> Any:
    made = {
        name: tuple(shuffled(one, note) for one in getattr(access, name))
        for name in ("only_listed", "all_except_listed")
    }
    more = {name: getattr(access, name) for name in ("allow_authenticated",) if hasattr(access, name)}
    return type(access)(access.mode, **made, **more)


SERVERS = st.builds(
    parts.VirtualServer,
    name=WORD,
    mode=st.sampled_from(["enforce", "defer", "observe"]),
    refuse_at=st.sampled_from(["recipient", "connect"]),
    relay_next_hop=st.just("queue"),
    postmaster_next_hop=st.sampled_from([None, "inner"]),
    recipient_exceptions=st.sampled_from([(), ("postmaster@example.org", "a@b.example")]),
    greeting=TEXT,
    tarpit=st.sampled_from([0.0, 0.25, 1.0, 90.0, 3600.0, 86_400.0, 86_401.0]),
    message_bytes=st.none() | st.integers(1, 2**40),
    recipients_a_message=st.none() | st.integers(1, 1000),
    connections_a_source=st.integers(1, 1000),
    require_tls=st.booleans(),
    own_domains_from_outside=st.sampled_from(["permit", "reject"]),
    authentication=st.none()
    | st.builds(
        parts.Authentication,
        required=st.booleans(),
        with_=st.just("ldap"),
        mechanisms=st.sampled_from([("PLAIN",), ("PLAIN", "LOGIN")]),
        sender_addresses=st.sampled_from(["any", "own"]),
        ldap=st.builds(parts.Ldap, st.just("ldaps://dc.example"), TEXT, TEXT, TEXT, TEXT),
    ),
    connection_control=st.builds(noted, lists(parts.ConnectionControl), TEXT),
    delivery=st.builds(noted, lists(), TEXT),
    skip_checks=st.builds(noted, lists(), TEXT),
    relay_restrictions=st.builds(noted, relay_lists(), TEXT),
)
DOMAINS = st.sampled_from(["example.org", "*.example.org", "a.b.example", "xn--strae-oqa.de"])
ACCEPTED = st.builds(
    parts.AcceptedDomain,
    DOMAINS,
    st.sampled_from(["authoritative", "internal_relay", "external_relay"]),
    st.sampled_from([None, "inner"]),
    st.none() | lists(),
)
EXPECTATIONS = st.builds(
    parts.Expectation,
    that=TEXT,
    from_=st.sampled_from(["192.0.2.1", "2001:db8::1"]),
    outcome=st.sampled_from(Action),
    virtual_server=st.just("default"),
    reverse_name=st.sampled_from([None, "a.example"]),
    helo=st.none() | TEXT,
    tls=st.none() | st.booleans(),
    certificate=st.sampled_from([None, "a.example", "*.example", "sha256:" + "0" * 64]),
    authenticated_as=st.none() | TEXT,
    mail_from=st.sampled_from([None, "", "a@b.example", '"a b"@b.example']),
    to=st.sampled_from([None, "postmaster", "a@b.example"]),
    on=st.none() | st.dates(datetime.date(2000, 1, 1)),
    at=st.none() | st.sampled_from(Stage),
)


@given(
    st.lists(SERVERS, max_size=2, unique_by=lambda one: one.name),
    st.lists(ACCEPTED, max_size=3, unique_by=lambda one: one.name),
    st.lists(EXPECTATIONS, max_size=2),
)
@settings(max_examples=60)
def test_what_is_shown_loads_equal(
    servers: list[parts.VirtualServer], accepted: list[parts.AcceptedDomain], expectations: list[parts.Expectation]
) -> None:
    made = Policy(
        1,
        NETWORKS,
        HOPS,
        {one.name: one for one in accepted},
        {"default": parts.VirtualServer("default", relay_next_hop="queue"), **{one.name: one for one in servers}},
        (parts.Waiver("why", "router", "gap"), parts.Waiver('"quoted"', finding="relay-open", key="virtual_servers.x")),
        tuple(expectations),
    )
    assert policy(render(made)) == made


@given(st.text())
def test_any_text_can_be_quoted(text: str) -> None:
    if all(ord(c) < 0xD800 or ord(c) > 0xDFFF for c in text):
        assert tomllib.loads(f"a = {quote(text)}")["a"] == text
