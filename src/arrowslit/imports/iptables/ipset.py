"""Sets of addresses as `ipset save` writes them, for the rules of iptables that name them.

Terms: a set's *parts* are what one of its entries is made of ("ip", "net", "port", ...), as its type says. What a type
has that is not known here makes the set unknown, never empty. Sources: ipset(8), sections Set types, and for entries
marked "nomatch" and for "most specific first" the sections on hash:net and its kin.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from arrowslit.imports.firewall.conditions import Address, AllOf, AnyOf, Condition, Constant, Interface, Port, Unknown
from arrowslit.imports.firewall.packet import DESTINATION, SOURCE
from arrowslit.imports.firewall.spans import NONE, Span, Spans, spans_of, union, without
from arrowslit.imports.firewall.values import address_span, port_span
from arrowslit.imports.imported import Origin

_SIDES: Final = {"src": SOURCE, "dst": DESTINATION}
_ADDRESSES: Final = frozenset({"ip", "net"})
_KNOWN: Final = frozenset({"ip", "net", "port", "iface", "set"})
_DEPTH: Final = 8
_CREATE_VALUES: Final = frozenset(
    {
        *("family", "hashsize", "maxelem", "timeout", "netmask", "bitmask", "range", "size", "markmask"),
        *("bucketsize", "initval"),
    }
)
_ADD_VALUES: Final = frozenset({"timeout", "comment", "packets", "bytes", "skbmark", "skbprio", "skbqueue"})
_TCP: Final = frozenset({"tcp", "6"})


@dataclass(slots=True)
class Element:
    """One entry: its parts in order."""

    parts: tuple[str, ...]
    note: str = ""
    timed: bool = False
    except_: bool = False


@dataclass(slots=True)
class IpSet:
    """One set. `version` is 4 or 6, 0 for a list of sets and for ports."""

    name: str
    parts: tuple[str, ...]
    version: int
    origin: Origin
    elements: list[Element] = field(default_factory=list)
    netmask: int | None = None
    read: tuple[Spans, Spans, tuple[tuple[int, int, str], ...]] | None = None
    """What `_spans` made of it."""


def create(words: Sequence[str], origin: Origin) -> IpSet | None:
    """The set that `create NAME TYPE ...` makes; None where the line is no such."""
    if len(words) < 3:
        return None
    options = _options(words[3:], _CREATE_VALUES)
    method, _, what = words[2].partition(":")
    version = 6 if options.get("family") == "inet6" else 4
    parts = ("set",) if method == "list" else tuple(what.split(","))
    made = IpSet(words[1], parts, version, origin)
    mask = options.get("netmask", "")
    made.netmask = int(mask) if mask.isascii() and mask.isdigit() else None
    return made


def add(words: Sequence[str]) -> Element | None:
    """The entry that `add NAME ENTRY ...` makes; None where the line is no such."""
    if len(words) < 3:
        return None
    options = _options(words[3:], _ADD_VALUES)
    timed = options.get("timeout", "0") != "0"
    return Element(tuple(words[2].split(",")), options.get("comment", ""), timed, "nomatch" in options)


def _options(words: Sequence[str], with_value: frozenset[str]) -> dict[str, str]:
    """Words that stand alone, and words with a value."""
    found: dict[str, str] = {}
    waiting = iter(words)
    for word in waiting:
        found[word] = next(waiting, "") if word in with_value else ""
    return found


def condition(sets: dict[str, IpSet], name: str, sides: tuple[str, ...], *, negated: bool, depth: int = 0) -> Condition:
    """`--match-set NAME SIDES`."""
    made = sets.get(name)
    if made is None:
        return Unknown(f"the set {name} is not in the files: import what `ipset save` prints as well")
    if depth > _DEPTH or not set(made.parts) <= _KNOWN or not set(sides) <= set(_SIDES):
        return Unknown(f"sets of the type {','.join(made.parts)} can't be read")
    if made.parts == ("set",):
        members = tuple(condition(sets, one.parts[0], sides, negated=False, depth=depth + 1) for one in made.elements)
        return AnyOf(members, negated)
    if len(sides) < len(made.parts):
        return Unknown(f"the set {name} has more parts than the rule gives it")
    return _of_addresses(made, _SIDES[sides[0]], negated) if len(made.parts) == 1 else _of_parts(made, sides, negated)


def _of_addresses(made: IpSet, side: str, negated: bool) -> Condition:
    if made.parts[0] == "port":
        return Port(side, spans_of(_ports(made)), negated)
    if made.parts[0] not in _ADDRESSES:
        return Unknown(f"sets of the type {made.parts[0]} can't be read")
    try:
        made.read = made.read or _spans(made)
    except ValueError as error:
        return Unknown(f"an entry of the set {made.name} is not understood: {error}")
    sure, timed, notes = made.read
    return Address(side, made.version, sure, timed, negated, notes, made.name)


def _ports(made: IpSet) -> Iterator[Span]:
    for one in made.elements:
        protocol, _, text = one.parts[0].rpartition(":")
        if not protocol or protocol in _TCP:
            yield port_span(text, "-")


def _spans(made: IpSet) -> tuple[Spans, Spans, tuple[tuple[int, int, str], ...]]:
    """All entries; where some are excepted, the longest prefix that holds an address decides."""
    read = [(_span(made, one.parts[0]), one) for one in made.elements]
    notes = tuple((*span, one.note) for span, one in read if one.note and not one.except_)
    if not any(one.except_ for _, one in read):
        plain, ending = (spans_of(span for span, one in read if one.timed is timed) for timed in (False, True))
        return plain, ending, notes
    by_size: dict[int, list[tuple[Span, Element]]] = {}
    for span, one in read:
        by_size.setdefault(span[1] - span[0], []).append((span, one))
    sure: Spans = NONE
    timed: Spans = NONE
    for _, same in sorted(by_size.items(), reverse=True):
        here = spans_of(span for span, _ in same)
        sure, timed = without(sure, here), without(timed, here)
        sure = union(sure, spans_of(span for span, one in same if not one.except_ and not one.timed))
        timed = union(timed, spans_of(span for span, one in same if one.timed))
    return sure, timed, ()


def _span(made: IpSet, text: str) -> Span:
    if made.netmask is not None and "/" not in text and "-" not in text:
        text = f"{text}/{made.netmask}"
    return address_span(text, made.version)


def _of_parts(made: IpSet, sides: tuple[str, ...], negated: bool) -> Condition:
    """Entries of several parts. An excepted or timed one makes the whole unclear."""
    if any(one.except_ or one.timed for one in made.elements):
        return Unknown(f"the set {made.name} has entries of several parts that are excepted or end")
    each: list[Condition] = []
    for one in made.elements:
        try:
            each.append(AllOf(tuple(_parts(made, one, sides))))
        except ValueError as error:
            return Unknown(str(error))
    return AnyOf(tuple(each), negated, made.name)


def _parts(made: IpSet, one: Element, sides: tuple[str, ...]) -> Iterator[Condition]:
    if len(one.parts) != len(made.parts):
        raise ValueError(f"an entry of the set {made.name} has other parts than its type")
    for what, text, side in zip(made.parts, one.parts, sides, strict=False):
        if what in _ADDRESSES:
            note = ((*_span(made, text), one.note),) if one.note else ()
            yield Address(_SIDES[side], made.version, (_span(made, text),), notes=note)
        elif what == "iface":
            yield Interface(_SIDES[side], (text,))
        else:
            protocol, _, number = text.rpartition(":")
            if protocol and protocol not in _TCP:
                yield Constant(False)
            yield Port(_SIDES[side], (port_span(number, "-"),))
