"""Policies for targets that know recipients: delivering, relaying, exceptions, TLS, modes; written and generated.

Every one accepts example.org, example.net and what lies below example.com. `RECIPIENTS` are worth asking about.
"""

from __future__ import annotations

import random
from ipaddress import IPv4Address, IPv6Address

HEAD = """\
version = 1
[next_hops.inner]
address = "smtp://192.168.0.5:25"
[next_hops.outbound]
address = "smtp://192.168.0.5:587"
[accepted_domains."example.org"]
next_hop = "inner"
[accepted_domains."*.example.com"]
next_hop = "inner"
"""
NET = '[accepted_domains."example.net"]\nnext_hop = "inner"\n'
SERVER = '[virtual_servers.default]\nrelay_next_hop = "outbound"\n'

RECIPIENTS = [
    "anna@example.org",
    "Bert@EXAMPLE.net",
    "carl@branch.example.com",
    "carl@example.com",
    "postmaster@example.org",
    "stranger@elsewhere.test",
    "user%elsewhere.test@example.org",
    "elsewhere.test!user@example.net",
    '"user@elsewhere.test"@example.org',
    "anna@example.org.elsewhere.test",
]

CONNECT = """
[virtual_servers.default.connection_control]
only_listed = [ { group = "203.0.113.0/24" }, { group = "198.51.100.0/25" }, { group = "2001:db8:25::/48" } ]
"""
RELAY = """
[virtual_servers.default.relay_restrictions]
only_listed = [ { computer = "203.0.113.9" }, { computer = "192.168.0.40" }, { group = "2001:db8:25:1::/64" } ]
"""
DELIVERY = """
[virtual_servers.default.delivery]
mode = "only_listed"
only_listed = [ { group = "203.0.113.0/25" }, { group = "192.0.2.128/25" } ]
"""
DELIVERY_NET = """
[accepted_domains."example.net".delivery]
mode = "all_except_listed"
all_except_listed = [ { group = "203.0.113.64/26" }, { group = "2001:db8:25:2::/64" } ]
"""
EXCEPTIONS = 'recipient_exceptions = [ "postmaster@example.org", "anna@example.org" ]\n'
EVERYBODY = """
[virtual_servers.default.connection_control]
mode = "all_except_listed"
all_except_listed = [ { group = "203.0.113.0/28" } ]
"""

MAIL_POLICIES: dict[str, str] = {
    "all-grants": HEAD + NET + DELIVERY_NET + SERVER + CONNECT + RELAY + DELIVERY,
    "exceptions": HEAD + NET + DELIVERY_NET + SERVER + EXCEPTIONS + CONNECT + RELAY + DELIVERY,
    "defer": HEAD + NET + DELIVERY_NET + SERVER + 'mode = "defer"\n' + CONNECT + RELAY + DELIVERY,
    "observe": HEAD + NET + DELIVERY_NET + SERVER + 'mode = "observe"\n' + CONNECT + RELAY + DELIVERY,
    "everybody-may-connect": HEAD + NET + DELIVERY_NET + SERVER + EVERYBODY + RELAY,
    "at-connect": HEAD + NET + DELIVERY_NET + SERVER + 'refuse_at = "connect"\n' + CONNECT + RELAY,
    "at-connect-for-now": HEAD + NET + SERVER + 'refuse_at = "connect"\nmode = "defer"\n' + CONNECT + RELAY,
    "at-connect-observe": HEAD + NET + SERVER + 'refuse_at = "connect"\nmode = "observe"\n' + CONNECT + RELAY,
    "relay-for-all-but-and-delivery": HEAD
    + NET
    + DELIVERY_NET
    + SERVER
    + CONNECT
    + DELIVERY
    + """
[virtual_servers.default.relay_restrictions]
mode = "all_except_listed"
all_except_listed = [ { group = "203.0.113.128/25" }, { computer = "203.0.113.70" } ]
""",
    "relay-for-all-but": HEAD
    + NET
    + SERVER
    + CONNECT
    + """
[virtual_servers.default.relay_restrictions]
mode = "all_except_listed"
all_except_listed = [ { group = "203.0.113.128/25" } ]
""",
    "tls": HEAD
    + NET
    + """
[accepted_domains."example.net".delivery]
mode = "only_listed"
only_listed = [ { group = "203.0.113.0/24", require_tls = true }, { computer = "203.0.113.7" } ]
"""
    + SERVER
    + """
[virtual_servers.default.connection_control]
only_listed = [ { group = "203.0.113.0/24" }, { group = "198.51.100.0/25", require_tls = true } ]
[virtual_servers.default.relay_restrictions]
only_listed = [ { computer = "203.0.113.9", require_tls = true }, { computer = "198.51.100.9" } ]
""",
    "tls-for-all": HEAD + NET + SERVER + "require_tls = true\n" + CONNECT + RELAY,
}


def generated(seed: int) -> str:
    """A policy that has a bit of everything, by chance."""
    chance = random.Random(seed)
    server = SERVER + chance.choice(["", 'mode = "defer"\n', 'mode = "observe"\n', "", ""])
    server += chance.choice(["", "", EXCEPTIONS, 'refuse_at = "connect"\n'])
    parts = [HEAD, NET]
    if chance.random() < 0.6:
        parts.append(_list(chance, 'accepted_domains."example.net".delivery'))
    if chance.random() < 0.3:
        parts.append(_list(chance, 'accepted_domains."*.example.com".delivery'))
    parts += [server, _list(chance, "virtual_servers.default.connection_control")]
    if chance.random() < 0.6:
        parts.append(_list(chance, "virtual_servers.default.delivery"))
    if chance.random() < 0.8:
        parts.append(_list(chance, "virtual_servers.default.relay_restrictions", modes=("only_listed",)))
    return "".join(parts)


def _list(chance: random.Random, key: str, modes: tuple[str, ...] = ("only_listed", "all_except_listed")) -> str:
    mode = chance.choice(modes)
    entries = ", ".join(_entry(chance) for _ in range(chance.randrange(7)))
    return f'\n[{key}]\nmode = "{mode}"\n{mode} = [ {entries} ]\n'


def _entry(chance: random.Random) -> str:
    """Most lie in two small networks, so that lists overlap."""
    four = IPv4Address(chance.choice([0xCB007100, 0xC6336400, 0x0A000000]) + chance.randrange(256))
    six = IPv6Address(0x20010DB8 << 96 | chance.randrange(4) << 64 | chance.randrange(2**16))
    kind = chance.randrange(4)
    if kind == 0:
        return f'{{ computer = "{chance.choice([four, six])}" }}'
    if kind == 1:
        return f'{{ group = "{six}/{chance.choice([32, 48, 63, 64, 120, 127])}" }}'
    if kind == 2:
        return f'{{ range = "{four}-{four + chance.randrange(100)}" }}'
    return f'{{ group = "{four}/{chance.choice([8, 23, 24, 26, 29, 31])}" }}'
