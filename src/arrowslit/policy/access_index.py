"""One access list made ready for look-up: the cost of an answer does not grow with the list.

Terms: a *placed* entry knows its position; a *signature* is what an entry demands beside the client (TLS, last day,
line ends), and of entries for the same client with the same signature only the first can ever decide. Small sets of
addresses become segments on one line of numbers; a big network is asked by itself. The order in which kinds are
looked at is addresses, certificates, names, so that a name is looked up only where nothing else decides; within a
kind the order of writing. `policy.trace` walks the same entries one by one; a property test holds the two together.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from ipaddress import IPv4Address

from arrowslit.mail.address import IPAddress
from arrowslit.mail.address_range import parse_range
from arrowslit.mail.address_set import AddressSet, Pairs
from arrowslit.policy.conditions import (
    LACKS_TLS,
    MATCH,
    NAME_FAILED,
    NEEDS_ADDRESS,
    NO,
    OPEN,
    State,
    Status,
    View,
    certificate_condition,
    condition,
    name_condition,
    strongest,
)
from arrowslit.policy.facts import Certificate, Facts, Unknown
from arrowslit.policy.parts import Entry, Network

_BIG = 4096
"""A network of more ranges than this is not spread into segments but asked by itself."""


@dataclass(frozen=True, slots=True)
class Placed:
    """An entry with its position in the order of looking, and the answer that it gives when it matches."""

    position: int
    entry: Entry
    plain: bool
    found: Found = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "found", Found(MATCH, self))

    @property
    def signature(self) -> tuple[object, ...]:
        """What it demands beside the client."""
        return self.entry.expires, self.entry.require_tls, self.entry.line_ends


@dataclass(frozen=True, slots=True)
class Found:
    """What a list says of a client: a state and the facts it needs, and the entry where one stands behind it."""

    status: Status
    placed: Placed | None = None

    @property
    def state(self) -> State:
        """The state alone."""
        return self.status[0]


NOT_FOUND = Found(NO)
_BY_STATE = {State.OPEN: Found(OPEN), State.NAME_FAILED: Found(NAME_FAILED), State.LACKS_TLS: Found(LACKS_TLS)}

Candidates = tuple[Placed, ...]


class AccessIndex:
    """The entries of one mode of one list, ready for look-up."""

    __slots__ = (
        "_certificate_groups",
        "_certificates",
        "_has_addresses",
        "_name_groups",
        "_names",
        "_networks",
        "_segments4",
        "_segments6",
        "_starts4",
        "_starts6",
        "entries",
        "normalises",
    )

    def __init__(self, entries: tuple[Entry, ...], networks: Mapping[str, Network]) -> None:
        self.entries = entries
        self.normalises = any(entry.line_ends for entry in entries)
        placed = [Placed(at, entry, _plain(entry)) for at, entry in enumerate(entries)]
        by_address = [one for one in placed if one.entry.kind not in {"domain", "certificate"}]
        self._has_addresses = bool(by_address)
        self._networks: list[tuple[AddressSet, Placed]] = []
        ranges4: list[tuple[int, int, Placed]] = []
        ranges6: list[tuple[int, int, Placed]] = []
        for one in by_address:
            addresses = entry_addresses(one.entry, networks)
            if len(addresses) > _BIG:
                self._networks.append((addresses, one))
            else:
                _add(addresses.pairs(), one, ranges4, ranges6)
        self._starts4, self._segments4 = _segments(ranges4)
        self._starts6, self._segments6 = _segments(ranges6)
        certificates = [one for one in placed if one.entry.kind == "certificate"]
        self._certificates = _by_value(certificates)
        self._certificate_groups = _first_of_each(certificates)
        names = [one for one in placed if one.entry.kind == "domain"]
        self._names = _by_value(names)
        self._name_groups = _first_of_each(names)

    def find(self, facts: Facts, view: View) -> Found:
        """What the list says of the client that `facts` describe. Takes about a microsecond for any list."""
        candidates: Candidates = ()
        statuses: list[Status] = []
        address = facts.client_address
        if not isinstance(address, Unknown):
            candidates = self.at(address)
            if candidates and candidates[0].plain:
                return candidates[0].found
        elif self._has_addresses:
            statuses.append((State.NEEDS, NEEDS_ADDRESS))
        if not candidates and not self._certificate_groups and not self._name_groups:
            return Found(statuses[0]) if statuses else NOT_FOUND
        return self._find_among(candidates, statuses, facts, view)

    def _find_among(self, candidates: Candidates, statuses: list[Status], facts: Facts, view: View) -> Found:
        waiting: Placed | None = None
        for one in candidates:
            status = condition(one.entry, facts, view)
            if status[0] is State.MATCH:
                return one.found
            if waiting is None and status[0] in {State.OPEN, State.LACKS_TLS}:
                waiting = one
            statuses.append(status)
        for groups, keys, unknown in (
            (self._certificate_groups, self._shown(facts, view), certificate_condition),
            (self._name_groups, self._named(facts), name_condition),
        ):
            if not groups:
                continue
            if keys is None:
                statuses.extend(unknown(one.entry, facts, view) for one in groups)
                continue
            for one in keys:
                status = condition(one.entry, facts, view)
                if status[0] is State.MATCH:
                    return one.found
                if waiting is None and status[0] in {State.OPEN, State.LACKS_TLS}:
                    waiting = one
                statuses.append(status)
        return _sum_up(statuses, waiting)

    def at(self, address: IPAddress) -> Candidates:
        """The entries that match an address: of those with the same demands, the one written first."""
        value = int(address)
        if isinstance(address, IPv4Address):
            at = bisect_right(self._starts4, value) - 1
            found = self._segments4[at] if at >= 0 else ()
        else:
            at = bisect_right(self._starts6, value) - 1
            found = self._segments6[at] if at >= 0 else ()
        for addresses, one in self._networks:
            if addresses.contains(address):
                found = (one,) if not found else tuple(sorted((*found, one), key=_position))
        return found

    def _shown(self, facts: Facts, view: View) -> Candidates | None:
        """The certificate entries that match what was shown; None where nothing was shown (yet)."""
        shown = facts.certificate
        if not isinstance(shown, Certificate) or view is View.WITHOUT_TLS:
            return None
        keys = {shown.fingerprint}
        for name in shown.names:
            keys.update(patterns(name))
        return _collect(self._certificates, keys)

    def _named(self, facts: Facts) -> Candidates | None:
        name = facts.client_name
        return self.named(name) if isinstance(name, str) else None

    def named(self, name: str) -> Candidates:
        """The domain entries that match a client name."""
        return _collect(self._names, patterns(name))

    def normalising(self, facts: Facts) -> Status:
        """Whether an entry with `line_ends = "normalise"` matches, whichever entry decided (decisions 9)."""
        if not self.normalises:
            return NO
        return strongest([status for one, status in self.statuses(facts) if one.line_ends])

    def statuses(self, facts: Facts) -> Iterator[tuple[Entry, Status]]:
        """Every entry that could concern this client, with its status from MAIL on."""
        address = facts.client_address
        if not isinstance(address, Unknown):
            for one in self.at(address):
                yield one.entry, condition(one.entry, facts, View.FINAL)
        shown, named = self._shown(facts, View.FINAL), self._named(facts)
        for keys, groups, unknown in (
            (shown, self._certificate_groups, certificate_condition),
            (named, self._name_groups, name_condition),
        ):
            if keys is None:
                yield from ((one.entry, unknown(one.entry, facts, View.FINAL)) for one in groups)
            else:
                yield from ((one.entry, condition(one.entry, facts, View.FINAL)) for one in keys)


def _sum_up(statuses: list[Status], waiting: Placed | None) -> Found:
    status = strongest(statuses)
    if status[0] in {State.OPEN, State.LACKS_TLS}:
        return Found(status, waiting)
    return _BY_STATE.get(status[0], NOT_FOUND) if status[0] is not State.NEEDS else Found(status)


def entry_addresses(entry: Entry, networks: Mapping[str, Network]) -> AddressSet:
    """The addresses that an entry of kind computer, group, range or network stands for."""
    if entry.kind == "network":
        return networks[entry.value].addresses
    found = parse_range(entry.value)
    return AddressSet.from_ranges([(found.first, found.last)])


def _plain(entry: Entry) -> bool:
    return entry.expires is None and not entry.require_tls


def _position(placed: Placed) -> int:
    return placed.position


def _add(
    pairs: tuple[Pairs, Pairs],
    placed: Placed,
    ranges4: list[tuple[int, int, Placed]],
    ranges6: list[tuple[int, int, Placed]],
) -> None:
    ranges4.extend((first, last, placed) for first, last in pairs[0])
    ranges6.extend((first, last, placed) for first, last in pairs[1])


def _segments(ranges: list[tuple[int, int, Placed]]) -> tuple[list[int], list[Candidates]]:
    """Cuts the line of numbers where the set of entries changes.

    Each segment holds, for every signature, the entry written first. Entries that have ended are dropped from the
    heaps when they come up, so that nested ranges cost no more than n log n.
    """
    events = sorted(
        [(first, 1, one.position, one) for first, _, one in ranges]
        + [(last + 1, 0, one.position, one) for _, last, one in ranges],
        key=lambda event: event[:3],
    )
    starts: list[int] = []
    segments: list[Candidates] = []
    heaps: dict[tuple[object, ...], list[tuple[int, int]]] = {}
    alive: dict[int, int] = {}
    by_position = {one.position: one for _, _, one in ranges}
    known: dict[Candidates, Candidates] = {}
    for number, (at, begins, position, one) in enumerate(events):
        heap = heaps.setdefault(one.signature, [])
        if begins:
            alive[position] = alive.get(position, 0) + 1
            heappush(heap, (position, number))
        else:
            alive[position] -= 1
        if number + 1 < len(events) and events[number + 1][0] == at:
            continue
        candidates = _heads(heaps, alive, by_position)
        starts.append(at)
        segments.append(known.setdefault(candidates, candidates))
    return starts, segments


def _heads(
    heaps: dict[tuple[object, ...], list[tuple[int, int]]], alive: dict[int, int], by_position: dict[int, Placed]
) -> Candidates:
    heads: list[Placed] = []
    for signature in list(heaps):
        heap = heaps[signature]
        while heap and not alive[heap[0][0]]:
            heappop(heap)
        if heap:
            heads.append(by_position[heap[0][0]])
        else:
            del heaps[signature]
    heads.sort(key=_position)
    return tuple(heads)


def _first_of_each(placed: Iterable[Placed]) -> Candidates:
    found: dict[tuple[object, ...], Placed] = {}
    for one in placed:
        found.setdefault(one.signature, one)
    return tuple(found.values())


def _by_value(placed: Iterable[Placed]) -> dict[str, Candidates]:
    grouped: dict[str, list[Placed]] = {}
    for one in placed:
        grouped.setdefault(one.entry.value, []).append(one)
    return {value: _first_of_each(ones) for value, ones in grouped.items()}


def patterns(name: str) -> list[str]:
    """The values that match `name`: itself and `*.` before each of its parents (decisions 8)."""
    found = [name]
    at = name.find(".")
    while at >= 0:
        found.append("*" + name[at:])
        at = name.find(".", at + 1)
    return found


def _collect(table: dict[str, Candidates], keys: Iterable[str]) -> Candidates:
    found = [one for key in keys for one in table.get(key, ())]
    return tuple(sorted(found, key=_position))
