"""The text of an import: what it says, that it loads whatever was found, and that no stranger's text gets out of it."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from arrowslit.imports.document import document
from arrowslit.imports.imported import (
    AcceptedDomain,
    AccessList,
    Entry,
    Expectation,
    Imported,
    Left,
    Origin,
    VirtualServer,
)
from arrowslit.imports.writing import comment, name_from, quoted, shown
from tests.imports.loading import policy_from, site_of

MAIN = Origin("main.cf", 12, "mynetworks")
DOMAINS = Origin("main.cf", 14, "relay_domains")
WHOLE = Imported(
    servers=[
        VirtualServer(
            "default",
            Origin("master.cf", 3, "smtp"),
            connection_control=AccessList(
                "only_listed", [Entry("network", "filter", MAIN), Entry("computer", "192.0.2.1", MAIN, "scanner")]
            ),
            relay_restrictions=AccessList("only_listed", [Entry("computer", "192.0.2.1", MAIN, require_tls=True)]),
            allow_authenticated=False,
            settings={"message_bytes": 1000, "recipient_exceptions": ("postmaster@example.org",)},
        ),
        VirtualServer(
            "submission",
            Origin("master.cf", 9, "submission"),
            connection_control=AccessList("all_except_listed"),
            allow_authenticated=True,
            authentication=True,
            authentication_required=True,
            require_tls=True,
        ),
    ],
    accepted_domains=[
        AcceptedDomain("example.org", "internal_relay", DOMAINS),
        AcceptedDomain(
            "*.example.net", "authoritative", DOMAINS, AccessList("only_listed", [Entry("network", "filter", MAIN)])
        ),
    ],
    networks={"filter": [Entry("group", "198.51.100.0/24", MAIN), Entry("computer", "2001:db8::1", MAIN, "second")]},
    relay_next_hop="smtp://192.168.0.5:25",
    expectations=[
        Expectation(
            "the filter delivers", "permit", MAIN, (("from", "198.51.100.9"), ("to", "a@example.org"), ("tls", True))
        )
    ],
    left=[
        Left(MAIN, "reject_rbl_client zen.test", "no policy asks lists", "use rspamd", widens=True),
        Left(MAIN, "header_checks", "no policy looks into mail"),
    ],
    doubts=[Left(MAIN, "mynetworks_style", "the machine's networks are not known")],
)
TEXT = """\
# Made from the settings of another server: Postfix.
# Look through it, then try it: arrowslit policy lint

# NOT carried over, and this policy lets more in than the source did:
# - main.cf:12 mynetworks: reject_rbl_client zen.test
#     no policy asks lists -> use rspamd

# Not carried over:
# - main.cf:12 mynetworks: header_checks
#     no policy looks into mail

# Read in the narrower of several ways:
# - main.cf:12 mynetworks: mynetworks_style
#     the machine's networks are not known

version = 1

# --- named sets of addresses --------------------------------------------------
[networks.filter]
addresses = [
  "198.51.100.0/24",  # main.cf:12 mynetworks
  "2001:db8::1",  # main.cf:12 mynetworks second
]

# --- where mail goes ----------------------------------------------------------
# [next_hops.inner]
# address = "smtp://HOST:25"

[next_hops.outbound]
address = "smtp://192.168.0.5:25"

# --- domains that mail is taken for -------------------------------------------
[accepted_domains."example.org"]  # main.cf:14 relay_domains
kind = "internal_relay"
# next_hop = "inner"

[accepted_domains."*.example.net"]  # main.cf:14 relay_domains
kind = "authoritative"
# next_hop = "inner"

[accepted_domains."*.example.net".delivery]
mode = "only_listed"
only_listed = [
  { network = "filter" },  # main.cf:12 mynetworks
]

# --- who may: default ---------------------------------------------------------
[virtual_servers.default]  # master.cf:3 smtp
relay_next_hop = "outbound"
message_bytes = 1000
recipient_exceptions = ["postmaster@example.org"]

[virtual_servers.default.connection_control]
mode = "only_listed"
only_listed = [
  { network = "filter" },  # main.cf:12 mynetworks
  { computer = "192.0.2.1", note = "scanner" },  # main.cf:12 mynetworks
]

