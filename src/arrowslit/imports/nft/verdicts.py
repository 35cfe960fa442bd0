"""What becomes of the packet by a rule of nft, also where a map says it for each value: conditions and verdict.

All raise NotUnderstoodError or ValueError for what is not understood.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

from arrowslit.imports.firewall.conditions import AnyOf, Condition, Version
from arrowslit.imports.firewall.rules import ACCEPT, DROP, GOTO, JUMP, NEXT, RETURN, TRANSLATE, UNKNOWN, Verdict
from arrowslit.imports.firewall.values import address_span, is_loopback, port
from arrowslit.imports.nft.elements import EVERYTHING, Element, Json, Named, NotUnderstoodError, pairs
from arrowslit.imports.nft.matches import compared

Branch: TypeAlias = tuple[tuple[Condition, ...], Verdict]
"""What is asked besides, and what becomes of the packet then."""

_PLAIN: Final = {
    "accept": ACCEPT,
    "drop": DROP,
    "reject": DROP,
    "return": RETURN,
    "continue": NEXT,
    "masquerade": ACCEPT,
    "snat": ACCEPT,
}
_STRANGE: Final = {
    "queue": "a program decides",
    "tproxy": "a proxy takes it",
    "synproxy": "a proxy takes it",
    "fwd": "it is sent out elsewhere",
    "notrack": "its connections are not tracked from there on",
}


def implied(kind: str, what: Json) -> tuple[Condition, ...]:
    """What a statement asks of the packet: nft leaves a match out where the statement says as much."""
    how = what.get("type") if kind == "reject" and isinstance(what, dict) else None
    version = {"icmp": 4, "icmpv6": 6}.get(str(how))
    return () if version is None else (Version(frozenset({version})),)


def verdict(kind: str, what: Json) -> Verdict:
    """The verdict of one statement."""
    if kind in _PLAIN:
        return Verdict(_PLAIN[kind])
    if kind in {"jump", "goto"} and isinstance(what, dict):
        return Verdict(JUMP if kind == "jump" else GOTO, chain=str(what.get("target")))
    if kind == "redirect":
        return Verdict(TRANSLATE, port=_one_port(what.get("port") if isinstance(what, dict) else None), here=True)
    why = _STRANGE.get(kind, f"{kind} is not understood")
    return Verdict(UNKNOWN, why=why)


def _grouped(found: Sequence[tuple[Element, Json]]) -> list[tuple[list[Element], Json]]:
    """Keys of the same value together; the key for everything else by itself, at the end."""
    groups: dict[str, tuple[list[Element], Json]] = {}
    last: list[tuple[list[Element], Json]] = []
    for key, value in found:
        if key.value == EVERYTHING:
            last.append(([key], value))
        else:
            groups.setdefault(repr(value), ([], value))[0].append(key)
    return [*groups.values(), *last]


def _by_key(what: Json, named: Named) -> Iterator[tuple[tuple[Condition, ...], Json]]:
    if not isinstance(what, dict):
        raise NotUnderstoodError("a map is not understood")
    left, before = what.get("key"), list[Condition]()
    for keys, value in _grouped(pairs(what.get("data"), named)):
        if keys[0].value == EVERYTHING:
            yield (compared(left, keys), AnyOf(tuple(before), negated=True)), value
        else:
            condition = compared(left, keys)
            before.append(condition)
            yield (condition,), value


def verdict_map(what: Json, named: Named) -> Iterator[Branch]:
    """A verdict for each value."""
    for conditions, value in _by_key(what, named):
        if not isinstance(value, dict) or len(value) != 1:
            raise NotUnderstoodError("a verdict is not understood")
        [(kind, inner)] = value.items()
        yield conditions, verdict(kind, inner)


def translations(what: Json, version: int | None, named: Named) -> Iterator[Branch]:
    """Where a destination is translated to, also by a map."""
    if not isinstance(what, dict):
        raise NotUnderstoodError("where it leads can't be told")
    family = {"ip": 4, "ip6": 6}.get(str(what.get("family")), version)
    of_family = () if family is None else (Version(frozenset({family})),)
    address, to_port = what.get("addr"), _one_port(what.get("port"))
    if isinstance(address, dict) and isinstance(address.get("map"), dict):
        for conditions, value in _by_key(address["map"], named):
            parts = value.get("concat") if isinstance(value, dict) else [value]
            if not isinstance(parts, list) or not parts:
                raise NotUnderstoodError("where it leads can't be told")
            behind = _one_port(parts[1]) if len(parts) > 1 else to_port
            yield (*of_family, *conditions), _translation(parts[0], behind, family)
    else:
        yield of_family, _translation(address, to_port, family)


def _translation(address: Json, to_port: int | None, version: int | None) -> Verdict:
    if address is None:
        return Verdict(TRANSLATE, port=to_port)
    if not isinstance(address, str) or version is None:
        raise NotUnderstoodError("it leads to one of several addresses")
    first, last = address_span(address, version)
    if first != last:
        raise NotUnderstoodError("it leads to one of several addresses")
    return Verdict(TRANSLATE, address=first, port=to_port, here=is_loopback(first, version))


def _one_port(value: Json) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int | str):
        raise NotUnderstoodError("it leads to one of several ports")
    return port(str(value))
