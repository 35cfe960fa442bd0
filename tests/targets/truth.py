"""What the policy itself says of a client, and which clients are worth asking about.

Every test of a target holds it against this: `policy.decide` is the one place that decides.
"""

from __future__ import annotations

import datetime
import random
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

from arrowslit.documents.toml import parse
from arrowslit.mail.address import IPAddress
from arrowslit.mail.address_range import address_set, parse_range
from arrowslit.policy.compiled import CONNECTION
from arrowslit.policy.decision import Action, Decision
from arrowslit.policy.document import load_policy
from arrowslit.policy.expectations import facts_of
from arrowslit.policy.explain import explain
from arrowslit.policy.model import Policy
from arrowslit.policy.parts import Expectation

TODAY = datetime.date(2026, 11, 25)


def policy_of(text: str) -> Policy:
    """The policy that a text says."""
    loaded = load_policy(parse(text, "policy.toml"), sources_followed=True)
    assert loaded.policy is not None, loaded.findings
    return loaded.policy


def may_connect(policy: Policy, address: str, server: str = "default", date: datetime.date = TODAY) -> bool:
    """Whether the client may connect, in TLS, with no name and no certificate: what its address alone comes to."""
    to = f"anybody@{next(name for name in policy.accepted_domains if not name.startswith('*'))}"
    decision = outcome(policy, address, to, server, tls=True, date=date)
    return decision.permitted or f"/{CONNECTION}/" not in decision.rule


def outcome(
    policy: Policy, address: str, to: str, server: str = "default", *, tls: bool = False, date: datetime.date = TODAY
) -> Decision:
    """What a mail of the client to `to` comes to, from a reverse-path of its own; it does not sign in."""
    asked = Expectation("", address, Action.PERMIT, server, tls=tls, mail_from="x@sender.test", to=to)
    return explain(policy, facts_of(asked, date)).decision


def edges(policy: Policy, seed: int = 1, more: int = 50) -> list[str]:
    """In and just outside of every range that the policy names, and some addresses from anywhere; no doubles.

    What can be no client is left out: multicast, unspecified, loopback, link-local, mapped.
    """
    found: dict[str, None] = {}
    for address in [*_near(policy), *_anywhere(random.Random(seed), more)]:
        if not (
            address.is_multicast
            or address.is_unspecified
            or address.is_loopback
            or address.is_link_local
            or (address.is_reserved and address.version == 4)
            or _odd(address)
        ):
            found[str(address)] = None
    return list(found)


def _odd(address: IPAddress) -> bool:
    """0.0.0.0/8 and what the kernel or IPv6 keeps for itself."""
    if isinstance(address, IPv4Address):
        return int(address) < 2**24 or address in _LINKS
    return address.ipv4_mapped is not None or int(address) < 2**32 or address.is_site_local


_LINKS = {ip_address("198.18.0.1"), ip_address("198.18.0.2"), ip_address("192.0.2.25")}


def _near(policy: Policy) -> Iterator[IPAddress]:
    lists = [
        access
        for server in policy.virtual_servers.values()
        for access in (server.connection_control, server.delivery, server.relay_restrictions)
    ]
    lists += [one.delivery for one in policy.accepted_domains.values() if one.delivery is not None]
    for access in lists:
        for entry in (*access.only_listed, *access.all_except_listed):
            if entry.kind in {"domain", "certificate"}:
                continue
            yield from _ends(policy, entry.kind, entry.value)


def _ends(policy: Policy, kind: str, value: str) -> Iterator[IPAddress]:
    addresses = policy.networks[value].addresses if kind == "network" else address_set([parse_range(value)])
    for first, last in addresses.ranges():
        make = type(first)
        low, high = int(first), int(last)
        for number in (low - 1, low, (low + high) // 2, high, high + 1):
            if 0 <= number < 2 ** (32 if first.version == 4 else 128):
                yield make(number)


def _anywhere(chance: random.Random, count: int) -> Iterator[IPAddress]:
    for _ in range(count):
        yield IPv4Address(chance.randrange(2**24, 224 * 2**24))
        yield IPv6Address(0x2000 << 112 | chance.randrange(2**125))
