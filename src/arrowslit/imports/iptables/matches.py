"""The options of matches that ask for something a packet of mail has or has not; each row says what it means.

A function of a row takes the option's own words from the rule and gives the condition; ValueError says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from arrowslit.imports.firewall.conditions import (
    Address,
    AnyOf,
    Asked,
    Condition,
    Constant,
    Flags,
    Interface,
    Local,
    Port,
    Reply,
    State,
    Translated,
    Unknown,
)
from arrowslit.imports.firewall.packet import DESTINATION, OTHER, SOURCE
from arrowslit.imports.firewall.spans import spans_of
from arrowslit.imports.firewall.values import address_span, port_span
from arrowslit.imports.iptables.ipset import condition
from arrowslit.imports.iptables.rule_words import RuleWords

Option: TypeAlias = Callable[[RuleWords, bool], Condition]

UNSURE: Final = {
    "mark": "it looks at a mark that is set elsewhere",
    "connmark": "it looks at a mark that is set elsewhere",
    "owner": "it asks which program sends",
    "time": "it holds at certain times only",
    "geoip": "it asks for countries, and their addresses are not in the file",
    "mac": "it looks at hardware addresses",
    "physdev": "it looks at the port of a bridge",
    "string": "it looks for a text",
    "policy": "it asks for IPsec",
    "statistic": "it holds by chance",
}
"""What matches ask for that can't be told."""

MODULES: Final = frozenset(
    {
        *("tcp", "udp", "comment", "multiport", "iprange", "set", "conntrack", "state", "addrtype", "pkttype"),
        *("rpfilter", "icmp", "icmp6", "standard"),
    }
)
"""Matches whose options say all that they ask."""

_TCP: Final = frozenset({"tcp", "6", "all", "0", "any"})
_FLAGS: Final = frozenset({"fin", "syn", "rst", "psh", "ack", "urg"})
_ROUTED: Final = frozenset({"UNICAST", "LOCAL", "UNSPEC", "PROHIBIT", "UNREACHABLE", "BLACKHOLE", "THROW", "NAT"})


def _protocol(rule: RuleWords, negated: bool) -> Condition:
    return Constant((rule.next().lower() in _TCP) != negated)


def _address(side: str) -> Option:
    def made(rule: RuleWords, negated: bool) -> Condition:
        spans = spans_of(address_span(one, rule.version) for one in rule.next().split(","))
        return Address(side, rule.version, spans, negated=negated)

    return made


def _interface(side: str) -> Option:
    def made(rule: RuleWords, negated: bool) -> Condition:
        name = rule.next().replace(OTHER, "")
        return Interface(side, (name.removesuffix("+") + OTHER if name.endswith("+") else name,), negated)

    return made


def _ports(*sides: str) -> Option:
    def made(rule: RuleWords, negated: bool) -> Condition:
        spans = spans_of(port_span(one) for one in rule.next().split(","))
        if len(sides) == 1:
            return Port(sides[0], spans, negated)
        return AnyOf(tuple(Port(side, spans) for side in sides), negated)

    return made


def _flags(rule: RuleWords, negated: bool) -> Condition:
    mask, wanted = (_flag_names(rule.next()) for _ in range(2))
    return Flags(wanted, mask, negated=negated)


def _flag_names(text: str) -> frozenset[str]:
    found = frozenset(one.lower() for one in text.split(","))
    return _FLAGS if "all" in found else found - {"none"}


def _syn(_: RuleWords, negated: bool) -> Condition:
    return Flags(frozenset({"syn"}), frozenset({"syn", "rst", "ack", "fin"}), negated=negated)


def _state(rule: RuleWords, negated: bool) -> Condition:
    words = frozenset(one.lower() for one in rule.next().split(","))
    if "snat" in words and "new" not in words:
        return Unknown("it asks for a translated source")
    if "dnat" in words:
        return AnyOf((State(words), Translated()), negated)
    return State(words, negated)


