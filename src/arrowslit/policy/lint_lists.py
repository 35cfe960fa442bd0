"""What lint has to say of single lists and entries. Names and meanings: `policy.findings`."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Final

from arrowslit.mail.address_range import parse_range
from arrowslit.mail.address_set import AddressSet
from arrowslit.policy.access_index import entry_addresses
from arrowslit.policy.finding import Finding
from arrowslit.policy.findings import finding
from arrowslit.policy.lists import entries, entries_of, lists
from arrowslit.policy.model import Policy
from arrowslit.policy.parts import ALL_EXCEPT_LISTED, ONLY_LISTED, Entry
from arrowslit.policy.tree import Span

_SOON: Final = datetime.timedelta(days=14)
_ADDRESS_KINDS: Final = frozenset({"network", "computer", "group", "range"})
_COVERED_SHOWN: Final = 100


def _set(*prefixes: str) -> AddressSet:
    return AddressSet.from_ranges((network[0], network[-1]) for network in map(ip_network, prefixes))


NOT_PUBLIC: Final = _set(
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
    "::1/128", "fc00::/7", "fe80::/10",
)  # fmt: skip
_EVERYBODY: Final = (_set("0.0.0.0/0"), _set("::/0"))
_IPV4_IN_IPV6: Final = ((0xFFFF << 32, (0xFFFF << 32) | 0xFFFFFFFF), (0x64FF9B << 96, (0x64FF9B << 96) | 0xFFFFFFFF))


def addresses_of(policy: Policy, entry: Entry) -> AddressSet:
    """The addresses of an entry; none for names and certificates."""
    return entry_addresses(entry, policy.networks) if entry.kind in _ADDRESS_KINDS else AddressSet()


def relay_open(policy: Policy, _date: datetime.date) -> Iterator[Finding]:
    """`relay-open` and `relay-range-wide`."""
    for placed in lists(policy):
        if placed.grant != "relay_restrictions" or placed.server is None or placed.server.forward is not None:
            continue
        if placed.access.mode == ALL_EXCEPT_LISTED:
            yield finding(
                policy,
                "relay-open",
                f"{placed.key}.mode",
                f'strangers could relay through virtual server "{placed.server.name}"',
                example="203.0.113.9 could send to someone@elsewhere.test",
                help='write mode = "only_listed"',
            )
            continue
        for key, entry in entries_of(placed, ONLY_LISTED):
            if _wide(addresses_of(policy, entry).subtract(NOT_PUBLIC)):
                says = f"{entry.kind} {entry.value} lets a public range wider than /16 (IPv6: /32) relay"
                yield finding(policy, "relay-range-wide", key, says, span=entry.span, help="list the few that relay")


def _wide(addresses: AddressSet) -> bool:
    ipv4, ipv6 = addresses.pairs()
    return any(last - first >= 1 << 16 for first, last in ipv4) or any(last - first >= 1 << 96 for first, last in ipv6)


def list_of_other_mode(policy: Policy, _date: datetime.date) -> Iterator[Finding]:
    """`list-of-other-mode`."""
    for placed in lists(policy):
        other = ALL_EXCEPT_LISTED if placed.access.mode == ONLY_LISTED else ONLY_LISTED
        if placed.access.entries or not getattr(placed.access, other) or f"{placed.key}.mode" in policy.places:
            continue
        yield finding(
            policy,
            "list-of-other-mode",
            f"{placed.key}.{other}",
            f"{other} has no effect: no mode is written, so it is {placed.access.mode}",
            help=f'write mode = "{other}"',
        )


def nobody(policy: Policy, _date: datetime.date) -> Iterator[Finding]:
    """`nobody-may-connect` and `everybody-listed`."""
    for placed in lists(policy):
        if placed.access.mode != ONLY_LISTED:
            continue
        if placed.grant == "connection_control" and not placed.access.only_listed:
            says = "nobody may connect: the list is empty"
            yield finding(policy, "nobody-may-connect", placed.key, says, help="list the filter first")
        for key, entry in entries_of(placed, ONLY_LISTED):
            if any(addresses_of(policy, entry).covers(everybody) for everybody in _EVERYBODY):
                says = f"{entry.kind} {entry.value} is everybody"
                help = 'if that is meant, write mode = "all_except_listed"'
                yield finding(policy, "everybody-listed", key, says, span=entry.span, help=help)


def ipv6(policy: Policy, _date: datetime.date) -> Iterator[Finding]:
    """`ipv6-covers-ipv4` and `ipv6-narrow`, for entries and for what networks pin."""
    for key, text, span in _written(policy):
        found = parse_range(text)
        if found.first.version == 4:
            continue
        first, last = int(found.first), int(found.last)
        if any(first <= end and last >= start for start, end in _IPV4_IN_IPV6):
            says = f"{text} overlaps a range in which IPv4 clients appear as IPv6"
            yield finding(policy, "ipv6-covers-ipv4", key, says, span=span, help="write the IPv4 ranges themselves")
        elif last - first < (1 << 64) - 1:
            says = f"{text} is narrower than /64"
            yield finding(policy, "ipv6-narrow", key, says, span=span, help="write the /64 unless the address is fixed")


def _written(policy: Policy) -> Iterator[tuple[str, str, Span | None]]:
    for name, network in policy.networks.items():
        for text in network.pinned:
            yield f"networks.{name}.addresses", text, None
    for placed in lists(policy):
        for key, entry in entries(placed):
            if entry.kind in {"computer", "group", "range"} and ":" in entry.value:
                yield key, entry.value, entry.span


def expiry(policy: Policy, date: datetime.date) -> Iterator[Finding]:
    """`entry-expired`, `entry-expired-alone` and `entry-expires-soon`."""
    for placed in lists(policy):
        for mode in (ONLY_LISTED, ALL_EXCEPT_LISTED):
            valid = {
                entry.value
                for _, entry in entries_of(placed, mode)
                if entry.kind == "network" and (entry.expires is None or entry.expires >= date)
            }
            for key, entry in entries_of(placed, mode):
                if entry.expires is not None and entry.expires <= date + _SOON:
                    alone = entry.kind == "network" and mode == placed.access.mode and entry.value not in valid
                    yield _expiry(policy, key, entry, date, alone=alone)


def _expiry(policy: Policy, key: str, entry: Entry, date: datetime.date, *, alone: bool) -> Finding:
    what = f"{entry.kind} {entry.value}"
    if entry.expires is not None and entry.expires >= date:
        says = f"{what} expires on {entry.expires}"
        return finding(policy, "entry-expires-soon", key, says, span=entry.span, help="move the day, or let it go")
    name = "entry-expired-alone" if alone else "entry-expired"
    says = f"{what} expired on {entry.expires}" + (" and is the only entry for this network" if alone else "")
    return finding(policy, name, key, says, span=entry.span, help="move the day, or remove the entry")


def domains(policy: Policy, _date: datetime.date) -> Iterator[Finding]:
    """`domain-in-exceptions`."""
    for placed in lists(policy):
        for key, entry in entries_of(placed, ALL_EXCEPT_LISTED):
            if entry.kind == "domain":
                says = f"domain {entry.value} is avoided by whoever has no reverse name"
                yield finding(policy, "domain-in-exceptions", key, says, span=entry.span, help="refuse by address")


def covered(policy: Policy, _date: datetime.date) -> Iterator[Finding]:
    """`entry-covered`, at most a hundred a list."""
    for placed in lists(policy):
        for mode in (ONLY_LISTED, ALL_EXCEPT_LISTED):
            found = list(entries_of(placed, mode))
            for shown, (key, entry, by) in enumerate(_covered(policy, found)):
                if shown == _COVERED_SHOWN:
                    break
                says = f"{entry.kind} {entry.value} is covered by {by.kind} {by.value}"
                yield finding(policy, "entry-covered", key, says, span=entry.span, help="remove it")


def _covered(policy: Policy, found: list[tuple[str, Entry]]) -> Iterator[tuple[str, Entry, Entry]]:
    first: dict[tuple[str, str], Entry] = {}
    spans: list[tuple[int, int, int, int, str, Entry]] = []
    networks: list[Entry] = []
    for number, (key, entry) in enumerate(found):
        earlier = first.setdefault((entry.kind, entry.value), entry)
        if earlier is not entry and stands_in(earlier, entry):
            yield key, entry, earlier
        elif entry.kind == "network":
            networks.append(entry)
        elif entry.kind in _ADDRESS_KINDS:
            one = parse_range(entry.value)
            spans.append((one.first.version, int(one.first), -int(one.last), number, key, entry))
    yield from _inside(spans)
    for _, _, _, _, key, entry in spans:
        by = next((one for one in networks if stands_in(one, entry) and _inside_network(policy, one, entry)), None)
        if by is not None:
            yield key, entry, by


def _inside_network(policy: Policy, network: Entry, entry: Entry) -> bool:
    inside = policy.networks[network.value].addresses
    one = parse_range(entry.value)
    if not (inside.contains(one.first) and inside.contains(one.last)):
        return False
    return inside.covers(AddressSet.from_ranges([(one.first, one.last)]))


def _inside(spans: list[tuple[int, int, int, int, str, Entry]]) -> Iterator[tuple[str, Entry, Entry]]:
    """Ranges inside another range; those that could cover another are the ones without conditions."""
    spans.sort()
    by: Entry | None = None
    family, end = 0, -1
    for version, _, minus_last, _, key, entry in spans:
        if version != family:
            by, family, end = None, version, -1
        if by is not None and -minus_last <= end and stands_in(by, entry):
            yield key, entry, by
        elif entry.expires is None and not entry.require_tls and -minus_last > end:
            by, end = entry, -minus_last


def stands_in(one: Entry, other: Entry) -> bool:
    """True where `one` matches whenever `other` does, for the same client, and normalises if `other` does."""
    if one.require_tls and not other.require_tls:
        return False
    if one.expires is not None and (other.expires is None or other.expires > one.expires):
        return False
    return bool(one.line_ends) or not other.line_ends


def empty_networks(policy: Policy, _date: datetime.date) -> Iterator[Finding]:
    """`network-empty`."""
    told: set[str] = set()
    for placed in lists(policy):
        for key, entry in entries(placed):
            if entry.kind == "network" and entry.value not in told and not policy.networks[entry.value].addresses:
                told.add(entry.value)
                says = f"network {entry.value} holds no address"
                yield finding(policy, "network-empty", key, says, span=entry.span, help="pin its addresses")


CHECKS: Final = (relay_open, list_of_other_mode, nobody, ipv6, expiry, domains, covered, empty_networks)
