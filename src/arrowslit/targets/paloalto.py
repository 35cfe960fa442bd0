"""PAN-OS (Palo Alto Networks): two rules for the mail server's addresses, as commands for configure mode.

Grants: connecting. Terms: both families, each with a rule of its own, none where it has no addresses (`any` would be
the only thing to write there). Behind them a rule refuses everybody else at these addresses and ports; all stand
before every other rule. It can't count: a rule that only logs lets in.

Sources: PAN-OS CLI Quick Start ("Load Configurations", "Use the CLI"), PAN-OS Administrator's Guide ("Security policy
rules"; "NAT policy rules": rules see addresses as they are before NAT, zones as after it), PAN-OS Web Interface Help
("Policies > Security": addresses and ranges as sources).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from arrowslit.targets.cloud import FAMILIES, count, indented, listed, too_many
from arrowslit.targets.gaps import Term
from arrowslit.targets.observed import observed_or
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import CONNECT, Body, Place, PlaceError, Target
from arrowslit.targets.text import HASH

MOST: Final = 2500
"""Addresses that the smallest devices take."""

_RULES: Final = "rulebase security rules"
_OTHERS: Final = "arrowslit-others"


def _write(rules: Rules, place: Place) -> Body:
    if not place.server:
        raise PlaceError("PAN-OS needs the addresses at which strangers reach the mail server: give them with --server")
    lists = {version: listed(rules.connect, version) for version in FAMILIES}
    return Body(
        "".join(_commands(rules, place, lists)),
        apply=(
            "save config to before-arrowslit.xml, in operational mode",
            "set cli scripting-mode on; configure; paste what  sed '/#/d' FILE  writes (without comments)",
            "show the difference (check: show config diff), then commit",
        ),
        check=(
            'test security-policy-match protocol 6 destination-port 25 from ZONE to ZONE source "A" destination "S"',
            "show running security-policy   (arrowslit- stands before all)",
        ),
        undo=("configure; load config from before-arrowslit.xml; commit",),
        notes=(
            "a delete of what is not there says so, and the next command goes on",
            "the addresses of the server are those before NAT; a server of one family alone has no rule for the other",
            "IPv6 is only looked at with: set deviceconfig setting session ipv6-firewalling yes",
            *observed_or(rules, "who is listed may connect by these rules, whatever a later one says"),
        ),
        gaps=too_many(sum(map(count, lists.values())), MOST, "the smallest devices take so many addresses"),
    )


def _commands(rules: Rules, place: Place, lists: dict[int, list[str]]) -> Iterator[str]:
    names = {version: f"arrowslit-listed-ipv{version}" for version in FAMILIES}
    for name in (*names.values(), _OTHERS):
        yield f"delete {_RULES} {name}\n"
    if rules.observes:
        return
    yield f"set service arrowslit protocol tcp port {','.join(map(str, place.ports))}\n"
    permit, refuse = ("allow", "drop") if rules.connect.only_listed else ("drop", "allow")
    top = [_OTHERS]
    for version, name in names.items():
        servers = [str(one) for one in place.server if one.version == version]
        if servers and count(lists[version]):
            yield _rule(place, name, servers, permit)
            yield indented(lists[version], f"set {_RULES} {name} source ")
            top.append(name)
    yield _rule(place, _OTHERS, [str(one) for one in place.server], refuse)
    yield f"set {_RULES} {_OTHERS} source any\n"
    for name in top:
        yield f"move {_RULES} {name} top\n"


def _rule(place: Place, name: str, servers: list[str], action: str) -> str:
    start = f"set {_RULES} {name}"
    zone = place.interface or "any"
    return (
        f"{start} from {zone} to any destination [ {' '.join(servers)} ] application any service arrowslit "
        f"action {action}\n"
    )


PALOALTO: Final = Target(
    "paloalto",
    "PAN-OS (Palo Alto Networks)",
    CONNECT,
    frozenset({Term.IPV6}),
    HASH,
    "set",
    _write,
    frozenset({Term.SIZE.value}),
)
