"""A match of nft as a condition: its left side finds the maker, its right side the elements, `op` how they compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from arrowslit.imports.firewall.conditions import Address, AllOf, AnyOf, Condition, Constant, Port, Unknown, Version
from arrowslit.imports.firewall.spans import ALL, Spans
from arrowslit.imports.nft import fields
from arrowslit.imports.nft.elements import EVERYTHING, Element, ElementSet, Json, Named, NotUnderstoodError, right_side
from arrowslit.imports.nft.fields import Maker

_ORDERS: Final = frozenset({"<", ">", "<=", ">="})
_PORTS: Final = ((0, 65535),)
_MANY: Final = 64


def match(statement: Json, named: Named) -> Condition:
    """`{"match": {"op", "left", "right"}}`. Raises NotUnderstoodError for what is not understood."""
    if not isinstance(statement, dict):
        raise NotUnderstoodError("a match is not understood")
    left, op, right = statement.get("left"), statement.get("op", "=="), statement.get("right")
    if isinstance(left, dict) and "exthdr" in left:
        return AllOf((Version(frozenset({6})), Constant(right is False and op == "==")))
    found = right_side(right, named)
    if op in _ORDERS:
        return _ordered(compared(left, found.elements), op)
    if op not in {"==", "!=", "in"}:
        raise NotUnderstoodError(f"{op} is not understood")
    return _kept(left, found, op, negated=op == "!=", listed=isinstance(right, list))


def compared(left: Json, elements: Sequence[Element]) -> Condition:
    """The left side is one of these elements."""
    return _made(left, elements, negated=False)


def _kept(left: Json, found: ElementSet, op: str, *, negated: bool, listed: bool) -> Condition:
    """A named set is read once for each left side."""
    if not found.name:
        return _flags_or_made(left, found.elements, op, negated=negated, listed=listed)
    key = f"{left} {op}"
    if key not in found.made:
        made = _made(left, found.elements, negated=negated)
        if isinstance(made, Address):
            made = Address(made.side, made.version, made.spans, made.perhaps, made.negated, made.notes, found.name)
        found.made[key] = made
    return found.made[key]


def _flags_or_made(left: Json, elements: Sequence[Element], op: str, *, negated: bool, listed: bool) -> Condition:
    if _is_flags(left):
        return fields.flags(any_=op == "in")(_together(elements) if listed else elements, negated)
    masked = _masked(left)
    if masked is not None and _is_flags(masked[0]):
        mask = frozenset(_words(masked[1]))
        return fields.flags(mask, any_=op == "in")(_together(elements) if listed else elements, negated)
    return _made(left, elements, negated=negated)


def _together(elements: Sequence[Element]) -> Sequence[Element]:
    """A plain list of flags is one way in which they are set, not several."""
    return [Element([one.value for one in elements])]


def _is_flags(left: Json) -> bool:
    return bool(left == {"payload": {"protocol": "tcp", "field": "flags"}})


def _masked(left: Json) -> tuple[Json, Json] | None:
    parts = left.get("&") if isinstance(left, dict) else None
    return (parts[0], parts[1]) if isinstance(parts, list) and len(parts) == 2 else None


def _words(value: Json) -> list[str]:
    if isinstance(value, dict) and isinstance(value.get("|"), list):
        value = value["|"]
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]


def _made(left: Json, elements: Sequence[Element], *, negated: bool) -> Condition:
    if isinstance(left, dict) and isinstance(left.get("concat"), list):
        return _concatenated(left["concat"], elements, negated=negated)
    return _maker(left)(elements, negated)


def _concatenated(lefts: list[Json], elements: Sequence[Element], *, negated: bool) -> Condition:
    """Elements of several parts: one of them has all its parts in the packet."""
    makers = [_maker(left) for left in lefts]
    return AnyOf(tuple(_parts(makers, one) for one in elements), negated)


def _parts(makers: list[Maker], one: Element) -> Condition:
    values = one.value.get("concat") if isinstance(one.value, dict) else None
    if one.value == EVERYTHING:
        values = [EVERYTHING] * len(makers)
    if not isinstance(values, list) or len(values) != len(makers):
        raise NotUnderstoodError("an entry has other parts than it is compared with")
    parts = [maker([Element(value, one.note)], False) for maker, value in zip(makers, values, strict=True)]
    if one.timed:
        parts.append(Unknown("the entry is there for a time only"))
    return AllOf(tuple(parts))


def _maker(left: Json) -> Maker:
    """The maker for a left side, by the names of JSON."""
    if not isinstance(left, dict) or len(left) != 1:
        raise NotUnderstoodError("the left side of a match is not understood")
    [(kind, what)] = left.items()
    if not isinstance(what, dict):
        return fields.unknown(f"{kind} is not understood")
    if kind == "payload":
        return fields.payload(str(what.get("protocol")), str(what.get("field")))
    if kind == "meta":
        return fields.meta(str(what.get("key")))
    if kind == "ct":
        return fields.connection(str(what.get("key")), str(what.get("dir", "")))
    if kind == "fib":
        told_by = what.get("flags")
        words = frozenset(_words(told_by)) if told_by else frozenset[str]()
        return fields.routing(str(what.get("result")), words)
    return fields.unknown(f"it looks at {kind}")


def _ordered(made: Condition, op: str) -> Condition:
    """Below or above one value."""
    if isinstance(made, Address) and len(made.spans) == 1:
        return Address(made.side, made.version, _beyond(made.spans, op, ALL[made.version]))
    if isinstance(made, Port) and len(made.spans) == 1:
        return Port(made.side, _beyond(made.spans, op, _PORTS))
    return Unknown(f"{op} is not understood here")


def _beyond(spans: Spans, op: str, all_: Spans) -> Spans:
    [(first, last)], [(least, most)] = spans, all_
    low, high = {
        "<": (least, first - 1),
        "<=": (least, last),
        ">": (last + 1, most),
        ">=": (first, most),
    }[op]
    return ((low, high),) if low <= high else ()
