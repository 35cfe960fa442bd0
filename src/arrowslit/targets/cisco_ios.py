"""Cisco IOS and IOS XE: access lists for the outer interface, inbound, one for each family.

Grants: connecting. Each list permits or refuses the port and permits all else, so it is for an interface that has no
inbound list yet. Lists are called by their content (see `edge`): loading the text never changes a list that is in use,
and one command takes the new one into use. Terms: IPv6 apart, observe as entries that only count. It never binds a list
by itself, and never empties or removes one. Before NAT the mail server has its public address there; where the place
has none, the port is meant to every address behind the interface. Sources: Cisco IOS Security Configuration Guide
(access control lists, IPv6 access control lists, entry sequence numbering), Configuration Replace and Rollback.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from arrowslit.policy.parts import OBSERVE
from arrowslit.targets.edge import INSIDE, by_source, generation, interface_of, server_of
from arrowslit.targets.gaps import Term
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import CONNECT, Body, Place, Target
from arrowslit.targets.text import EXCLAMATION

_OPENING: Final = {4: "ip access-list extended", 6: "ipv6 access-list"}
_BINDING: Final = {4: "ip access-group", 6: "ipv6 traffic-filter"}
_REST: Final = {4: " permit ip any any\n", 6: " permit ipv6 any any\n"}


def _write(rules: Rules, place: Place) -> Body:
    lists = {version: list(_entries(rules, place, version)) for version in (4, 6)}
    names = {version: _name(lines, version) for version, lines in lists.items()}
    interface = interface_of(place, "OUTSIDE")
    binding = [f"{_BINDING[version]} {name} in" for version, name in names.items()]
    return Body(
        "".join(f"{_OPENING[version]} {names[version]}\n{''.join(lines)}exit\n" for version, lines in lists.items()),
        apply=(
            "copy FILE running-config (it makes the lists, and binds none)",
            f"show ip interface {interface}, show ipv6 interface {interface}:",
            "the inbound access lists must be none, or ones called ARROWSLIT; else stop,",
            "and put the entries for the port at the head of that list, as ours permits all else",
            "configure terminal revert timer 5 (where archive is configured; else configure terminal)",
            *(f"interface {interface}", *binding, "end"),
            "configure confirm, and write memory, once mail has been seen to come in",
        ),
        check=tuple(f"show {'ip' if version == 4 else 'ipv6'} access-list {name}" for version, name in names.items()),
        undo=(f"interface {interface}", *(f"no {line}" for line in binding), "or bind the lists of before again"),
        notes=tuple(_notes(place)),
    )


def _notes(place: Place) -> Iterator[str]:
    yield "older lists stay: show access-lists, then remove those called ARROWSLIT that no interface has"
    yield "a static NAT that forwards the port stays as it is: the list stands before it"
    for version in (4, 6):
        if _destination(place, version) == "any":
            yield f"IPv{version}: no public address of the mail server is given, so this holds for every server behind"
    if not place.interface:
        yield "no interface is given: OUTSIDE stands for its name"


def _name(lines: list[str], version: int) -> str:
    return f"ARROWSLIT{version}-{generation(line for line in lines if not line.startswith('!'))}"


def _destination(place: Place, version: int) -> str:
    server = server_of(place, version)
    return "any" if server is None or server in INSIDE else f"host {server}"


def _entries(rules: Rules, place: Place, version: int) -> Iterator[str]:
    """First match wins. Whoever is only counted is permitted."""
    refuse = "permit" if rules.server.mode == OBSERVE else "deny"
    listed = "permit" if rules.connect.only_listed else refuse
    to = _destination(place, version)
    for port in place.ports:
        yield from by_source(
            rules.connect,
            version,
            EXCLAMATION,
            partial(_entry, listed, f"{to} eq {port}"),
        )
        if rules.connect.only_listed:
            yield f" {refuse} tcp any {to} eq {port}\n"
    yield _REST[version]


def _entry(verdict: str, to: str, prefix: IPv4Network | IPv6Network) -> str:
    return f" {verdict} tcp {_source(prefix)} {to}"


def _source(prefix: IPv4Network | IPv6Network) -> str:
    if prefix.prefixlen == prefix.max_prefixlen:
        return f"host {prefix.network_address}"
    if prefix.prefixlen == 0:
        return "any"
    return str(prefix) if prefix.version == 6 else f"{prefix.network_address} {prefix.hostmask}"


CISCO_IOS: Final = Target(
    "cisco-ios",
    "Cisco IOS",
    CONNECT,
    frozenset({Term.IPV6, Term.OBSERVE}),
    EXCLAMATION,
    "cfg",
    _write,
)
