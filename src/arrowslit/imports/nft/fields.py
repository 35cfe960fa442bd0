"""What stands on the left side of a match: parts of the packet and what is known of it, as makers of conditions.

A maker takes elements and gives the condition that one of them is what the packet has; ValueError says what is wrong
with an element. What a packet of mail never has (a UDP port, a type of ICMP) never matches, not even when negated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from arrowslit.imports.firewall.conditions import (
    Address,
    AllOf,
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
    Version,
)
from arrowslit.imports.firewall.packet import DESTINATION, OTHER, SOURCE
from arrowslit.imports.firewall.spans import ALL, Span, spans_of, without
from arrowslit.imports.firewall.values import address_span, port
from arrowslit.imports.nft.elements import EVERYTHING, Element, Json, NotUnderstoodError

Maker: TypeAlias = Callable[[Sequence[Element], bool], Condition]
"""Elements and whether the match is negated -> the condition."""

_SIDES: Final = {"saddr": SOURCE, "daddr": DESTINATION, "sport": SOURCE, "dport": DESTINATION}
_VERSIONS: Final = {"ip": 4, "ip6": 6}
_UNKNOWN: Final = {
    "mark": "it looks at a mark that is set elsewhere",
    "skuid": "it asks which program sends",
    "skgid": "it asks which program sends",
    "time": "it holds at certain times only",
    "day": "it holds at certain times only",
    "hour": "it holds at certain times only",
}
_STATES: Final = frozenset({"new", "established", "related", "invalid", "untracked"})


def address(side: str, version: int) -> Maker:
    """An address of that family."""

    def made(elements: Sequence[Element], negated: bool) -> Condition:
        read = [(_address(one.value, version), one) for one in elements]
        sure = spans_of(span for span, one in read if not one.timed)
        timed = without(spans_of(span for span, one in read if one.timed), sure)
        notes = tuple((*span, one.note) for span, one in read if one.note)
        return Address(side, version, sure, timed, negated, notes)

    return made


def _address(value: Json, version: int) -> Span:
    if value == EVERYTHING:
        return ALL[version][0]
    if isinstance(value, str):
        return address_span(value, version)
    if isinstance(value, dict) and isinstance(prefix := value.get("prefix"), dict):
        return address_span(f"{prefix.get('addr')}/{prefix.get('len')}", version)
    first, last = _range(value)
    low, high = address_span(str(first), version), address_span(str(last), version)
    if low[0] > high[1]:
        raise NotUnderstoodError("the first address lies behind the last")
    return low[0], high[1]


def _range(value: Json) -> tuple[Json, Json]:
    ends = value.get("range") if isinstance(value, dict) else None
    if isinstance(ends, list) and len(ends) == 2:
        return ends[0], ends[1]
    raise NotUnderstoodError(f"{str(value)[:80]} is not understood")


def ports(side: str) -> Maker:
    """A port."""
    return lambda elements, negated: Port(side, spans_of(_port(one.value) for one in _lasting(elements)), negated)


def _port(value: Json) -> Span:
    if value == EVERYTHING:
        return 0, 65535
    if isinstance(value, int | str):
        return port(str(value)), port(str(value))
    first, last = (port(str(end)) for end in _range(value))
    if first > last:
        raise NotUnderstoodError("the first port lies behind the last")
    return first, last


def _lasting(elements: Sequence[Element]) -> Sequence[Element]:
    if any(one.timed for one in elements):
        raise NotUnderstoodError("it looks at a set whose entries go at a certain time")
    return elements


def _names(elements: Sequence[Element]) -> list[str]:
    """The values as words; several at once ({"|": [...]}, [...]) are several words."""
    found: list[str] = []
    for one in _lasting(elements):
        value = one.value.get("|") if isinstance(one.value, dict) and "|" in one.value else one.value
        for word in value if isinstance(value, list) else [value]:
            if not isinstance(word, str | int):
                raise NotUnderstoodError(f"{str(word)[:80]} is not understood")
            found.append(str(word))
    return found


def interface(side: str) -> Maker:
    """An interface; `*` at the end stands for any that begins so."""

    def made(elements: Sequence[Element], negated: bool) -> Condition:
        names = [name.replace(OTHER, "") for name in _names(elements)]
        return Interface(side, tuple(one[:-1] + OTHER if one.endswith("*") else one for one in names), negated)

    return made


def constant(*words: str) -> Maker:
    """It is one of these words for every packet of mail."""
    return lambda elements, negated: Constant(bool(set(words) & set(_names(elements))) != negated)


def never(_: Sequence[Element], __: bool) -> Condition:
    """No packet of mail has it."""
    return Constant(False)


def unknown(why: str) -> Maker:
    """It can't be told."""
    return lambda _, __: Unknown(why)


def _family(words: dict[str, int]) -> Maker:
    def made(elements: Sequence[Element], negated: bool) -> Condition:
        return Version(frozenset(words[name] for name in _names(elements) if name in words), negated)

    return made


