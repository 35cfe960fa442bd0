"""Cisco ASA (9.0 and later): object groups, and the lines that put them at the head of the outside interface's list.

Grants: connecting. The text only makes groups, called by their content (see `edge`), so loading it changes nothing that
is in use; by hand two lines are inserted at the head of the list that the interface has: permits first, then the
refusal, so that no listed client is cut off and no wide line further down counts any more. A group without members
can't be used, so where nobody is listed there is only the refusal. Since 8.3 a list means the mail server's real
address, not the translated one. Sources: Cisco ASA Series CLI Configuration Guide (objects, extended access control
lists, access rules).
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from arrowslit.targets.edge import by_source, generation, interface_of, server_of
from arrowslit.targets.gaps import Term
from arrowslit.targets.observed import leave
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import CONNECT, Body, Place, PlaceError, Target
from arrowslit.targets.text import EXCLAMATION


def _write(rules: Rules, place: Place) -> Body:
    if not place.server:
        raise PlaceError("addresses: the mail server's own addresses are needed, as the lines permit its port only")
    members = {version: list(by_source(rules.connect, version, EXCLAMATION, _object)) for version in (4, 6)}
    names = {version: _name(lines, version) for version, lines in members.items() if lines}
    text = "".join(f"object-group network {names[n]}\n{''.join(members[n])}exit\n" for n in names)
    lines = list(_lines(rules, place, names))
    return Body(
        text or EXCLAMATION.line("no address is listed: there is no group to make"),
        apply=tuple(_apply(rules, place, lines)),
        check=("show access-list LIST (hit counts)", "show running-config object-group network"),
        undo=tuple(_undo(lines, names)),
        notes=(
            "lines further down that permit the port to anybody stay, and do not count any more",
            f"open connections go on: clear conn port {place.ports[0]}",
            *_closed(place),
            "EtherType, global and VPN lists are not touched: see show running-config access-group",
        ),
    )


def _closed(place: Place) -> Iterator[str]:
    for version in (4, 6):
        if server_of(place, version) is None:
            yield (
                f"no IPv{version} address of the mail server is given: the port is closed to every server over "
                f"IPv{version}"
            )


def _apply(rules: Rules, place: Place, lines: list[str]) -> Iterator[str]:
    interface = interface_of(place, "outside")
    yield "copy running-config disk0:before-arrowslit.cfg"
    yield "copy FILE running-config, or paste it after configure terminal (it makes groups only)"
    if rules.observes:
        yield from leave("access lists")
        return
    if not lines:
        yield "nobody is refused: there is no line to insert"
        return
    yield (
        f"show running-config access-group: LIST is the one that is bound in interface {interface}; then, in this "
        f"order:"
    )
    yield from (f"access-list LIST line {number} extended {line}" for number, line in enumerate(lines, 1))
    yield (
        "after an earlier revision: remove its lines (show access-list LIST, those that name an older ARROWSLIT group)"
    )
    yield "write memory, once mail has been seen to come in"


def _undo(lines: list[str], names: dict[int, str]) -> Iterator[str]:
    """The refusal goes first, or the listed would be cut off meanwhile."""
    yield "back to an earlier revision: insert its permits at line 1 again, remove those of this one, keep the refusals"
    yield "back to before the first one:"
    yield from (f"no access-list LIST extended {line}" for line in reversed(lines))
    yield from (f"no object-group network {name}" for name in names.values())


def _name(lines: list[str], version: int) -> str:
    return f"ARROWSLIT{version}-{generation(line for line in lines if not line.startswith('!'))}"


def _lines(rules: Rules, place: Place, names: dict[int, str]) -> Iterator[str]:
    """What is inserted, from the head on. First match wins."""
    for port in place.ports:
        for version, name in names.items():
            server = server_of(place, version)
            if server is not None or not rules.connect.only_listed:  # a permit to all would open other servers
                verdict = "permit" if rules.connect.only_listed else "deny"
                yield f"{verdict} tcp object-group {name} {_destination(place, version)} eq {port}"
        if rules.connect.only_listed:
            yield from (f"deny tcp any{version} {_destination(place, version)} eq {port}" for version in (4, 6))


def _destination(place: Place, version: int) -> str:
    server = server_of(place, version)
    return f"any{version}" if server is None else f"host {server}"


def _object(prefix: IPv4Network | IPv6Network) -> str:
    if prefix.prefixlen == prefix.max_prefixlen:
        return f" network-object host {prefix.network_address}"
    network = prefix if prefix.version == 6 else f"{prefix.network_address} {prefix.netmask}"
    return f" network-object {network}"


CISCO_ASA: Final = Target(
    "cisco-asa",
    "Cisco ASA",
    CONNECT,
    frozenset({Term.IPV6}),
    EXCLAMATION,
    "cfg",
    _write,
)
