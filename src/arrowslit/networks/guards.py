"""What a refresh may do to a network: decided here, without a clock and without asking anybody.

Terms: the *accepted* addresses are those that decide. A source that fails keeps what it gave last. What sources newly
give is accepted at once, unless the network would grow by more than its share: then all that is new is *held* until
an administrator accepts it. What they give no more is *leaving* and stays for the grace time. A network that has
addresses never becomes empty, and no single range may be wider than `WIDEST`. Pinned and excepted addresses are the
policy's own matter and are not in here.

The state has a JSON form for the store (`to_json`, `from_json`).
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from typing import Any, Final

from arrowslit.mail.address_range import address_set, parse_range, read_ranges
from arrowslit.mail.address_set import EMPTY, AddressSet
from arrowslit.networks.found import Answer, Failed, Found

WIDEST: Final = {4: 2**22, 6: 2**100}
"""Addresses that one range may have: an IPv4 /10, an IPv6 /28. A site's own networks may be wider."""

_OWN: Final = address_set(
    parse_range(text) for text in ("10.0.0.0/8", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)

MOST_RANGES: Final = 2_000_000
SMALL: Final = 64
"""Growth up to so many addresses (IPv6: /64 networks) is never held: a share of little says nothing."""

_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Source:
    """What one source gave last and when (Unix seconds); `problem` is why it gives nothing now, else empty."""

    addresses: AddressSet = EMPTY
    at: float = 0.0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Leaving:
    """Addresses that no source gives since then (Unix seconds)."""

    since: float
    addresses: AddressSet


@dataclass(frozen=True, slots=True)
class Contents:
    """The state of one network. `described` tells whether the policy still asks the same sources."""

    described: str = ""
    accepted: AddressSet = EMPTY
    held: AddressSet = EMPTY
    held_since: float = 0.0
    held_because: str = ""
    leaving: tuple[Leaving, ...] = ()
    sources: Mapping[str, Source] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """As the policy has them: `growth` is a share (0.5), `grace` seconds."""

    growth: float = 0.5
    grace: float = 259_200.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """The next state, and what is to be told: `kind` is that of `store.values.NetworkChange`, "" for nothing."""

    contents: Contents
    kind: str = ""
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    because: str = ""


def refreshed(before: Contents, described: str, answers: Mapping[str, Answer], rules: Rules, now: float) -> Outcome:
    """What the answers of all sources come to."""
    other_sources = described != before.described
    if other_sources:  # the administrator's own change: nothing of it is held
        before = replace(before, described=described, sources={}, held=EMPTY, held_because="")
    sources = {name: _source(before.sources.get(name), answer, now) for name, answer in answers.items()}
    warnings = tuple(warning for answer in answers.values() if isinstance(answer, Found) for warning in answer.warnings)
    given = EMPTY.union(*(source.addresses for source in sources.values()))
    state = replace(before, sources=sources, warnings=warnings)
    failed = _problems(state)
    if not len(given):
        return _told(before, state, failed)
    new = given.subtract(before.accepted)
    because = "" if other_sources else _too_much(before.accepted, new, rules)
    accepted = before.accepted if because else before.accepted.union(new)
    leaving = _leaving(before, accepted.subtract(given), now)
    gone = EMPTY.union(*(one.addresses for one in leaving if now - one.since >= rules.grace))
    if len(accepted.subtract(gone)):
        accepted = accepted.subtract(gone)
        leaving = tuple(one for one in leaving if now - one.since < rules.grace)
    held = new if because else EMPTY
    since = (before.held_since if held == before.held else now) if because else 0.0
    state = replace(state, accepted=accepted, leaving=leaving, held=held, held_since=since, held_because=because)
    return _told(before, state, failed)


def next_removal(contents: Contents, rules: Rules, now: float) -> float | None:
    """When (Unix seconds) the next grace time ends; None where nothing is leaving."""
    ends = [one.since + rules.grace for one in contents.leaving]
    return min((end for end in ends if end > now), default=None)


def accept(before: Contents) -> Outcome:
    """An administrator takes what is held."""
    state = replace(before, accepted=before.accepted.union(before.held), held=EMPTY, held_since=0.0, held_because="")
    outcome = _told(before, state, "")
    return replace(outcome, kind="accepted", because="accepted by an administrator")


def hold(before: Contents, after: Contents, because: str, now: float) -> Outcome:
    """The change must not be made for another reason, such as an expectation that it would break."""
    new = after.accepted.subtract(before.accepted)
    state = replace(
        after,
        accepted=before.accepted,
        held=after.held.union(new),
        held_since=before.held_since or now,
        held_because=because,
    )
    return _told(before, state, "")


def _source(before: Source | None, answer: Answer, now: float) -> Source:
    kept = before or Source()
    if isinstance(answer, Failed):
        return replace(kept, problem=answer.why)
    if len(answer.addresses) > MOST_RANGES:
        return replace(kept, problem=f"it lists more than {MOST_RANGES} ranges")
    wide = _too_wide(answer.addresses)
    return replace(kept, problem=f"it lists {wide}, which is too wide") if wide else Source(answer.addresses, now)


def _too_wide(addresses: AddressSet) -> str:
    for first, last in addresses.ranges():
        wide = int(last) - int(first) + 1 > WIDEST[first.version]
        if wide and not _OWN.covers(AddressSet.from_ranges([(first, last)])):
            return f"{first}-{last}"
    return ""


def _size(addresses: AddressSet) -> int:
    """IPv4 addresses and IPv6 networks of 64 bits."""
    total = 0
    for first, last in addresses.ranges():
        count = int(last) - int(first) + 1
        total += count if isinstance(first, IPv4Address) else max(count >> 64, 1)
    return total


def _too_much(accepted: AddressSet, new: AddressSet, rules: Rules) -> str:
    size, growth = _size(accepted), _size(new)
    if not size or growth <= max(size * rules.growth, SMALL):
        return ""
    return f"it would grow by {growth} addresses, more than {rules.growth:.0%} of {size}"


def _leaving(before: Contents, absent: AddressSet, now: float) -> tuple[Leaving, ...]:
    """Each address that is absent, with when it was first."""
    found: list[Leaving] = []
    rest = absent
    for one in sorted(before.leaving, key=lambda leaving: leaving.since):
        still = rest.subtract(rest.subtract(one.addresses))
        if len(still):
            found.append(Leaving(one.since, still))
            rest = rest.subtract(still)
    if len(rest):
        found.append(Leaving(now, rest))
    return tuple(found)


def _problems(state: Contents) -> str:
    return "; ".join(source.problem for source in state.sources.values() if source.problem)


def _told(before: Contents, after: Contents, failed: str) -> Outcome:
    added, removed = after.accepted.subtract(before.accepted), before.accepted.subtract(after.accepted)
    kind, because = "", ""
    if len(added) or len(removed):
        kind, because = "refresh", failed
    elif after.held_because and (after.held != before.held or after.held_because != before.held_because):
        kind, because, added = "held", after.held_because, after.held
    elif failed and failed != _problems(before):
        kind, because = "failed", failed
    elif not failed and _problems(before):
        kind = "recovered"
    return Outcome(after, kind, texts(added), texts(removed), because)


def texts(addresses: AddressSet, most: int = _SHOWN) -> tuple[str, ...]:
    """Ranges as texts, the first `most` of them and how many more there are."""
    found: list[str] = []
    for number, (first, last) in enumerate(addresses.ranges()):
        if number == most:
            return (*found, f"and {len(addresses) - most} more")
        found.append(parse_range(f"{first}-{last}").text if first != last else str(first))
    return tuple(found)


# --- the form in the store ----------------------------------------------------------------------------------------


def to_json(contents: Contents) -> str:
    """The state as a text."""
    return json.dumps(
        {
            "described": contents.described,
            "accepted": _list(contents.accepted),
            "held": _list(contents.held),
            "held_since": contents.held_since,
            "held_because": contents.held_because,
            "leaving": [{"since": one.since, "addresses": _list(one.addresses)} for one in contents.leaving],
            "sources": {
                name: {"addresses": _list(one.addresses), "at": one.at, "problem": one.problem}
                for name, one in contents.sources.items()
            },
            "warnings": list(contents.warnings),
        },
        separators=(",", ":"),
    )


def from_json(text: str) -> Contents:
    """The state from its text. Raises ValueError for one that can't be read."""
    try:
        read: Any = json.loads(text)
        return Contents(
            described=str(read["described"]),
            accepted=_set(read["accepted"]),
            held=_set(read["held"]),
            held_since=float(read["held_since"]),
            held_because=str(read["held_because"]),
            leaving=tuple(Leaving(float(one["since"]), _set(one["addresses"])) for one in read["leaving"]),
            sources={
                name: Source(_set(one["addresses"]), float(one["at"]), str(one["problem"]))
                for name, one in read["sources"].items()
            },
            warnings=tuple(map(str, read["warnings"])),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"the state of a network can't be read: {error}") from None


_PACKED_FROM: Final = 1000
"""Sets of so many ranges are written in their packed form: a million texts take half a minute to read."""


def _list(addresses: AddressSet) -> list[str] | str:
    if len(addresses) >= _PACKED_FROM:
        return b64encode(addresses.to_bytes()).decode()
    return [str(first) if first == last else f"{first}-{last}" for first, last in addresses.ranges()]


def _set(ranges: list[str] | str) -> AddressSet:
    if isinstance(ranges, str):
        packed = AddressSet.from_buffer(memoryview(b64decode(ranges, validate=True)))
        return AddressSet.from_pairs(*packed.pairs())  # the order of what was stored is not taken on trust
    found, problems = read_ranges(ranges)
    if problems:
        raise ValueError(f"the state of a network can't be read: {problems[0].says}")
    return found