[virtual_servers.default.relay_restrictions]
mode = "only_listed"
only_listed = [
  { computer = "192.0.2.1", require_tls = true },  # main.cf:12 mynetworks
]
allow_authenticated = false

# --- who may: submission ------------------------------------------------------
[virtual_servers.submission]  # master.cf:9 submission
relay_next_hop = "outbound"
require_tls = true

[virtual_servers.submission.authentication]
required = true
with = "users"                   # who checks passwords: a list of its own, or "ldap", or "next_hop"

[virtual_servers.submission.connection_control]
mode = "all_except_listed"
all_except_listed = []

[virtual_servers.submission.relay_restrictions]
mode = "only_listed"
only_listed = []
allow_authenticated = true

# --- what is so at the source, and must stay true -----------------------------
[[expectations]]  # main.cf:12 mynetworks
that = "the filter delivers"
from = "198.51.100.9"
to = "a@example.org"
tls = true
outcome = "permit"
"""


def test_every_part_with_its_place() -> None:
    assert document(WHOLE, "Postfix") == TEXT
    policy = policy_from(WHOLE)
    assert policy.virtual_servers["submission"].require_tls
    assert policy.virtual_servers["default"].relay_next_hop == "outbound"


def test_without_any_next_hop_somebody_may_still_relay() -> None:
    found = Imported(servers=WHOLE.servers, accepted_domains=WHOLE.accepted_domains[:1], networks=WHOLE.networks)
    policy = policy_from(found)
    assert policy.next_hops == {}
    assert policy.virtual_servers["default"].relay_restrictions.only_listed


def test_one_next_hop_alone_does_not_keep_it_from_loading() -> None:
    found = Imported(servers=WHOLE.servers, networks=WHOLE.networks, next_hop="smtp://192.168.0.5:25")
    assert policy_from(found).next_hops == {}
    assert '# address = "smtp://192.168.0.5:25"' in document(found, "x")
    inbound = Imported(accepted_domains=WHOLE.accepted_domains[:1], next_hop="smtp://192.168.0.5:25")
    assert policy_from(inbound).accepted_domains["example.org"].next_hop == "inner"


def _server(**given: AccessList) -> Imported:
    return Imported(servers=[VirtualServer("default", MAIN, **given)])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "relay",
    [
        AccessList("all_except_listed"),
        AccessList("only_listed", [Entry("group", "0.0.0.0/0", MAIN)]),
        AccessList("only_listed", [Entry("range", "2001:db8::-2001:dba::", MAIN)]),
        AccessList("only_listed", [Entry("group", "8.0.0.0/15", MAIN)]),
    ],
)
def test_an_open_relay_is_left(relay: AccessList) -> None:
    found = _server(relay_restrictions=relay)
    assert policy_from(found).virtual_servers["default"].relay_restrictions.only_listed == ()
    assert "open relay" in document(found, "x")


def test_a_refusal_that_cannot_be_said_lets_more_in() -> None:
    access = AccessList("all_except_listed", [], [Entry("computer", "192.0.2.1", MAIN, require_tls=True)])
    text = document(_server(connection_control=access), "x")
    assert "lets more in than the source did:\n# - main.cf:12 mynetworks: 192.0.2.1" in text


def test_what_the_format_cannot_hold_is_named() -> None:
    found = Imported(
        servers=[
            VirtualServer(
                "in out",
                MAIN,
                connection_control=AccessList(
                    "only_listed",
                    [
                        Entry("computer", "not one", MAIN),
                        Entry("group", "192.0.2.1/24", MAIN),
                        Entry("domain", "a b", MAIN),
                        Entry("network", "nobody", MAIN),
                        Entry("recipe", "soup", MAIN),
                    ],
                ),
                settings={"message_bytes": -1, "colour": "red"},
            )
        ],
        accepted_domains=[
            AcceptedDomain("a..b", "authoritative", MAIN),
            AcceptedDomain("x.test", "authoritative", MAIN),
        ],
        next_hop="somewhere else",
        expectations=[Expectation("that", "permit", MAIN, (("from", "me"),), "in out")],
    )
    policy = policy_from(found)
    assert [one.value for one in policy.virtual_servers["in-out"].connection_control.only_listed] == ["192.0.2.0/24"]
    assert list(policy.accepted_domains) == ["x.test"]
    text = document(found, "x")
    for said in ("not one", "a b", "nobody", "soup", "a..b", "message_bytes = -1", "colour = red", "somewhere else"):
        assert said in text.partition("version = 1")[0]


def test_long_lists_become_networks_and_one_wide_range_goes_alone() -> None:
    entries = [Entry("computer", f"192.0.2.{number}", MAIN) for number in range(1, 200, 2)]
    wide = Entry("group", "8.0.0.0/8", MAIN)
    listed = AccessList("only_listed", [*entries, wide, Entry("domain", "mx.test", MAIN)])
    policy = policy_from(_server(connection_control=listed, relay_restrictions=listed, delivery=listed))
    assert len(policy.networks["mynetworks"].addresses) == 101
    assert len(policy.networks["mynetworks-2"].addresses) == 100
    server = policy.virtual_servers["default"]
    assert [one.kind for one in server.relay_restrictions.only_listed] == ["network", "domain"]
    assert len(policy.networks) == 2
    assert server.connection_control.only_listed == server.delivery.only_listed


HOSTILE = st.text(max_size=40) | st.sampled_from(
    ['"]\nversion = 2\n#', "\\", '"""', "'''", "\x7f\x00\x1b[31m", "\u202e", "\ud800", "a\r\n[x]", "]", "#", " "]
)
ORIGINS = st.builds(Origin, HOSTILE, st.integers(0, 9), HOSTILE)
ENTRIES = st.builds(
    Entry,
    st.sampled_from(["computer", "group", "range", "domain", "certificate", "network", "x"]),
    st.sampled_from(["192.0.2.1", "192.0.2.0/24", "2001:db8::/32", "192.0.2.1-192.0.2.9", "*.mx.test", "net", "*.*"])
    | HOSTILE,
    ORIGINS,
    HOSTILE,
    st.booleans(),
)
LISTS = st.builds(
    AccessList,
    st.sampled_from(["only_listed", "all_except_listed"]),
    st.lists(ENTRIES, max_size=4),
    st.lists(ENTRIES, max_size=4),
    ORIGINS,
)
SERVERS = st.builds(
    VirtualServer,
    HOSTILE,
    ORIGINS,
    LISTS,
    st.none() | LISTS,
    st.none() | LISTS,
    st.none() | LISTS,
    st.none() | st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.dictionaries(st.sampled_from(["message_bytes", "greeting", "x"]), st.integers(-2, 5) | HOSTILE, max_size=2),
)
LEFT = st.lists(st.builds(Left, ORIGINS, HOSTILE, HOSTILE, HOSTILE, st.booleans()), max_size=3)
DOMAINS_FOUND = st.builds(
    AcceptedDomain,
    st.sampled_from(["example.org", "*.example.org", "EXAMPLE.org."]) | HOSTILE,
    st.sampled_from(["authoritative", "internal_relay", "external_relay"]),
    ORIGINS,
    st.none() | LISTS,
)
FOUND = st.builds(
    Imported,
    st.lists(SERVERS, max_size=3),
    st.lists(DOMAINS_FOUND, max_size=4),
    st.dictionaries(HOSTILE | st.just("net"), st.lists(ENTRIES, max_size=3), max_size=2),
    st.sampled_from(["", "smtp://192.168.0.5:25", "x"]),
    st.sampled_from(["", "smtp://192.168.0.6:25", "x"]),
    st.just([]),
    LEFT,
    LEFT,
)


@settings(max_examples=40)
@given(FOUND, HOSTILE)
@example(Imported([VirtualServer("", MAIN), VirtualServer("", MAIN)]), "two of one name")
def test_whatever_was_found_loads(found: Imported, title: str) -> None:
    text = document(found, title)
    site = site_of(text)
    assert not site.errors, [(one.finding.name, one.finding.message, one.finding.key) for one in site.errors]
    assert site.policy is not None
    assert len(site.policy.virtual_servers) == len(found.servers)
    assert tomllib.loads(text)["version"] == 1
    assert len([line for line in text.split("\n") if line.startswith("# - ")]) >= len(found.left) + len(found.doubts)


@given(HOSTILE)
def test_a_text_stays_where_it_is_put(text: str) -> None:
    assert tomllib.loads(f"a = {quoted(text)}  {comment(text)}") == {"a": shown(text, 10_000)}
    assert name_from(text, {"list"}) != "list"