def _gated(version: int, maker: Maker) -> Maker:
    return lambda elements, negated: AllOf((Version(frozenset({version})), maker(elements, negated)))


def _state(elements: Sequence[Element], negated: bool) -> Condition:
    names = frozenset(_names(elements))
    return State(names, negated) if names <= _STATES else Unknown("the state of the connection is not understood")


def _status(elements: Sequence[Element], negated: bool) -> Condition:
    names = set(_names(elements))
    return Translated() if names == {"dnat"} and not negated else Unknown("the status of the connection can't be told")


def flags(mask: frozenset[str] | None = None, *, any_: bool = False) -> Maker:
    """The flags of TCP, those of `mask` or all. Each element is one way in which they may be set."""

    def made(elements: Sequence[Element], negated: bool) -> Condition:
        if any_:
            return Flags(frozenset(_names(elements)), mask, any_=True, negated=negated)
        each = [frozenset(word for word in _names([one]) if word != "0") for one in elements]
        return AnyOf(tuple(Flags(one, mask) for one in each), negated)

    return made


# By the names of JSON.


def payload(protocol: str, name: str) -> Maker:
    """A part of the packet."""
    if protocol in _VERSIONS:
        return _of_address_header(protocol, name)
    if protocol in {"tcp", "th"} and name in _SIDES:
        return ports(_SIDES[name])
    if (protocol, name) == ("tcp", "flags"):
        return flags()
    if protocol in {"tcp", "th", "ether", "vlan"}:
        return unknown(f"it looks at {protocol} {name}")
    return never


def _of_address_header(protocol: str, name: str) -> Maker:
    version = _VERSIONS[protocol]
    if name in _SIDES:
        return address(_SIDES[name], version)
    if name in {"protocol", "nexthdr"}:
        return _gated(version, constant("tcp", "6"))
    if name == "version":
        return _gated(version, constant(str(version)))
    return _gated(version, unknown(f"it looks at {protocol} {name}"))


def meta(key: str) -> Maker:
    """What is known of the packet."""
    known: dict[str, Maker] = {
        "iif": interface(SOURCE),
        "iifname": interface(SOURCE),
        "oif": interface(DESTINATION),
        "oifname": interface(DESTINATION),
        "l4proto": constant("tcp", "6"),
        "nfproto": _family({"ipv4": 4, "ipv6": 6}),
        "protocol": _family({"ip": 4, "ip6": 6}),
        "pkttype": constant("host", "unicast"),
    }
    return known.get(key) or unknown(_UNKNOWN.get(key, f"it looks at meta {key}"))


def connection(key: str, direction: str) -> Maker:
    """What is known of the connection."""
    if direction == "original" and key == "proto-dst":
        return lambda elements, negated: Asked(spans_of(_port(one.value) for one in _lasting(elements)), None, negated)
    for version, text in ((4, "ip"), (6, "ip6")):
        if direction == "original" and key == f"{text} daddr":
            return _asked(version)
        if direction == "original" and key == f"{text} saddr":
            return address(SOURCE, version)
    known: dict[str, Maker] = {"state": _state, "status": _status, "direction": _direction, "protocol": constant("tcp")}
    return known.get(key) or unknown(_UNKNOWN.get(key, f"it looks at ct {key}"))


def _asked(version: int) -> Maker:
    def made(elements: Sequence[Element], negated: bool) -> Condition:
        spans = spans_of(_address(one.value, version) for one in _lasting(elements))
        return AllOf((Version(frozenset({version})), Asked(None, spans, negated)))

    return made


def _direction(elements: Sequence[Element], negated: bool) -> Condition:
    names = set(_names(elements))
    return Constant(not negated) if len(names) > 1 else Reply((names <= {"reply", "1"}) == negated)


def routing(result: str, told_by: frozenset[str]) -> Maker:
    """What the routing table says of an address of the packet."""
    side = SOURCE if "saddr" in told_by else DESTINATION
    if result == "type":
        return _type(side)
    if side == SOURCE:  # the way back: only a forged packet has none
        return lambda elements, negated: Constant(_no_way(elements) == negated)
    return unknown("it asks the routing table")


def _no_way(elements: Sequence[Element]) -> bool:
    return all(one.value in (False, 0, "0", "missing") for one in elements)


def _type(side: str) -> Maker:
    def made(elements: Sequence[Element], negated: bool) -> Condition:
        names = set(_names(elements))
        if "local" in names:
            return Local(side, negated) if not names & {"unicast"} else Constant(not negated)
        if names == {"unicast"} and side == SOURCE:
            return Constant(not negated)
        if not names & {"unicast", "unspec", "prohibit", "unreachable", "blackhole", "throw", "nat"}:
            return Constant(negated)
        return unknown("the type of address can't be told")(elements, negated)

    return made
