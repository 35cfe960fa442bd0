"""FortiGate (FortiOS 6.2 and later): address objects and one group for each family, for the policy that has the port.

Grants: connecting. The text only makes objects and groups, which decide nothing; by hand the group becomes the source
of the policy whose destination is the virtual IP, and what that policy does not take falls to the implicit deny. A
group without members can't be made, so that of nobody holds the unspecified address, which no client has. Objects are
called by their addresses: making one again changes nothing. It never writes a policy, as policies are known by numbers
that only the device has. There is nothing to run it in: see the model. Sources: FortiOS CLI reference (firewall
address, address6, addrgrp, addrgrp6, policy), Fortinet "Firewall Policy Negate option", "match-vip".
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network
from typing import Final, TypeAlias

from arrowslit.targets.edge import by_source
from arrowslit.targets.gaps import Term
from arrowslit.targets.observed import leave
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import CONNECT, Body, Place, Target
from arrowslit.targets.text import HASH

_Prefix: TypeAlias = IPv4Network | IPv6Network

_MEMBERS: Final = 300
"""Members of a group that every model takes; more are put into groups of groups."""

_NOBODY: Final[dict[int, _Prefix]] = {4: IPv4Network("0.0.0.0/32"), 6: IPv6Network("::/128")}


def _write(rules: Rules, place: Place) -> Body:
    ports = ", ".join(map(str, place.ports))
    return Body(
        "".join(line for version in (4, 6) for line in _family(rules, version)),
        apply=tuple(_apply(rules, ports)),
        check=(
            "show firewall addrgrp arrowslit4",
            "show firewall addrgrp6 arrowslit6",
            "show firewall policy POLICY (its number is in the list of policies, by the virtual IP)",
        ),
        undo=tuple(_undo()),
        notes=tuple(_notes(ports)),
    )


def _apply(rules: Rules, ports: str) -> Iterator[str]:
    yield "save the configuration first: execute backup config flash before-arrowslit"
    yield "paste FILE into the CLI, or run it under Configuration > Scripts: it makes objects and groups only"
    if rules.observes:
        yield from leave("policies")
        return
    negated = "disable" if rules.connect.only_listed else "enable"
    yield f"then, in the policy that permits port {ports} to the mail server's virtual IP (POLICY is its number):"
    yield from _policy(f'set srcaddr "arrowslit4"|set srcaddr-negate {negated}')
    yield "and in the one that permits it over IPv6, if there is one (before 6.4: config firewall policy6, srcaddr):"
    yield from _policy(f'set srcaddr6 "arrowslit6"|set srcaddr6-negate {negated}')


def _policy(settings: str) -> Iterator[str]:
    yield from ("config firewall policy", "edit POLICY", *settings.split("|"), "next", "end")


def _undo() -> Iterator[str]:
    yield "set the sources to what they were (show firewall policy POLICY, before the change), such as:"
    yield from _policy('set srcaddr "all"|set srcaddr-negate disable')
    yield "then, once nothing refers to them:"
    yield from ("config firewall addrgrp", "delete arrowslit4", "end")
    yield from ("config firewall addrgrp6", "delete arrowslit6", "end")


def _notes(ports: str) -> Iterator[str]:
    yield f"each other policy that permits port {ports} or ALL to the mail server has to be narrowed or removed, too"
    yield "an IPv6 source that is not set in a policy permits nobody over IPv6; virtual IPs of IPv6 are apart (vip6)"
    yield 'deny policies to "all" pass virtual IPs by unless match-vip is enabled'
    yield "open sessions go on: diagnose sys session filter dport 25, then diagnose sys session clear"


def _family(rules: Rules, version: int) -> Iterator[str]:
    """Objects, and the group of them. Where there is none, the unspecified address stands for nobody."""
    suffix = "" if version == 4 else "6"
    nobody = _NOBODY[version]
    found: list[_Prefix] = []
    for source in rules.connect.sources:
        found += [prefix for prefix in source.addresses.cidrs() if prefix.version == version]
    objects = by_source(rules.connect, version, HASH, _object) if found else [f"{_object(nobody)}\n"]
    yield from (f"config firewall address{suffix}\n", *objects, "end\n")
    names = list(map(_name, found or [nobody]))
    yield from (f"config firewall addrgrp{suffix}\n", *_groups(f"arrowslit{version}", names), "end\n")


def _name(prefix: _Prefix) -> str:
    return f"arrowslit_{prefix.network_address}_{prefix.prefixlen}".replace(":", "-")


def _object(prefix: _Prefix) -> str:
    setting = f"ip6 {prefix}" if prefix.version == 6 else f"subnet {prefix.network_address} {prefix.netmask}"
    return f'    edit "{_name(prefix)}"\n        set {setting}\n    next'


def _groups(name: str, names: list[str]) -> Iterator[str]:
    """One group, of groups where there are many. `set` replaces all members, and holds from `next` on."""
    if len(names) > _MEMBERS:
        parts = [names[start : start + _MEMBERS] for start in range(0, len(names), _MEMBERS)]
        for number, part in enumerate(parts, 1):
            yield from _groups(f"{name}-{number}", part)
        names = [f"{name}-{number}" for number in range(1, len(parts) + 1)]
    yield f'    edit "{name}"\n'
    for number, member in enumerate(names):
        yield f'        {"append" if number else "set"} member "{member}"\n'
    yield "    next\n"


FORTIGATE: Final = Target(
    "fortigate",
    "FortiGate",
    CONNECT,
    frozenset({Term.IPV6}),
    HASH,
    "conf",
    _write,
)
