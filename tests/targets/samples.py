"""Policies that every target is tried with, by name; and how a target is compiled in tests.

`POLICIES` are whole documents. Those that a target has a gap for are compiled with the gaps waived, unless a test is
about the gaps.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import TypeVar

from arrowslit.policy.model import Policy
from arrowslit.policy.parts import AccessList
from arrowslit.targets.register import target
from arrowslit.targets.target import Compiled, Origin, Place, compiled
from tests.targets.truth import TODAY, policy_of

SMALL = """\
version = 1

[networks.filter]
description = "the filtering service"
addresses = ["83.245.15.239", "2001:db8:25::/48", "198.51.100.10-198.51.100.20"]
except = ["198.51.100.13"]

[networks.office]
addresses = ["192.168.0.0/24"]

[next_hops.inner]
address = "smtp://192.168.0.5:25"

[next_hops.outbound]
address = "smtp://192.168.0.5:587"
tls = "required"
username = "arrowslit"
password_file = "outbound.password"

[accepted_domains."example.org"]
next_hop = "inner"

[accepted_domains."example.net"]
next_hop = "inner"

[virtual_servers.default]
relay_next_hop = "outbound"

[virtual_servers.default.connection_control]
only_listed = [
  { network = "filter" },
  { network = "office", note = "printers and clients" },
  { group = "203.0.113.0/255.255.255.240" },
  { computer = "203.0.113.77", note = "branch in Leeds" },
  { range = "203.0.113.40-203.0.113.44", owner = "it@example.org" },
  { group = "203.0.113.8/29", note = "lies within another" },
]

[virtual_servers.default.relay_restrictions]
only_listed = [ { computer = "192.168.0.40", note = "scanner" } ]
"""

EVERYBODY_BUT = """\
version = 1
[next_hops.inner]
address = "smtp://192.168.0.5:25"
[accepted_domains."example.org"]
next_hop = "inner"
[virtual_servers.default.connection_control]
mode = "all_except_listed"
all_except_listed = [
  { group = "198.51.100.0/24", note = "known for spam" },
  { range = "203.0.113.5-203.0.113.9" },
  { computer = "2001:db8:bad::1" },
]
"""

POLICIES: dict[str, str] = {
    "small": SMALL,
    "everybody-but": EVERYBODY_BUT,
    "ipv4-only": SMALL.replace('"2001:db8:25::/48", ', ""),
    "ipv6-only": """\
version = 1
[next_hops.inner]
address = "smtp://192.168.0.5:25"
[accepted_domains."example.org"]
next_hop = "inner"
[virtual_servers.default.connection_control]
only_listed = [ { group = "2001:db8:25::/48" }, { computer = "2001:db8:26::7" } ]
""",
    "nobody": """\
version = 1
[next_hops.inner]
address = "smtp://192.168.0.5:25"
[accepted_domains."example.org"]
next_hop = "inner"
[virtual_servers.default.connection_control]
only_listed = []
""",
    "everybody": """\
version = 1
[next_hops.inner]
address = "smtp://192.168.0.5:25"
[accepted_domains."example.org"]
next_hop = "inner"
[virtual_servers.default.connection_control]
mode = "all_except_listed"
""",
    "observe": SMALL.replace("[virtual_servers.default]\n", '[virtual_servers.default]\nmode = "observe"\n'),
    "expires": SMALL.replace('note = "branch in Leeds"', "expires = 2026-12-24").replace(
        'owner = "it@example.org"', "expires = 2026-11-24"
    ),
    "names-and-certificates": SMALL.replace(
        "only_listed = [\n",
        'only_listed = [\n  { domain = "*.branches.example.org" },\n  { certificate = "mail.filter.example" },\n',
        1,
    ),
    "tls": SMALL.replace('{ network = "filter" }', '{ network = "filter", require_tls = true }'),
}

HOSTILE = [
    "'; rm -rf / #",
    '"; shutdown -h now; "',
    "`id` $(id) ${IFS} %n\\",
    "line\\\nend",
    "*/ } drop; { /*",
    "--> <script>alert(1)</script> <!--",
    "\u2028accept\u2029 \u202etxet \u00ad \ufeff \x7f \x85 \u2019; Remove-Item C:\\ \u2018",
    "{{ jinja }} {% raw %} ${terraform} %{ for } <%= erb %>",
    "a" * 5000,
]

PLACE = Place(interface="wan0", server=(ip_address("192.168.0.5"), ip_address("2001:db8:5::5")))


def made(name: str, policy_text: str, place: Place = PLACE, *, waive: bool = True, word: str = "") -> Compiled:
    """The policy for that target, with every gap waived unless told otherwise; `word` for every text in it."""
    found = target(name)
    text = policy_text
    if waive:
        text += "".join(
            f'\n[[waivers]]\ntarget = "{name}"\ngap = "{gap}"\nbecause = "a test"\n' for gap in sorted(found.gaps)
        )
    policy = policy_of(text)
    if word:
        policy = with_word(policy, word)
    return compiled(found, Origin(policy, word or "policy.toml", "default", TODAY), place)


def with_word(policy: Policy, word: str) -> Policy:
    """The policy with all its notes, descriptions and reasons replaced, also by what no document can hold."""
    networks = {name: replace(one, description=word) for name, one in policy.networks.items()}
    servers = {
        name: replace(
            server,
            greeting=word,
            connection_control=_worded(server.connection_control, word),
            delivery=_worded(server.delivery, word),
            relay_restrictions=_worded(server.relay_restrictions, word),
        )
        for name, server in policy.virtual_servers.items()
    }
    waivers = tuple(replace(one, because=word) for one in policy.waivers)
    return replace(policy, networks=networks, virtual_servers=servers, waivers=waivers)


List = TypeVar("List", bound=AccessList)


def _worded(access: List, word: str) -> List:
    only, but = (
        tuple(replace(one, note=word, owner=word) for one in entries)
        for entries in (access.only_listed, access.all_except_listed)
    )
    return replace(access, only_listed=only, all_except_listed=but)
