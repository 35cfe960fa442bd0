# ruff: noqa: E501  (a table is read by its columns)
"""Every finding: a document that has it, where it is marked, and nothing else that holds the policy up."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from arrowslit.policy.finding import Finding, Severity
from arrowslit.policy.findings import FINDINGS
from arrowslit.policy.lint import lint
from tests.policy.trees import DATE, load, policy

BASE = """version = 1
[networks.filter]
addresses = ["192.0.2.0/28"]
[next_hops.inner]
address = "smtp://192.168.0.5:25"
[next_hops.queue]
address = "smtp://192.168.0.7:25"
username = "arrowslit"
[accepted_domains."example.org"]
next_hop = "inner"
[virtual_servers.default]
relay_next_hop = "queue"
connection_control.only_listed = [{ network = "filter" }]
relay_restrictions.only_listed = [{ computer = "192.168.0.40" }]
[[expectations]]
that = "the filter delivers"
from = "192.0.2.1"
to = "bob@example.org"
outcome = "permit"
"""

CONTROL = 'only_listed = [{ network = "filter" }]'
RELAY = 'only_listed = [{ computer = "192.168.0.40" }]'
SERVER = 'relay_next_hop = "queue"'
HOP = 'address = "smtp://192.168.0.5:25"'
PINNED = 'addresses = ["192.0.2.0/28"]'


def entry(text: str) -> tuple[str, str]:
    """One more entry of connection control."""
    return CONTROL, CONTROL.replace("}]", "}, { " + text + " }]")


LINES: list[tuple[str, tuple[str, str], str, str]] = [
    # name, what is written instead of what, key, what is marked (the start of it)
    ("unknown-key", (HOP, HOP + '\ntlss = "off"'), "next_hops.inner.tlss", "tlss"),
    ("missing-key", (HOP, "pass_8bit = true"), "next_hops.inner.address", "[next_hops.inner]"),
    ("missing-key", (HOP, HOP + '\ntls = "fingerprint"'), "next_hops.inner.tls_fingerprints", "inner"),
    ("missing-key", (HOP, HOP + '\ntls_key = "key.pem"'), "next_hops.inner.tls_certificate", "inner"),
    ("missing-key", (SERVER, SERVER + '\nforward = "splice"'), "virtual_servers.default.splice_to", "default"),
    (
        "missing-key",
        (SERVER, SERVER + '\nauthentication.with = "ldap"'),
        "virtual_servers.default.authentication.ldap",
        "with",
    ),
    ("wrong-type", (HOP, HOP + '\npass_8bit = "yes"'), "next_hops.inner.pass_8bit", '"yes"'),
    ("wrong-type", (HOP, HOP + "\ntls_fingerprints = true"), "next_hops.inner.tls_fingerprints", "true"),
    ("wrong-type", (SERVER, SERVER + "\ndelivery = 1"), "virtual_servers.default.delivery", "1"),
    ("wrong-type", entry("computer = 1"), "virtual_servers.default.connection_control.only_listed[1].computer", "1 "),
    ("wrong-value", (HOP, HOP + '\ntls = "opportunist"'), "next_hops.inner.tls", '"opportunist"'),
    ("wrong-value", (SERVER, SERVER + '\ntarpit = "5 seconds"'), "virtual_servers.default.tarpit", '"5 seconds"'),
    ("wrong-value", (SERVER, SERVER + "\nmessage_bytes = 0"), "virtual_servers.default.message_bytes", "0"),
    (
        "wrong-value",
        (SERVER, SERVER + '\nconnection_control.when_dns_fails = "permit"'),
        "virtual_servers.default.connection_control.when_dns_fails",
        '"permit"',
    ),
    ("wrong-name", ("[networks.filter]", '[networks."a/b"]\n[networks.filter]'), 'networks."a/b"', '"a/b"'),
    (
        "wrong-entry",
        entry('computer = "192.0.2.1", domain = "a.example"'),
        "virtual_servers.default.connection_control.only_listed[1]",
        "{ computer",
    ),
    ("wrong-entry", entry('note = "?"'), "virtual_servers.default.connection_control.only_listed[1]", "{ note"),
    ("wrong-waiver", (BASE[-1], '\n[[waivers]]\nbecause = "?"\n'), "waivers[0]", ""),
    ("unknown-version", ("version = 1", "version = 2"), "version", "2"),
    (
        "unknown-network",
        entry('network = "filtre"'),
        "virtual_servers.default.connection_control.only_listed[1].network",
        '"filtre"',
    ),
    ("unknown-next-hop", (SERVER, 'relay_next_hop = "quee"'), "virtual_servers.default.relay_next_hop", '"quee"'),
    (
        "unknown-virtual-server",
        ('that = "the', 'virtual_server = "other"\nthat = "the'),
        "expectations[0].virtual_server",
        '"other"',
    ),
    ("not-an-address", (PINNED, 'addresses = ["192.0.2.0/28", "x"]'), "networks.filter.addresses", '"x"'),
    (
        "not-an-address",
        entry('group = "192.0.2.1"'),
        "virtual_servers.default.connection_control.only_listed[1].group",
        '"192.0.2.1"',
    ),
    (
        "not-an-address",
        entry('range = "192.0.2.0/24"'),
        "virtual_servers.default.connection_control.only_listed[1].range",
        '"192.0.2.0/24"',
    ),
    (
        "not-a-domain",
        entry('domain = "*example.org"'),
        "virtual_servers.default.connection_control.only_listed[1].domain",
        '"*example.org"',
    ),
    ("not-a-domain", ('"example.org"]', '"example..org"]'), 'accepted_domains."example..org"', '"example..org"'),
    ("not-a-mail-address", ('"bob@example.org"', '"bob@"'), "expectations[0].to", '"bob@"'),
    (
        "not-a-mail-address",
        (SERVER, SERVER + '\nrecipient_exceptions = ["bob"]'),
        "virtual_servers.default.recipient_exceptions",
        '"bob"',
    ),
    ("not-a-next-hop", (HOP, 'address = "192.168.0.5"'), "next_hops.inner.address", '"192.168.0.5"'),
    ("not-a-next-hop", (HOP, 'address = "smtp://a.example:99999"'), "next_hops.inner.address", '"smtp://'),
    ("not-a-next-hop", (HOP, 'address = "tcp://a.example:25"'), "next_hops.inner.address", '"tcp://'),
    (
        "duplicate-domain",
        ('[accepted_domains."example.org"]', '[accepted_domains."Example.ORG"]\n[accepted_domains."example.org"]'),
        'accepted_domains."example.org"',
        '"example.org"',
    ),
    ("fallback-to-itself", (HOP, HOP + '\nfallback = "inner"'), "next_hops.inner.fallback", '"inner"'),
    *(
        (
            "not-in-exceptions",
            (CONTROL, f"all_except_listed = [{{ {text} }}]"),
            f"virtual_servers.default.connection_control.all_except_listed[0].{key}",
            "{ ",
        )
        for key, text in (
            ("require_tls", 'computer = "192.0.2.1", require_tls = true'),
            ("certificate", 'certificate = "mx.example"'),
            ("line_ends", 'computer = "192.0.2.1", line_ends = "normalise"'),
        )
    ),
    ("relay-next-hop-missing", (SERVER, 'mode = "enforce"'), "virtual_servers.default", "default"),
    (
        "host-bits",
        entry('group = "203.0.113.1/28"'),
        "virtual_servers.default.connection_control.only_listed[1].group",
        '"203.0.113.1/28"',
    ),
    ("network-source-not-followed", (PINNED, PINNED + '\nspf = ["spf.example"]'), "networks.filter", '["spf.'),
    ("network-file-missing", (PINNED, PINNED + '\nfile = "gone.txt"'), "networks.filter.file", '"gone.txt"'),
    (
        "relay-open",
        (RELAY, 'mode = "all_except_listed"'),
        "virtual_servers.default.relay_restrictions.mode",
        '"all_except_listed"',
    ),
    (
        "relay-range-wide",
        (RELAY, 'only_listed = [{ group = "198.0.0.0/15" }]'),
        "virtual_servers.default.relay_restrictions.only_listed[0]",
        "{ group",
    ),
    (
        "relay-range-wide",
        (RELAY, 'only_listed = [{ range = "2001:db8::-2001:dba::" }]'),
        "virtual_servers.default.relay_restrictions.only_listed[0]",
        "{ range",
    ),
    ("relay-shares-next-hop", (SERVER, 'relay_next_hop = "inner"'), "virtual_servers.default.relay_next_hop", '"inner"'),
    (
        "relay-without-sign-in",
        (RELAY, RELAY + "\nrelay_restrictions.allow_authenticated = true"),
        "virtual_servers.default.relay_restrictions.allow_authenticated",
        "true",
    ),
    ("nobody-may-connect", (CONTROL, "only_listed = []"), "virtual_servers.default.connection_control", "control"),
    (
        "list-of-other-mode",
        (SERVER, SERVER + '\ndelivery.only_listed = [{ network = "filter" }]'),
        "virtual_servers.default.delivery.only_listed",
        "only_listed",
    ),
    (
        "everybody-listed",
        entry('group = "0.0.0.0/0"'),
        "virtual_servers.default.connection_control.only_listed[1]",
        "{ group",
    ),
    (
        "entry-covered",
        entry('computer = "192.0.2.3"'),
        "virtual_servers.default.connection_control.only_listed[1]",
        "{ computer",
    ),
    (
        "entry-covered",
        entry('computer = "203.0.113.3" }, { group = "203.0.113.0/24"'),
        "virtual_servers.default.connection_control.only_listed[1]",
        "{ computer",
    ),
    (
        "entry-covered",
        entry('domain = "a.example" }, { domain = "a.example"'),
        "virtual_servers.default.connection_control.only_listed[2]",
        "{ domain",
    ),
    (
        "entry-expired",
        entry('computer = "203.0.113.3", expires = 2026-11-24'),
        "virtual_servers.default.connection_control.only_listed[1]",
        "{ computer",
    ),
    (
        "entry-expired-alone",
        (RELAY, 'only_listed = [{ network = "filter", expires = 2026-11-24 }]'),
        "virtual_servers.default.relay_restrictions.only_listed[0]",
        "{ network",
    ),
    (
        "entry-expires-soon",
        entry('computer = "203.0.113.3", expires = 2026-12-09'),
        "virtual_servers.default.connection_control.only_listed[1]",
        "{ computer",
    ),
    ("ipv6-covers-ipv4", (PINNED, 'addresses = ["192.0.2.0/28", "64:ff9b::/96"]'), "networks.filter.addresses", "["),
    (
        "ipv6-covers-ipv4",
        entry('group = "::/8"'),
        "virtual_servers.default.connection_control.only_listed[1]",
        "{ group",
    ),
    (
        "ipv6-narrow",
        entry('computer = "2001:db8::1"'),
        "virtual_servers.default.connection_control.only_listed[1]",
        "{ computer",
    ),
    (
        "domain-in-exceptions",
        (CONTROL, CONTROL + '\nconnection_control.all_except_listed = [{ domain = "*.spam.example" }]'),
        "virtual_servers.default.connection_control.all_except_listed[0]",
        "{ domain",
    ),
    (
        "network-empty",
        (CONTROL, 'only_listed = [{ network = "filter" }, { network = "none" }]\n[networks.none]\n[virtual_servers.x]\n'
         'relay_next_hop = "queue"\nconnection_control.only_listed = [{ network = "filter" }]'),
        "virtual_servers.default.connection_control.only_listed[1]",
        "{ network",
    ),
    (
        "connect-defeats-setting",
        (SERVER, SERVER + '\nrefuse_at = "connect"\nrecipient_exceptions = ["postmaster@example.org"]'),
        "virtual_servers.default.recipient_exceptions",
        '["postmaster',
    ),
    (
        "connect-defeats-setting",
        (CONTROL, 'only_listed = [{ network = "filter" }, { certificate = "a.example" }]\nrefuse_at = "connect"'),
        "virtual_servers.default.connection_control.only_listed[1]",
        "{ certificate",
    ),
    (
        "connect-defeats-setting",
        (CONTROL, 'only_listed = [{ network = "filter" }, { computer = "203.0.113.9", require_tls = true }]\nrefuse_at = "connect"'),
        "virtual_servers.default.connection_control.only_listed[1]",
        "{ computer",
    ),
    (
        "connect-defeats-setting",
        (SERVER, SERVER + '\nrefuse_at = "connect"\n[accepted_domains."example.org".delivery]\nmode = "all_except_listed"\n[virtual_servers.x]\nrelay_next_hop = "queue"'),
        'accepted_domains."example.org".delivery',
        "delivery",
    ),
    (
        "filter-cannot-sign-in",
        (SERVER, SERVER + "\nauthentication.required = true"),
        "virtual_servers.default.authentication.required",
        "true",
    ),
    ("recipients-unchecked", (HOP, HOP + '\nrecipient_check = "never"'), "next_hops.inner.recipient_check", '"never"'),
    (
        "postmaster-unclear",
        ("[virtual_servers.default]", '[accepted_domains."example.net"]\nnext_hop = "queue"\n[virtual_servers.default]'),
        "virtual_servers.default",
        "default",
    ),
    ("next-hop-missing", ('next_hop = "inner"', ""), 'accepted_domains."example.org"', '"example.org"'),
    (
        "domain-not-accepted",
        (SERVER, SERVER + '\nrecipient_exceptions = ["postmaster@example.net"]'),
        "virtual_servers.default.recipient_exceptions",
        '["postmaster',
    ),
    (
        "domain-not-accepted",
        (BASE[-1], '\n[[expectations]]\nthat = "alias"\nfrom = "192.0.2.1"\nto = "bob@example.net"\noutcome = "permit"\n'),
        "expectations[1].to",
        "",
    ),
    ("filter-not-expected", ('outcome = "permit"', 'outcome = "reject"'), "expectations", ""),
    ("network-unused", ("[networks.filter]", "[networks.other]\n[networks.filter]"), "networks.other", "other"),
    (
        "next-hop-unused",
        ("[next_hops.inner]", '[next_hops.other]\naddress = "maildir:mail"\n[next_hops.inner]'),
        "next_hops.other",
        "other",
    ),
    (
        "waiver-unused",
        (BASE[-1], '\n[[waivers]]\nfinding = "relay-open"\nbecause = "?"\n'),
        "waivers[0]",
        "",
    ),
]  # fmt: skip


def changed(change: tuple[str, str]) -> str:
    old, new = change
    if old == BASE[-1]:
        return BASE + new
    assert old in BASE
    return BASE.replace(old, new, 1)


def found_in(text: str) -> list[Finding]:
    loaded = load(text)
    return [*loaded.findings, *(lint(loaded.policy, DATE) if loaded.policy is not None else ())]


def test_the_base_has_no_finding() -> None:
    assert found_in(BASE) == []


@pytest.mark.parametrize(
    ("name", "change", "key", "marked"), LINES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_finding(name: str, change: tuple[str, str], key: str, marked: str) -> None:
    text = changed(change)
    found = [one for one in found_in(text) if (one.name, one.key) == (name, key)]
    assert len(found) == 1, found_in(text)
    about = FINDINGS[name]
    assert found[0].severity is about.severity
    assert found[0].waivable is about.loads
    assert (load(text).policy is None) is not about.loads
    assert found[0].message
    if marked:
        mark = found[0].mark
        assert mark is not None
        line = text.splitlines()[mark.span.line - 1]
        assert line[mark.span.column - 1 :].startswith(marked) or marked in line


def test_every_finding_has_its_document() -> None:
    assert {name for name, *_ in LINES} == set(FINDINGS)
    assert all(about.doc.endswith(".") for about in FINDINGS.values())


def test_every_error_of_the_code_is_registered() -> None:
    folder = Path(__file__).parents[2] / "src" / "arrowslit" / "policy"
    made: set[str] = set()
    for path in folder.glob("*.py"):
        made |= set(re.findall(r'(?:error|warn|finding)\(\s*(?:policy,\s*)?"([a-z0-9-]+)"', path.read_text("utf-8")))
    assert made <= set(FINDINGS)
    assert len(made) > 20


def test_errors_come_all_at_once() -> None:
    text = changed((HOP, HOP + '\ntls = "x"\nwrong = 1\nconnections = "y"\nfallback = "z"'))
    names = sorted(one.name for one in load(text).findings if one.severity is Severity.ERROR)
    assert names == ["unknown-key", "unknown-next-hop", "wrong-type", "wrong-value"]


def test_the_nearest_key_is_offered() -> None:
    found = load(changed((HOP, HOP + '\ntlss = "off"'))).findings
    assert found[0].help == "did you mean tls?"


@pytest.mark.parametrize(
    ("waiver", "left"),
    [
        ('finding = "relay-open"', []),
        ('finding = "relay-open"\nkey = "virtual_servers.default"', []),
        ('finding = "relay-open"\nkey = "virtual_servers.default.relay_restrictions.mode"', []),
        ('finding = "relay-open"\nkey = "virtual_servers.def"', ["relay-open", "waiver-unused"]),
        ('finding = "relay-range-wide"', ["relay-open", "waiver-unused"]),
    ],
)
def test_waivers_are_by_name(waiver: str, left: list[str]) -> None:
    text = changed((RELAY, 'mode = "all_except_listed"')) + f'[[waivers]]\n{waiver}\nbecause = "a test"\n'
    assert [one.name for one in lint(policy(text), DATE)] == left


def test_a_site_that_only_compiles_needs_no_next_hop() -> None:
    text = 'version = 1\n[accepted_domains."example.org"]\n[virtual_servers.default]\n'
    text += 'relay_restrictions.only_listed = [{ computer = "192.168.0.40" }]\n'
    assert load(text).policy is not None


def test_private_ranges_may_relay() -> None:
    text = changed((RELAY, 'only_listed = [{ group = "10.0.0.0/8" }, { group = "198.51.0.0/16" }]'))
    assert "relay-range-wide" not in {one.name for one in found_in(text)}


def test_what_covers_only_for_a_time_or_in_tls_covers_nothing() -> None:
    for coverer in ('group = "203.0.113.0/24", require_tls = true', 'group = "203.0.113.0/24", expires = 2027-01-01'):
        text = changed(entry('computer = "203.0.113.3" }, { ' + coverer))
        assert "entry-covered" not in {one.name for one in found_in(text)}


def test_a_plain_entry_behind_one_with_a_condition_still_covers() -> None:
    text = changed(
        entry(
            'group = "203.0.113.0/24", require_tls = true }, { group = "203.0.113.0/25" }, { computer = "203.0.113.3"'
        )
    )
    covered = [one.key for one in found_in(text) if one.name == "entry-covered"]
    assert covered == ["virtual_servers.default.connection_control.only_listed[3]"]


def test_a_shared_next_hop_that_we_sign_in_to_is_no_finding() -> None:
    text = changed((SERVER, 'relay_next_hop = "inner"')).replace(HOP, HOP + '\nusername = "a"\npassword_file = "p"')
    assert "relay-shares-next-hop" not in {one.name for one in found_in(text)}
