"""Policies that mail servers are tried with beside the samples: lists of delivering, exceptions, modes, relaying.

`RECIPIENTS` are asked for in each: in accepted domains and others, plain and odd.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from random import Random

from arrowslit.policy.decision import Action
from arrowslit.policy.expectations import facts_of
from arrowslit.policy.explain import explain
from arrowslit.policy.model import Policy
from arrowslit.policy.parts import Expectation
from tests.targets.samples import POLICIES
from tests.targets.truth import TODAY

HEAD = """\
version = 1
[next_hops.inner]
address = "smtp://192.168.0.5:25"
[next_hops.outbound]
address = "smtp://192.168.0.5:587"
tls = "required"
username = "arrowslit"
password_file = "outbound.password"
[networks.filter]
addresses = ["198.51.100.0/25", "2001:db8:25::/48"]
except = ["198.51.100.64/28"]
[accepted_domains."example.org"]
next_hop = "inner"
[accepted_domains."*.example.org"]
next_hop = "inner"
[accepted_domains."private.example.org"]
next_hop = "inner"
[accepted_domains."*.deep.example.org"]
next_hop = "inner"
[accepted_domains."example.net"]
next_hop = "inner"
"""
SERVER = """
[virtual_servers.default]
relay_next_hop = "outbound"
MORE
[virtual_servers.default.connection_control]
only_listed = [
  { network = "filter" },
  { group = "192.168.0.0/24" },
  { computer = "203.0.113.5" },
  { computer = "203.0.113.99" },
  { group = "2001:db8:77::/64" },
]
[virtual_servers.default.relay_restrictions]
RELAY
"""
RELAY = """\
only_listed = [ { range = "192.168.0.40-192.168.0.44" }, { computer = "203.0.113.99" }, { computer = "203.0.113.100" },
  { group = "2001:db8:77::/65" } ]
"""
DELIVERY = """
[virtual_servers.default.delivery]
mode = "only_listed"
only_listed = [ { network = "filter" }, { computer = "192.168.0.7" } ]
[accepted_domains."private.example.org".delivery]
mode = "only_listed"
only_listed = [ { group = "192.168.0.0/28" } ]
[accepted_domains."*.deep.example.org".delivery]
mode = "all_except_listed"
all_except_listed = [ { group = "198.51.100.0/29" } ]
[accepted_domains."example.net".delivery]
mode = "only_listed"
only_listed = []
"""
EXCEPTIONS = 'recipient_exceptions = ["postmaster@example.org", "Help.Desk@private.example.org"]'
SIGNS_IN = """
[virtual_servers.default.authentication]
with = "users"
"""


def _policy(more: str = "", rest: str = "") -> str:
    return HEAD + SERVER.replace("MORE", more).replace("RELAY\n", RELAY) + rest


def _tls(text: str) -> str:
    return (
        text.replace('{ network = "filter" }', '{ network = "filter", require_tls = true }')
        .replace('{ group = "192.168.0.0/28" }', '{ group = "192.168.0.0/28", require_tls = true }')
        .replace('{ computer = "203.0.113.99" }, {', '{ computer = "203.0.113.99", require_tls = true }, {')
    )


MAIL_POLICIES: dict[str, str] = {
    "relaying": _policy(),
    "delivering": _policy(rest=DELIVERY),
    "exceptions": _policy(EXCEPTIONS, DELIVERY),
    "deferring": _policy('mode = "defer"\n' + EXCEPTIONS, DELIVERY),
    "observing": _policy('mode = "observe"', DELIVERY),
    "in-tls": _tls(_policy(EXCEPTIONS, DELIVERY)),
    "in-tls-deferring": _tls(_policy('mode = "defer"', DELIVERY)),
    "tls-for-all": _policy("require_tls = true"),
    "at-connect": _tls(_policy('refuse_at = "connect"', DELIVERY)),
    "own-domains": _policy('own_domains_from_outside = "reject"').replace(
        "connection_control]\nonly_listed", 'connection_control]\nmode = "all_except_listed"\nall_except_listed'
    ),
    # Nobody here is on the relay list and signs in too: whether he may then deliver is not settled.
    "signing-in": _policy(rest=DELIVERY + SIGNS_IN).replace(RELAY, "only_listed = []"),
    "everybody-signs-in": _policy('mode = "observe"', SIGNS_IN + "required = true\n"),
    "signing-in-without-relay": _policy(rest=SIGNS_IN).replace(
        "relay_restrictions]\n", "relay_restrictions]\nallow_authenticated = false\n"
    ),
    **{name: POLICIES[name] for name in ("small", "everybody-but", "ipv6-only", "nobody", "everybody", "observe")},
}

RECIPIENTS = (
    "anybody@example.org",
    "Postmaster@example.org",
    "help.desk@private.example.org",
    "anybody@private.example.org",
    "anybody@sub.example.org",
    "anybody@a.deep.example.org",
    "anybody@deep.example.org",
    "anybody@example.net",
    "anybody@elsewhere.test",
    "a%elsewhere.test@example.org",
    "a!b@elsewhere.test",
    "anybody@notexample.org",
)


def answer(
    policy: Policy,
    address: str,
    to: str,
    *,
    tls: bool = False,
    signed_in: bool = False,
    mail_from: str = "x@sender.test",
) -> str:
    """The first digit of the reply to RCPT that the policy comes to: "2", "4" or "5"."""
    who = "anna" if signed_in else None
    asked = Expectation("", address, Action.PERMIT, tls=tls, authenticated_as=who, mail_from=mail_from, to=to)
    decision = explain(policy, facts_of(asked, TODAY)).decision
    if decision.action is Action.PERMIT:
        return "2"
    assert decision.reply is not None
    return str(decision.reply.code)[0]


def crowd(seed: int, count: int) -> list[str]:
    """Clients from networks that the policies here name, in and out of their entries."""
    chance = Random(seed)
    bases = [IPv4Address(one) for one in ("198.51.100.0", "192.168.0.0", "203.0.113.0")]
    return [str(chance.choice(bases) + chance.randrange(256)) for _ in range(count)]
