"""Reads our table out of nft's JSON: which slots there are, which one holds, and for how long (libnftables-json(5))."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from arrowslit.mail.address import parse_address
from arrowslit.mail.address_range import parse_range
from arrowslit.mail.address_set import EMPTY, AddressSet
from arrowslit.rollout.nft_program import Objects
from arrowslit.rollout.point import RolloutError
from arrowslit.targets.nftables import SLOTS

Expressions = list[Any]


@dataclass(frozen=True, slots=True)
class Slot:
    """The rules of one slot: what is listed, and the expressions of its two chains."""

    listed: AddressSet
    entry: Expressions
    gate: Expressions
    refused: int


@dataclass(frozen=True, slots=True)
class LiveTable:
    """Our table as it is. `holds` is the slot that decides now; `back_to` the one after the time of a pending one.

    `hooked` is False where no packet comes to the table. `unknown` names what is in it and not ours.
    """

    slots: dict[str, Slot] = field(default_factory=dict)
    holds: str | None = None
    back_to: str | None = None
    pending: bool = False
    seconds: float | None = None
    hooked: bool = False
    there: bool = False
    unknown: tuple[str, ...] = ()
    token: str = ""


def read_table(objects: Objects) -> LiveTable:
    """The table. Raises RolloutError for one that can't be understood."""
    try:
        return _read(objects)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise RolloutError(f"the table that is there can't be understood: {error!r}") from None


def _read(objects: Objects) -> LiveTable:
    sets = {one["set"]["name"]: one["set"] for one in objects if "set" in one}
    chains: dict[str, list[Expressions]] = {one["chain"]["name"]: [] for one in objects if "chain" in one}
    hooks = [one["chain"] for one in objects if "chain" in one and one["chain"].get("hook")]
    counters = {one["counter"]["name"]: one["counter"]["packets"] for one in objects if "counter" in one}
    for one in objects:
        if "rule" in one:
            chains[one["rule"]["chain"]].append(one["rule"]["expr"])
    slots = {
        slot: Slot(_listed(sets, slot), chains[f"entry_{slot}"], chains[f"gate_{slot}"], counters[f"refused_{slot}"])
        for slot in SLOTS
        if f"entry_{slot}" in chains
    }
    dispatch = [_dispatched(rule) for rule in chains.get("prerouting", [])]
    seconds = _seconds(sets.get("pending"))
    armed = [slot for slot, pending in dispatch if pending and seconds]
    settled = [slot for slot, pending in dispatch if not pending]
    known = {"prerouting", *(f"{chain}_{slot}" for slot in slots for chain in ("entry", "gate"))}
    hooked = [(one["name"], one["hook"], one["prio"], one["policy"]) for one in hooks]
    return LiveTable(
        slots,
        holds=next(iter(armed or settled), None),
        back_to=settled[0] if settled else None,
        pending=any(pending for _, pending in dispatch),
        seconds=seconds,
        hooked=hooked == [("prerouting", "prerouting", -150, "accept")],
        there=bool(objects),
        unknown=tuple(sorted(chains.keys() - known)),
        token=_token(objects),
    )


def _listed(sets: dict[str, Any], slot: str) -> AddressSet:
    ranges = [element for version in (4, 6) for element in map(_range, sets[f"listed{version}_{slot}"].get("elem", []))]
    return AddressSet.from_ranges(ranges) if ranges else EMPTY


def _range(element: Any) -> tuple[Any, Any]:
    if isinstance(element, str):
        return parse_address(element), parse_address(element)
    if "range" in element:
        first, last = element["range"]
        return parse_address(first), parse_address(last)
    found = parse_range(f"{element['prefix']['addr']}/{element['prefix']['len']}")
    return found.first, found.last


def _dispatched(rule: Expressions) -> tuple[str, bool]:
    """Which slot a rule of the first chain leads to, and whether it does so only while a change is pending."""
    pending = len(rule) == 2 and rule[0]["match"]["right"] == "@pending"
    step = rule[-1]["goto" if pending else "jump"]["target"]
    return step.removeprefix("entry_"), pending


def _seconds(pending: Any) -> float | None:
    if pending is None:
        return None
    elements = pending.get("elem", [])
    return float(elements[0]["elem"]["expires"]) if elements else 0.0


def _token(objects: Objects) -> str:
    """Changes with everything but counters, handles and the time that passes."""
    text = json.dumps([_still(one) for one in objects], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


_MOVING = frozenset({"handle", "packets", "bytes", "expires"})


def _still(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _still(one) for key, one in value.items() if key not in _MOVING}
    return [_still(one) for one in value] if isinstance(value, list) else value
