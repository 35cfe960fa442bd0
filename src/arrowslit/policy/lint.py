"""Looks over a policy that loads: what is dangerous, what works against itself, what has no effect.

Errors hold `apply` up unless a waiver names them; warnings do not. Names and meanings: `policy.findings`. Never
decides what a policy means: where that matters, it asks.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import Final

from arrowslit.mail.mailbox import Mailbox
from arrowslit.mail.mailbox_text import parse_forward_path
from arrowslit.policy import lint_lists, reasons
from arrowslit.policy.decision import Action
from arrowslit.policy.expectations import check
from arrowslit.policy.finding import Finding
from arrowslit.policy.findings import finding
from arrowslit.policy.lists import entries, lists
from arrowslit.policy.model import NextHop, Policy, VirtualServer, Waiver
from arrowslit.policy.parts import ONLY_LISTED, Entry
from arrowslit.policy.reading import dotted

Check = Callable[[Policy, datetime.date], Iterator[Finding]]


def lint(policy: Policy, date: datetime.date) -> tuple[Finding, ...]:
    """Every finding that no waiver names, on `date` (UTC), the errors first."""
    found = lint_all(policy, date)
    used: set[Waiver] = set()
    left = [one for one in found if not _waived(policy, one, used)]
    left += _unused_waivers(policy, used)
    return tuple(sorted(left, key=lambda one: one.severity.value != "error"))


def lint_all(policy: Policy, date: datetime.date) -> tuple[Finding, ...]:
    """Every finding, whether waived or not."""
    return tuple(one for check_one in CHECKS for one in check_one(policy, date))


def _waived(policy: Policy, one: Finding, used: set[Waiver]) -> bool:
    hits = [waiver for waiver in policy.waivers if waiver.finding == one.name and _reaches(waiver, one.key)]
    used.update(hits)
    return bool(hits) and one.waivable


def _reaches(waiver: Waiver, key: str) -> bool:
    return not waiver.key or key == waiver.key or key.startswith((waiver.key + ".", waiver.key + "["))


def _unused_waivers(policy: Policy, used: set[Waiver]) -> Iterator[Finding]:
    for number, waiver in enumerate(policy.waivers):
        if waiver.finding and waiver not in used:
            says = f"the waiver for {waiver.finding} has nothing to waive"
            yield finding(policy, "waiver-unused", f"waivers[{number}]", says, help="remove it")


def _server_key(server: VirtualServer, *names: str) -> str:
    key = dotted("virtual_servers", server.name)
    for name in names:
        key = dotted(key, name)
    return key


def connect_defeats(policy: Policy, _date: datetime.date) -> Iterator[Finding]:
    """`connect-defeats-setting`: what can not count at connect (decisions 12)."""
    for server in policy.virtual_servers.values():
        if server.refuse_at != "connect" and server.forward is None:
            continue
        if server.recipient_exceptions:
            yield _defeated(policy, _server_key(server, "recipient_exceptions"), "recipient_exceptions never count")
        key = _server_key(server, "connection_control")
        for number, entry in enumerate(server.connection_control.only_listed):
            at = f"{key}.{ONLY_LISTED}[{number}]"
            if entry.require_tls or entry.kind == "certificate":
                yield _defeated(policy, at, f"{entry.kind} {entry.value} never matches before TLS", entry)
        for accepted in policy.accepted_domains.values() if server.forward is None else ():
            if accepted.delivery is not None and server.connection_control.mode == ONLY_LISTED:
                at = dotted(dotted("accepted_domains", accepted.name), "delivery")
                yield _defeated(policy, at, f"who may not connect to {server.name} never gets to this list")


def _defeated(policy: Policy, key: str, says: str, entry: Entry | None = None) -> Finding:
    help = 'write refuse_at = "recipient"'
    span = None if entry is None else entry.span
    return finding(policy, "connect-defeats-setting", key, f'{says}: refuse_at is "connect"', span=span, help=help)


def signing_in(policy: Policy, _date: datetime.date) -> Iterator[Finding]:
    """`filter-cannot-sign-in` and `relay-without-sign-in`."""
    for server in policy.virtual_servers.values():
        key = _server_key(server, "authentication", "required")
        control = server.connection_control
        listed = control.mode == ONLY_LISTED and any(entry.kind == "network" for entry in control.only_listed)
        if server.authentication is not None and server.authentication.required and listed:
            says = f"everybody has to sign in to {server.name}: the filter does not, so its mail fails too"
            help = "give those who sign in a virtual server of their own"
            yield finding(policy, "filter-cannot-sign-in", key, says, help=help)
        key = _server_key(server, "relay_restrictions", "allow_authenticated")
        if server.authentication is None and key in policy.places and server.relay_restrictions.allow_authenticated:
            says = f"{server.name} has no authentication, so nobody can sign in and relay"
            yield finding(policy, "relay-without-sign-in", key, says, help="write an authentication table, or false")


def shared_next_hop(policy: Policy, _date: datetime.date) -> Iterator[Finding]:
    """`relay-shares-next-hop` (decisions 7)."""
    inbound = {
        (address.target, address.port)
        for accepted in policy.accepted_domains.values()
        if accepted.next_hop is not None and accepted.kind != "external_relay"
        for address in policy.next_hops[accepted.next_hop].address
    }
    for server in policy.virtual_servers.values():
        hop = policy.next_hops.get(server.relay_next_hop or "")
        if hop is None or not server.somebody_may_relay or hop.username or hop.tls_certificate:
            continue
        if any((address.target, address.port) in inbound for address in hop.address):
            says = f"{hop.name} takes inbound and relayed mail, and we do not sign in to it"
            help = "relay to another port with username and password_file"
            yield finding(policy, "relay-shares-next-hop", _server_key(server, "relay_next_hop"), says, help=help)


def recipients(policy: Policy, _date: datetime.date) -> Iterator[Finding]:
    """`recipients-unchecked`, `postmaster-unclear` and `next-hop-missing`."""
    used = dict.fromkeys(accepted.next_hop for accepted in policy.accepted_domains.values())
    for name in used:
        hop = policy.next_hops.get(name or "")
        if hop is not None and hop.recipient_check != "at_recipient" and not hop.lists_recipients:
            yield _unchecked(policy, hop)
    if len(used) > 1:
        for server in policy.virtual_servers.values():
            if server.postmaster_next_hop is None and server.forward is None:
                first = next(iter(used))
                says = f"<postmaster> goes to {first}, the next hop of the first accepted domain"
                help = "write postmaster_next_hop"
                yield finding(policy, "postmaster-unclear", _server_key(server), says, help=help)
    for accepted in policy.accepted_domains.values() if policy.next_hops else ():
        if accepted.next_hop is None:
            key = dotted("accepted_domains", accepted.name)
            yield finding(policy, "next-hop-missing", key, f"{accepted.name} has no next hop", help="write next_hop")


def _unchecked(policy: Policy, hop: NextHop) -> Finding:
    key = dotted(dotted("next_hops", hop.name), "recipient_check")
    says = f"{hop.name} can not refuse unknown recipients at RCPT, and it has no recipient list"
    return finding(policy, "recipients-unchecked", key, says, help="write recipients_file or recipients_ldap")


def undeclared(policy: Policy, date: datetime.date) -> Iterator[Finding]:
    """`domain-not-accepted` and `filter-not-expected`."""
    for server in policy.virtual_servers.values():
        for address in server.recipient_exceptions:
            domain = address.rpartition("@")[2]
            if policy.accepted_domain(domain) is None:
                key = _server_key(server, "recipient_exceptions")
                yield _undeclared(policy, key, address, domain)
    for number, result in enumerate(check(policy, date)):
        path = parse_forward_path(result.expectation.to or "postmaster")
        if result.decision.reason == reasons.NOT_RELAY and result.expectation.outcome is Action.PERMIT:
            domain = path.domain if isinstance(path, Mailbox) else ""
            yield _undeclared(policy, f"expectations[{number}].to", path.text, domain)
    if policy.accepted_domains and not _filter_expected(policy):
        says = "no expectation says that the filter delivers"
        help = 'write an expectation with from = the filter\'s address, to = one of yours, outcome = "permit"'
        yield finding(policy, "filter-not-expected", "expectations", says, help=help)


def _undeclared(policy: Policy, key: str, address: str, domain: str) -> Finding:
    says = f"{address}: {domain} is not an accepted domain, so mail for it is relay"
    return finding(policy, "domain-not-accepted", key, says, help=f"declare accepted_domains.{domain}")


def _filter_expected(policy: Policy) -> bool:
    paths = [one.to for one in policy.expectations if one.outcome is Action.PERMIT and one.to]
    domains = [address.rpartition("@")[2] for address in paths]
    return any("@" in path for path in paths) and any(policy.accepted_domain(domain) for domain in domains)


def unused(policy: Policy, _date: datetime.date) -> Iterator[Finding]:
    """`network-unused` and `next-hop-unused`."""
    named = {entry.value for placed in lists(policy) for _, entry in entries(placed) if entry.kind == "network"}
    for name in policy.networks:
        if name not in named:
            says = f"no entry names the network {name}"
            yield finding(policy, "network-unused", dotted("networks", name), says, help="remove it, or list it")
    going: set[str | None] = {accepted.next_hop for accepted in policy.accepted_domains.values()}
    going |= {hop.fallback for hop in policy.next_hops.values()}
    for server in policy.virtual_servers.values():
        going |= {server.relay_next_hop, server.postmaster_next_hop}
    for name in policy.next_hops:
        if name not in going:
            says = f"nothing goes to {name}"
            yield finding(policy, "next-hop-unused", dotted("next_hops", name), says, help="remove it, or use it")


CHECKS: Final[tuple[Check, ...]] = (
    *lint_lists.CHECKS,
    connect_defeats,
    signing_in,
    shared_next_hop,
    recipients,
    undeclared,
    unused,
)
