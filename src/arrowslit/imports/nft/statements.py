"""One rule of nft as rules of `firewall`: its matches as conditions, its verdict, and a rule for each value of a map.

A statement that is not known makes the rule uncertain; it is then read so that it lets nobody in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from arrowslit.imports.firewall.conditions import Condition, Seldom, Unknown
from arrowslit.imports.firewall.rules import ACCEPT, DROP, UNKNOWN, Verdict
from arrowslit.imports.nft.elements import Json, Named, NotUnderstoodError
from arrowslit.imports.nft.matches import match
from arrowslit.imports.nft.verdicts import Branch, implied, translations, verdict, verdict_map

_PASSING: Final = frozenset(
    {
        *("counter", "log", "mangle", "last", "secmark", "dup", "flow", "ct helper", "ct timeout", "ct expectation"),
        *("reset", "tcp option"),
    }
)
_XT_PASSING: Final = frozenset({"LOG", "NFLOG", "MARK", "CONNMARK", "TCPMSS", "CT", "CHECKSUM", "MASQUERADE", "SNAT"})
_XT: Final = "it was made by iptables, and nft does not tell what it asks: import what iptables-save prints instead"
_LOSS: Final = "how often somebody may come is not carried over, only who may"


@dataclass(slots=True)
class Made:
    """What has been made of a rule so far: its conditions, and what else it asks for each verdict."""

    conditions: list[Condition] = field(default_factory=list)
    branches: list[Branch] = field(default_factory=list)


def rules_of(expressions: Json, version: int | None, named: Named) -> list[Branch]:
    """Conditions and verdict of each rule that one rule of nft comes to. Never raises."""
    made = Made()
    try:
        for kind, what in _statements(expressions):
            if _statement(made, kind, what, version, named):
                break
    except ValueError as error:
        return [((*made.conditions, Unknown(str(error))), Verdict(UNKNOWN, why=str(error)))]
    return [_limited(made, *branch) for branch in made.branches]


def _statements(expressions: Json) -> Iterator[tuple[str, Json]]:
    if not isinstance(expressions, list):
        raise NotUnderstoodError("the rule is not understood")
    for one in expressions:
        if not isinstance(one, dict) or len(one) != 1:
            raise NotUnderstoodError("a statement is not understood")
        yield from one.items()


def _limited(made: Made, extra: tuple[Condition, ...], comes_to: Verdict) -> Branch:
    """What only a limit lets in is left out."""
    conditions: list[Condition] = [*made.conditions, *extra]
    if comes_to.kind == ACCEPT:
        conditions = [
            Unknown("it holds for so many only") if isinstance(one, Seldom) and one.holds else one for one in conditions
        ]
    return tuple(conditions), comes_to


def _statement(made: Made, kind: str, what: Json, version: int | None, named: Named) -> bool:
    """Takes one statement; True where none can follow."""
    if kind == "match":
        made.conditions.append(match(what, named))
    elif kind in {"limit", "ct count", "meter", "set", "quota"}:
        made.conditions += _rates(kind, what, named)
    elif kind == "xt":
        return _of_iptables(made, what)
    elif kind == "vmap":
        made.branches += verdict_map(what, named)
        return True
    elif kind == "dnat":
        made.branches += translations(what, version, named)
        return True
    elif kind not in _PASSING:
        made.branches.append((implied(kind, what), verdict(kind, what)))
        return kind != "notrack"
    return False


def _of_iptables(made: Made, what: Json) -> bool:
    name = what.get("name") if isinstance(what, dict) else None
    if isinstance(what, dict) and what.get("type") == "match":
        if name != "comment":
            made.conditions.append(Unknown(_XT))
        return False
    if name in _XT_PASSING:
        return False
    made.branches.append(((), Verdict(DROP) if name == "REJECT" else Verdict(UNKNOWN, why=_XT)))
    if what is None or name is None:
        made.conditions.append(Unknown(_XT))
    return True


# How often.


def _rates(kind: str, what: Json, named: Named) -> Iterator[Condition]:
    if kind == "limit":
        limit = named.limits.get(what) if isinstance(what, str) else what
        yield _rate(limit) if isinstance(limit, dict) else Unknown("the limit is not in the file")
    elif kind == "ct count":
        yield _rate(what) if isinstance(what, dict) else Unknown("the count is not understood")
    elif kind == "quota":
        yield Unknown("it holds for so many bytes only")
    elif isinstance(what, dict):
        inner = what.get("stmt")
        for one in inner if isinstance(inner, list) else [inner]:
            if isinstance(one, dict):
                for name, value in one.items():
                    if name in {"limit", "ct count", "quota"}:
                        yield from _rates(name, value, named)


def _rate(limit: Mapping[str, Json]) -> Condition:
    return Seldom(not limit.get("inv"), _LOSS)