def _status(rule: RuleWords, negated: bool) -> Condition:
    words = {one.lower() for one in rule.next().split(",")}
    return Translated(negated) if words == {"dnat"} else Unknown(f"the state {','.join(sorted(words))} can't be told")


def _range(side: str) -> Option:
    def made(rule: RuleWords, negated: bool) -> Condition:
        return Address(side, rule.version, (address_span(rule.next(), rule.version),), negated=negated)

    return made


def _set(rule: RuleWords, negated: bool) -> Condition:
    name, sides = rule.next(), tuple(rule.next().split(","))
    return condition(rule.sets, name, sides, negated=negated)


def _type(side: str) -> Option:
    def made(rule: RuleWords, negated: bool) -> Condition:
        words = {one.upper() for one in rule.next().split(",")}
        if words == {"LOCAL"}:
            return Local(side, negated)
        if words == {"UNICAST"} and side == SOURCE:
            return Constant(not negated)
        if not words & _ROUTED:  # broadcast, multicast: no connection comes from there or goes there
            return Constant(negated)
        return Unknown(f"the type of address {','.join(sorted(words))} can't be told")

    return made


def _asked_port(rule: RuleWords, negated: bool) -> Condition:
    return Asked(ports=(port_span(rule.next()),), negated=negated)


def _asked_address(rule: RuleWords, negated: bool) -> Condition:
    return Asked(addresses=(address_span(rule.next(), rule.version),), negated=negated)


def _direction(rule: RuleWords, negated: bool) -> Condition:
    return Reply((rule.next().upper() == "REPLY") == negated)


def _packet_type(rule: RuleWords, negated: bool) -> Condition:
    return Constant((rule.next().lower() in {"unicast", "host"}) != negated)


def _never(_: RuleWords, negated: bool) -> Condition:
    return Constant(negated)


def _ignored(words: int) -> Option:
    def made(rule: RuleWords, _: bool) -> Condition:
        for _number in range(words):
            rule.next()
        return Constant(True)

    return made


def _comment(rule: RuleWords, _: bool) -> Condition:
    rule.note = rule.next()
    return Constant(True)


OPTIONS: Final[dict[str, Option]] = {
    **dict.fromkeys(("-p", "--protocol", "--proto", "--ctproto"), _protocol),
    **dict.fromkeys(("-s", "--source", "--src"), _address(SOURCE)),
    **dict.fromkeys(("-d", "--destination", "--dst"), _address(DESTINATION)),
    **dict.fromkeys(("-i", "--in-interface"), _interface(SOURCE)),
    **dict.fromkeys(("-o", "--out-interface"), _interface(DESTINATION)),
    **dict.fromkeys(("--sport", "--source-port", "--sports", "--source-ports"), _ports(SOURCE)),
    **dict.fromkeys(("--dport", "--destination-port", "--dports", "--destination-ports"), _ports(DESTINATION)),
    "--ports": _ports(SOURCE, DESTINATION),
    **dict.fromkeys(("-f", "--fragment"), _never),
    "--tcp-flags": _flags,
    "--syn": _syn,
    **dict.fromkeys(("--ctstate", "--state"), _state),
    "--ctstatus": _status,
    "--ctorigdstport": _asked_port,
    "--ctorigdst": _asked_address,
    "--ctdir": _direction,
    "--src-range": _range(SOURCE),
    "--dst-range": _range(DESTINATION),
    "--match-set": _set,
    "--src-type": _type(SOURCE),
    "--dst-type": _type(DESTINATION),
    "--comment": _comment,
    "--pkt-type": _packet_type,
    "--invert": _never,  # of rpfilter: whose way back is another, a stranger's forged packet
    **dict.fromkeys(("--icmp-type", "--icmpv6-type"), _ignored(1)),
    **dict.fromkeys(("-4", "-6", "--loose", "--validmark", "--accept-local", "--update-counters"), _ignored(0)),
    **dict.fromkeys(("--limit-iface-in", "--limit-iface-out"), _ignored(0)),
    **dict.fromkeys(("-c", "--set-counters"), _ignored(2)),
}
