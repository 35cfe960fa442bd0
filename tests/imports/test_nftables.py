"""Rule sets of nftables as JSON: what is carried over, from where, and what is left."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrowslit.imports.imported import ImportFailedError, Source
from arrowslit.imports.nft.kind import NFTABLES
from arrowslit.imports.register import recognised
from tests.imports.firewall_samples import (
    ACCEPT,
    DADDR,
    DPORT,
    DROP,
    SADDR,
    SADDR6,
    listed,
    match,
    names,
    nft,
    nft_text,
    rule,
    server,
)
from tests.imports.loading import policy_from

FILTER = rule(match(SADDR, {"prefix": {"addr": "203.0.113.0", "len": 28}}), match(DPORT, 25), ACCEPT, handle=9)


def test_each_range_comes_with_its_rule_and_note() -> None:
    elements = [
        {"elem": {"val": {"prefix": {"addr": "198.51.100.0", "len": 29}}, "comment": "the filter"}},
        {"range": ["198.51.100.8", "198.51.100.20"]},
        "192.0.2.1",
    ]
    found = nft(
        {"set": {"family": "inet", "table": "filter", "name": "s", "type": "ipv4_addr", "elem": elements}},
        rule(match(SADDR, "198.51.100.9"), DROP, handle=4),
        rule(match(SADDR, "@s"), match(DPORT, 25), ACCEPT, handle=5, comment="listed"),
        rule(match(SADDR6, "2001:db8::1"), ACCEPT, handle=6),
    )
    entries = server(found).connection_control.only_listed
    assert [(one.kind, one.value, one.origin.text, one.note) for one in entries] == [
        ("computer", "192.0.2.1", "rules.json inet filter input handle 5", "listed"),
        ("group", "198.51.100.0/29", "rules.json inet filter input handle 5", "the filter"),
        ("computer", "198.51.100.8", "rules.json inet filter input handle 5", "listed"),
        ("range", "198.51.100.10-198.51.100.20", "rules.json inet filter input handle 5", "listed"),
        ("computer", "2001:db8::1", "rules.json inet filter input handle 6", ""),
    ]
    assert (found.left, found.doubts) == ([], [])
    policy_from(found)


def test_no_rules_restrict_nothing() -> None:
    found = NFTABLES.read([Source("x", '{"nftables": []}')])
    assert listed(found) == ["all but"]
    assert sum("restrict nothing" in one.because for one in found.remarks) == 2


def test_a_table_of_one_family_says_nothing_of_the_other() -> None:
    text = nft_text(FILTER).replace('"inet"', '"ip"')
    assert listed(NFTABLES.read([Source("x", text)])) == ["203.0.113.0/28", "::/0"]


META = {"meta": {"key": "mark"}}
LIMIT = {"limit": {"rate": 3, "burst": 5, "per": "second"}}
OVER = {"limit": {"rate": 3, "burst": 5, "per": "second", "inv": True}}


@pytest.mark.parametrize(
    "expressions",
    [
        [match(META, 1)],
        [match({"meta": {"key": "hour"}}, {"range": ["08:00:00", "18:00:00"]})],
        [match({"meta": {"key": "skuid"}}, 0)],
        [match({"payload": {"protocol": "ether", "field": "saddr"}}, "00:11:22:33:44:55")],
        [match({"numgen": {"mode": "inc", "mod": 2, "offset": 0}}, 0)],
        [match({"brand new": {"what": 1}}, 0)],
        [match({"ct": {"key": "status"}}, ["snat", "dnat"], "in")],
        [match(SADDR, "@nowhere")],
        [match(SADDR, "example.test")],
        [match(SADDR, {"prefix": {"addr": "198.51.100.0"}})],
        [match(SADDR, 7)],
        [match(DPORT, {"range": [30, 20]})],
        [match({"payload": {"protocol": "ip", "field": "ttl"}}, 2, "<")],
        [match(SADDR, "1.2.3.4", "~")],
        [LIMIT],
        [{"ct count": {"val": 3}}],
        [{"limit": "nowhere"}],
        [{"quota": {"val": 1, "val_unit": "mbytes"}}],
        [{"xt": {"type": "match", "name": "geoip"}}],
        [{"xt": None}],
        [{"what is this": 1}],
        [{"queue": {"num": 3}}],
        ["accept"],
        [{"accept": None, "drop": None}],
        [None],
    ],
)
def test_who_is_let_in_by_what_cannot_be_told_is_left_out(expressions: list[Any]) -> None:
    first = match(SADDR, {"prefix": {"addr": "198.51.100.0", "len": 24}})
    found = nft(rule(first, *expressions, ACCEPT, handle=8), FILTER)
    assert listed(found) == ["203.0.113.0/28"]
    assert [(one.origin.what, one.widens) for one in found.left] == [("inet filter input handle 8", False)]
    policy_from(found)


@pytest.mark.parametrize("expressions", [[match(META, 1)], [{"xt": {"type": "match", "name": "geoip"}}], [None]])
def test_who_may_be_turned_away_by_what_cannot_be_told_is_left_out(expressions: list[Any]) -> None:
    first = match(SADDR, {"prefix": {"addr": "203.0.113.8", "len": 29}})
    found = nft(rule(first, *expressions, DROP, handle=8), FILTER)
    assert listed(found) == ["203.0.113.0/29"]
    assert [one.origin.what for one in found.left] == ["inet filter input handle 8"]


@pytest.mark.parametrize(
    "statement",
    [
        OVER,
        {"ct count": {"val": 10, "inv": True}},
        {"set": {"op": "add", "elem": SADDR, "set": "@m", "stmt": [OVER]}},
        {"meter": {"key": SADDR, "stmt": OVER, "size": 100, "name": "m"}},
    ],
)
def test_a_limit_for_each_client_is_lost_and_that_is_said(statement: dict[str, Any]) -> None:
    found = nft(rule(match(DPORT, 25), statement, DROP, handle=8), FILTER)
    assert listed(found) == ["203.0.113.0/28"]
    assert [(one.origin.what, one.widens) for one in found.left] == [("inet filter input handle 8", True)]


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        (match({"payload": {"protocol": "udp", "field": "dport"}}, 53, "!="), False),
        (match({"payload": {"protocol": "icmp", "field": "type"}}, "echo-request"), False),
        (match({"payload": {"protocol": "ip6", "field": "saddr"}}, "2001:db8::1", "!="), False),
        (match({"payload": {"protocol": "ip", "field": "protocol"}}, {"set": ["tcp", "udp"]}), True),
        (match({"meta": {"key": "l4proto"}}, 6), True),
        (match({"meta": {"key": "l4proto"}}, "udp", "!="), True),
        (match({"meta": {"key": "nfproto"}}, "ipv6", "!="), True),
        (match({"meta": {"key": "protocol"}}, {"set": ["ip", "ip6"]}), True),
        (match({"meta": {"key": "pkttype"}}, {"set": ["broadcast", "multicast"]}, "!="), True),
        (match({"fib": {"result": "type", "flags": ["daddr"]}}, "local"), True),
        (match({"fib": {"result": "type", "flags": ["daddr"]}}, {"set": ["broadcast", "anycast", "multicast"]}), False),
        (match({"fib": {"result": "type", "flags": ["saddr"]}}, "local"), False),
        (match({"fib": {"result": "oif", "flags": ["saddr", "iif"]}}, False), False),
        (match({"fib": {"result": "oif", "flags": ["saddr", "mark", "iif"]}}, "0"), False),
        (match({"fib": {"result": "oif", "flags": ["saddr", "iif"]}}, True), True),
        (match({"fib": {"result": "oif", "flags": ["saddr", "iif"]}}, False, "!="), True),
        (match({"exthdr": {"name": "frag"}}, True), False),
        (match({"ct": {"key": "state"}}, ["invalid", "untracked"], "in"), False),
        (match({"ct": {"key": "state"}}, "invalid", "!="), True),
        (match({"ct": {"key": "direction"}}, "reply"), False),
        (match({"ct": {"key": "status"}}, "dnat", "in"), False),
        (match({"ct": {"key": "proto-dst", "dir": "original"}}, 25), True),
        (match({"ct": {"key": "ip saddr", "dir": "original"}}, {"prefix": {"addr": "0.0.0.0", "len": 0}}), True),
        (match({"meta": {"key": "iifname"}}, "lo"), False),
        (match({"meta": {"key": "iifname"}}, {"set": ["lo", "docker0"]}, "!="), True),
        (match(DPORT, 1024, "<"), True),
        (match(DPORT, 25, ">"), False),
        (match(DADDR, "224.0.0.251"), False),
        (match({"payload": {"protocol": "tcp", "field": "sport"}}, {"range": [1024, 65535]}), True),
        (match(SADDR, {"set": []}), False),
        (match(SADDR, {"set": ["*"]}), True),
    ],
)
def test_conditions_that_hold_for_all_mail_or_for_none(expression: dict[str, Any], says: bool) -> None:
    first = match(SADDR, {"prefix": {"addr": "198.51.100.0", "len": 24}})
    established = rule(match({"ct": {"key": "state"}}, "established", "in"), ACCEPT)
    outer = match({"meta": {"key": "iifname"}}, "wan0")
    found = nft(established, rule(first, match(DPORT, 25), outer, expression, ACCEPT), FILTER)
    assert ("198.51.100.0/24" in listed(found)) is says
    assert [one for one in found.left if not one.widens] == []


def test_flags_of_the_first_packet_and_of_later_ones() -> None:
    flags = {"payload": {"protocol": "tcp", "field": "flags"}}
    syn = match({"&": [flags, ["fin", "syn", "rst", "ack"]]}, "syn")
    other = match(flags, "ack", "in")
    both = [syn, match(SADDR, "192.0.2.1")], [other, match(SADDR, "192.0.2.1")]
    assert listed(nft(rule(*both[0], ACCEPT))) == [], "what comes after the first packet is dropped"
    assert listed(nft(rule(*both[0], ACCEPT), rule(*both[1], ACCEPT))) == ["192.0.2.1"]
    plain = match(flags, {"set": [{"|": ["syn", "ack"]}, "syn", "ack"]})
    assert listed(nft(rule(plain, match(SADDR, "192.0.2.1"), ACCEPT))) == ["192.0.2.1"]


def test_a_reject_in_the_words_of_one_family_is_for_that_family() -> None:
    """nft writes no match on the family where the reject says as much."""
    found = nft(rule({"reject": {"type": "icmpv6", "expr": "port-unreachable"}}), FILTER, policy="accept")
    assert listed(found) == ["all but", "::/0"]


def test_maps_of_verdicts() -> None:
    entries = [
        ["203.0.113.5", DROP],
        [{"range": ["203.0.113.6", "203.0.113.9"]}, ACCEPT],
        ["*", {"jump": {"target": "other"}}],
    ]
    found = nft(
        {
            "map": {
                "family": "inet",
                "table": "filter",
                "name": "m",
                "type": "ipv4_addr",
                "map": "verdict",
                "elem": entries,
            }
        },
        {"chain": {"family": "inet", "table": "filter", "name": "other"}},
        rule(match(SADDR, {"prefix": {"addr": "203.0.113.0", "len": 28}}), {"return": None}, chain="other"),
        rule({"vmap": {"key": SADDR, "data": "@m"}}, handle=3),
        rule(match(SADDR, "203.0.113.5"), ACCEPT),
        rule(match(SADDR, "203.0.113.1"), ACCEPT, handle=7),
    )
    assert sorted(listed(found)) == ["203.0.113.1", "203.0.113.6-203.0.113.9"]
    assert found.left == []


def test_what_iptables_made_is_named() -> None:
    text = nft_text(
        rule(match(SADDR, "192.0.2.1"), {"xt": {"type": "match", "name": "comment"}}, ACCEPT),
        rule({"xt": {"type": "target", "name": "LOG"}}),
        rule(match(SADDR, "192.0.2.2"), {"xt": {"type": "target", "name": "REJECT"}}),
        rule(match(SADDR, "192.0.2.3"), {"xt": {"type": "match", "name": "conntrack"}}, ACCEPT, handle=7),
        rule(match(SADDR, "192.0.2.4"), {"xt": {"type": "target", "name": "NFQUEUE"}}, handle=8),
        rule(match(SADDR, {"prefix": {"addr": "192.0.2.0", "len": 29}}), ACCEPT),
    )
    found = NFTABLES.read([Source("x", text)])
    assert sorted(listed(found)) == ["192.0.2.0", "192.0.2.1", "192.0.2.3", "192.0.2.5-192.0.2.7"]
    assert [one.origin.what[-1] for one in found.left] == ["7", "8"]
    assert all("iptables-save" in one.because for one in found.left)


def test_bridges_are_not_followed_and_that_is_said() -> None:
    bridge = {"family": "bridge", "table": "b", "name": "f", "hook": "forward", "prio": 0, "policy": "drop"}
    found = nft({"table": {"family": "bridge", "name": "b"}}, {"chain": bridge}, FILTER)
    assert [(one.origin.what, one.widens) for one in found.left] == [("bridge b f", True)]


def test_a_table_that_sleeps_does_nothing() -> None:
    text = nft_text(FILTER).replace(
        '"name": "filter", "handle": 1', '"name": "filter", "handle": 1, "flags": ["dormant"]'
    )
    assert listed(NFTABLES.read([Source("x", text)])) == ["all but"]


def test_elements_that_go_at_a_certain_time() -> None:
    elements = [{"elem": {"val": "192.0.2.1", "timeout": 600, "expires": 5}}, "192.0.2.2"]
    found = nft(
        {"set": {"family": "inet", "table": "filter", "name": "s", "type": "ipv4_addr", "elem": elements}},
        rule(match(SADDR, "@s"), ACCEPT, handle=8),
    )
    assert listed(found) == ["192.0.2.2"]
    assert [(one.origin.what, one.widens) for one in found.left] == [("inet filter input handle 8", False)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        nft_text(FILTER)[:-30],
        nft_text(FILTER)[:200],
        "[]",
        '{"nftables": {}}',
        '{"nftables": [7]}',
        '{"nftables": [{"table": {}, "chain": {}}]}',
        '{"nftables": [{"rule": null}]}',
        "table inet filter {\n\tchain input {\n\t}\n}\n",
        '{"nftables": ' + "[" * 100_000,
        "\x00",
    ],
)
def test_what_is_no_whole_rule_set_in_json_is_refused_with_what_to_do(text: str) -> None:
    with pytest.raises(ImportFailedError, match=r"^x: .*nft -j list ruleset > FILE"):
        NFTABLES.read([Source("x", text)])


HOSTILE = ['"', "\u2028", "\x1b[2J", "a" * 3000, "]}", "@s", "../..", "\ud800", "* / #"]


@pytest.mark.parametrize("word", HOSTILE)
def test_comments_and_names_of_strangers_change_nothing(word: str) -> None:
    made = {"family": "inet", "table": "filter", "name": word, "type": "ipv4_addr"}
    found = nft(
        {"chain": {"family": "inet", "table": "filter", "name": word}},
        {"set": {**made, "elem": [{"elem": {"val": "198.51.100.7", "comment": word}}]}},
        rule({"jump": {"target": word}}, comment=word),
        rule(match(SADDR, f"@{word}"), match(DPORT, 25), ACCEPT, chain=word, comment=word),
        FILTER,
    )
    assert listed(found) == ["198.51.100.7", "203.0.113.0/28"]
    policy_from(found)


@pytest.mark.parametrize("count", [5_000, pytest.param(100_000, marks=pytest.mark.long)])
def test_a_hundred_thousand_elements_take_seconds(count: int) -> None:
    elements = [f"10.{n >> 15}.{n >> 7 & 255}.{n * 2 & 255}" for n in range(count)]
    made = {"family": "inet", "table": "filter", "name": "s", "type": "ipv4_addr", "elem": elements}
    found = nft({"set": made}, rule(match(SADDR, "@s"), match(DPORT, 25), ACCEPT))
    assert len(listed(found)) == count
    assert names(found) == ["default"]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 70_000)
    | st.sampled_from(["@s", "ip", "tcp", "25", "*", "192.0.2.1", ""]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    *(
                        "match",
                        "left",
                        "right",
                        "op",
                        "payload",
                        "protocol",
                        "field",
                        "saddr",
                        "dport",
                        "meta",
                        "key",
                        "set",
                    ),
                    *(
                        "concat",
                        "range",
                        "prefix",
                        "addr",
                        "len",
                        "elem",
                        "val",
                        "vmap",
                        "data",
                        "jump",
                        "target",
                        "accept",
                    ),
                    *("drop", "reject", "limit", "dnat", "port", "map", "xt", "ct", "fib", "&", "|", "type", "flags"),
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)
OBJECT = st.sampled_from(["rule", "set", "map", "chain", "table", "limit", "what"])


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(OBJECT, st.dictionaries(st.sampled_from(["expr", "elem", "name", "hook", "prio"]), JSON)), max_size=5
    )
)
def test_whatever_stands_there_a_policy_comes_of_it(objects: list[tuple[str, dict[str, Any]]]) -> None:
    made = [
        {kind: {"family": "inet", "table": "filter", "chain": "input", "name": "s", "handle": 1, **rest}}
        for kind, rest in objects
    ]
    text = nft_text(*made)
    NFTABLES.recognise(text)
    try:
        found = NFTABLES.read([Source("x", text)])
    except ImportFailedError:
        return
    policy_from(found)


@settings(max_examples=60, deadline=None)
@given(JSON, st.lists(JSON, max_size=3))
def test_rules_of_any_shape_never_raise(left: Any, expressions: list[Any]) -> None:
    found = nft(
        rule(match(left, left), *expressions, ACCEPT), rule({"vmap": {"key": left, "data": {"set": [[left, ACCEPT]]}}})
    )
    policy_from(found)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (nft_text(), "nftables"),
        (json.dumps({"nftables": []}, indent=2), "nftables"),
        ("#!/usr/sbin/nft -f\nflush ruleset\n", "nftables"),
        ("table inet filter {\n", "nftables"),
        ('{"tables": []}', None),
        ("table of contents\n", None),
    ],
)
def test_it_is_recognised(text: str, kind: str | None) -> None:
    found = recognised(text)
    assert (found.name if found else None) == kind
