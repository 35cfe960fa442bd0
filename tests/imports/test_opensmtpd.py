"""smtpd.conf, imported: by hand, by chance against the real OpenSMTPD, and back from what a policy compiles to."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrowslit.imports.document import document
from arrowslit.imports.imported import Imported, ImportFailedError, Source
from arrowslit.imports.opensmtpd.reader import OPENSMTPD
from arrowslit.imports.register import recognised
from tests.imports.deciding import permits
from tests.imports.loading import policy_from, site_of
from tests.peers import opensmtpd
from tests.peers.outside import Outside, outside
from tests.targets.mail_policies import MAIL_POLICIES, RECIPIENTS
from tests.targets.samples import made
from tests.targets.truth import edges, policy_of

CONF = """\
# as the manual page has it
ours = "example.org"
table filter { "198.51.100.0/24", "2001:db8:25::/48" }
table scanners file:/etc/mail/scanners
table aliases file:/etc/mail/aliases
include "/etc/mail/more.conf"
listen on lo0
listen on egress
listen on egress port submission tls-require auth <users>
action "inbound" maildir alias <aliases>
action "relayed" relay host smtp://192.0.2.50
action "outbound" relay
match from src <filter> for domain $ours action "inbound"
match from any for domain { "open.example", "*.open.example" } action "relayed"
match from src <scanners> for any action "outbound"
match auth from any for any action "outbound"
match for local action "inbound"
"""
SCANNERS = "192.168.0.40 # the one in the hall\n192.168.0.41\n"


def read(text: str, *others: tuple[str, str]) -> Imported:
    return OPENSMTPD.read([Source("smtpd.conf", text), *(Source(name, text) for name, text in others)])


def told(found: Imported) -> str:
    return document(found, "x").partition("version = 1")[0]


def test_a_usual_one() -> None:
    found = read(CONF, ("scanners", SCANNERS), ("more.conf", "match from src 203.0.113.5 for any reject\n"))
    policy = policy_from(found)
    assert list(policy.accepted_domains) == ["example.org", "open.example", "*.open.example", "localhost"]
    assert policy.accepted_domains["open.example"].kind == "internal_relay"
    assert policy.accepted_domains["example.org"].kind == "authoritative"
    for address, to, wanted in (
        ("198.51.100.7", "bob@example.org", True),
        ("198.51.100.7", "bob@elsewhere.test", False),
        ("203.0.113.9", "bob@example.org", False),
        ("203.0.113.9", "bob@a.open.example", True),
        ("203.0.113.5", "bob@a.open.example", False),
        ("192.168.0.40", "bob@elsewhere.test", True),
    ):
        assert permits(policy, address, to) is wanted, (address, to)
    submission = policy.virtual_servers["submission"]
    assert submission.require_tls
    assert submission.authentication is not None
    assert submission.authentication.required
    assert permits(policy, "203.0.113.9", "a@elsewhere.test", "submission", signed_in=True, tls=True)
    assert not permits(policy, "203.0.113.9", "a@elsewhere.test", "submission", tls=True)
    text = document(found, "x")
    assert '{ computer = "192.168.0.41" },  # scanners:2\n' in text
    assert "smtpd.conf:7: listen on lo0" in text
    assert "table aliases file:/etc/mail/aliases" in text


def test_what_is_not_evaluated_is_told() -> None:
    text = """\
filter "spam" proc-exec "filter-rspamd"
filter "names" phase connect match !fcrdns disconnect "550 no name"
listen on eth0 filter { "names", "spam" }
match from any mail-from "@bad.example" for any reject
match from rdns "mx.filter.example" for domain "example.org" action in
match from any for domain "example.org" action in
include "lost.conf"
queue compression
listen on eth1 port 26 senders <who>
"""
    found = read(text)
    policy_from(found)
    said = told(found)
    wider, _, rest = said.partition("# Not carried over")
    for one in ("filter spam proc-exec", "reject", "include lost.conf", "without a client name", "senders <who>"):
        assert one in wider
    assert "queue compression" in rest
    assert "from rdns mx.filter.example" in rest or "from rdns mx.filter.example" in wider


def test_words_of_before_are_refused() -> None:
    with pytest.raises(ImportFailedError, match=r"before 6\.4"):
        read("listen on eth0\naccept from any for domain example.org deliver to mbox\n")
    with pytest.raises(ImportFailedError, match=r"smtpd\.conf"):
        read("hello\n")


def test_it_is_told_by_its_shape() -> None:
    kind = recognised(CONF)
    assert kind is not None
    assert kind.name == "opensmtpd"


PIECES = st.sampled_from(
    ["listen on eth0 ", "match ", "from any ", "from src ", "for domain ", "action x", "reject", "table t ", "<t>", "{",
     "}", '"', "\\", "\n", "!", "=", "$a", "a = b", "include ", "filter f phase connect match src ", "disconnect", "#",
     "192.0.2.0/24", "example.org", "regex ", "auth", "tls", "\x00", "ü", "rcpt-to ", "chain ", "filter f "]
)  # fmt: skip


@settings(max_examples=40)
@given(st.lists(PIECES | st.text(max_size=4), max_size=40).map("".join))
def test_garbage_loads_or_is_refused_in_words(text: str) -> None:
    try:
        found = read(f"listen on eth0\nmatch from any for domain example.org action x\n{text}", ("t", text))
    except ImportFailedError as error:
        assert str(error)
        return
    site = site_of(document(found, "x"))
    assert not site.errors, [one.finding.message for one in site.errors]
    assert not site.broken_expectations


# Back from what a policy compiles to.

SOON = {"exceptions", "signing-in", "everybody-but"}
BEHIND = """\
include "arrowslit.conf"
listen on eth0 filter "arrowslit" tag "arrowslit"
action throw relay host "smtp://192.0.2.50"
match tag "arrowslit" from src <arrowslit_relay> for any action throw
match from any for any action throw
"""
WHOLE = sorted(
    name
    for name in MAIL_POLICIES
    if not made("opensmtpd", MAIL_POLICIES[name], waive=False).gaps and name != "own-domains"
)


@pytest.mark.parametrize(
    "sample", [pytest.param(one, marks=[] if one in SOON else [pytest.mark.long]) for one in WHOLE]
)
@pytest.mark.parametrize("signed_in", [False, True])
def test_a_compiled_policy_comes_back(sample: str, signed_in: bool) -> None:
    policy = policy_of(MAIL_POLICIES[sample])
    if signed_in and policy.virtual_servers["default"].authentication is None:
        return
    conf = made("opensmtpd", MAIL_POLICIES[sample]).text
    behind = BEHIND if "table arrowslit_relay" in conf else BEHIND.replace("<arrowslit_relay>", '"192.0.2.250"')
    if policy.virtual_servers["default"].authentication is not None:
        behind = behind.replace("listen on eth0", "listen on eth0 tls auth-optional")
    again = policy_from(read(behind, ("arrowslit.conf", conf)))
    for address in edges(policy, more=20):
        if address.startswith("127."):
            continue
        for to in RECIPIENTS:
            wanted = permits(policy, address, to, signed_in=signed_in, tls=signed_in)
            assert permits(again, address, to, signed_in=signed_in, tls=signed_in) is wanted, (address, to)


# Against the program.

BOTH = f"{Outside.ADDRESS4} {Outside.ADDRESS6}"
CLIENTS = [
    "203.0.113.1", "203.0.113.9", "203.0.113.200", "198.51.100.5", "198.51.100.130", "192.168.0.7", "10.1.2.3",
    "8.8.8.8", "2001:db8:25::9", "2001:db8:25:3::1", "2001:db8:99::1",
]  # fmt: skip
NETS = [
    "203.0.113.0/24",
    "203.0.113.9",
    "198.51.100.0/25",
    "192.168.0.0/16",
    "10.0.0.0/8",
    "2001:db8:25::/48",
    "2001:db8:25::9",
]
TO = [
    "anna@example.org",
    "postmaster@example.org",
    "b@sub.example.net",
    "c@example.net",
    "d@partner.example",
    "e@else.example",
]
FOR = [
    "for any", "for domain <ours>", 'for domain "example.net"', 'for domain "*.example.net"', "!for domain <ours>",
    'for rcpt-to "postmaster@example.org"', 'for domain regex "(?i)^(.+[.])?example[.]net$"', 'for domain { "partner.example", "example.org" }',
]  # fmt: skip


def conf_by_chance(seed: int) -> str:
    chance = random.Random(seed)
    nets = ", ".join(f'"{one}"' for one in chance.sample(NETS, 3))
    seen = chance.choice([f'!src {{ {nets}, "192.0.2.25" }}', "src <some>"])  # the harness comes from that address
    lines = [f"table some {{ {nets} }}", 'table ours { "example.org", "partner.example" }']
    filters = [
        f'filter f1 phase connect match {seen} disconnect "550 no"',
        'filter f2 phase rcpt-to match rcpt-to "postmaster@example.org" bypass',
        f'filter f3 phase rcpt-to match src "{chance.choice(NETS[:4])}" reject "550 no"',
        "filter both chain { f2, f3 }",
    ]
    lines += filters
    kind = chance.choice(["", "", "filter f1", "filter f3", "filter both"])
    lines += [f"listen on {place} port 25 hostname opensmtpd.test {kind}" for place in BOTH.split()]
    lines += ['action in relay host "smtp://127.0.0.1:9"', 'action out relay host "smtp://127.0.0.1:9"']
    for _ in range(chance.randrange(2, 6)):
        source = chance.choice(
            ["from any", "from src <some>", "!from src <some>", f'from src "{chance.choice(NETS)}"', ""]
        )
        does = chance.choice(["action in", "action in", "action out", "reject"])
        few = does == "reject" or source.startswith("from src")  # else it would be an open relay
        target = chance.choice(FOR if few else [one for one in FOR if one not in {"for any", "!for domain <ours>"}])
        lines.append(f"match {source} {target} {does}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def net() -> Iterator[Outside]:
    with outside() as found:
        yield found


def compare(net: Outside, seed: int) -> bool:
    """Holds the policy against the program; says whether the import told of losses."""
    text = conf_by_chance(seed)
    found = read(text)
    policy = policy_from(found)
    rules = "".join(f"{line}\n" for line in text.splitlines() if not line.startswith("listen"))
    listener = next(line for line in text.splitlines() if line.startswith("listen")).partition("opensmtpd.test")[2]
    lines = ["EHLO x.test", "MAIL FROM:<x@sender.test>", *(f"RCPT TO:<{to}>" for to in TO)]
    with opensmtpd._instance("", host=net.machine, address=BOTH, port=25, listener=listener, before=rules):
        heard = net.answers(CLIENTS, lines)
    wider = any(one.widens for one in found.left)
    narrower = "open relay" in told(found) or any("source permits" in one.because for one in found.left)
    for client in CLIENTS:
        said = heard[client][3:] if heard[client][0].startswith("220") else ["5"] * len(TO)
        for to, line in zip(TO, said, strict=True):
            wanted = line.startswith("2")
            have = permits(policy, client, to)
            assert have is wanted or (wider if have else narrower), f"{client} to {to}: {line}\n{text}"
    return wider or narrower


@pytest.mark.namespaces
@pytest.mark.peer("opensmtpd")
@pytest.mark.parametrize(
    "seeds", [range(3), pytest.param(range(3, 63), marks=[pytest.mark.long, pytest.mark.timeout(600)])]
)
def test_rules_by_chance_decide_the_same_or_it_is_told(net: Outside, seeds: range) -> None:
    assert sum(compare(net, seed) for seed in seeds) <= len(seeds) * 0.4
