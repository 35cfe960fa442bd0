"""Who gets to a place, of all its ways together; and which places make a virtual server.

A policy knows addresses, not interfaces. So of the ways to a place those count that let in certain addresses: one by
which whoever comes is let in may be the inner network's, whose addresses no rule tells. Only where there is no other is
the place open, to those whom all such ways let in; and not even then where a way to every port is the only one, or an
interface that is named lets nobody in, which may be the strangers'. Each of these readings is told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from arrowslit.imports.firewall.journey import Reached, Told
from arrowslit.imports.firewall.packet import OTHER, way_text
from arrowslit.imports.firewall.places import Found, Place, Way, address_text
from arrowslit.imports.firewall.spans import ALL, Spans, both, size, union, without
from arrowslit.imports.firewall.walk import Part

IsInner: TypeAlias = Callable[[Place, Way], bool]
"""True for a way by which whoever comes may connect to every port: the inner network's."""

LOOPBACKS: Final = {4: ((127 << 24, (128 << 24) - 1),), 6: ((1, 1),)}


@dataclass(slots=True)
class Access:
    """Who may reach a place. `remarks` say how the ways were read."""

    place: Place
    parts: list[Part] = field(default_factory=list)
    refused: list[Part] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    unclear: Told = field(default_factory=dict)
    losses: Told = field(default_factory=dict)

    @property
    def spans(self) -> Spans:
        """All who may."""
        return union(*(part.spans for part in self.parts))


def is_wide(spans: Spans, version: int) -> bool:
    """True for more than half of all addresses: who is let in is then told by who is not."""
    return 2 * size(spans) > size(ALL[version])


def access(place: Place, found: Found, is_inner: IsInner) -> Access:
    """Of all ways together, without loopback."""
    version = place.version
    some = {way: one for way, one in found.ways.items() if one.sure}
    narrow = {way: one for way, one in some.items() if not is_wide(one.sure, version)}
    counting = narrow or _open(place, found, some, is_inner)
    spans = union(*(one.sure for one in counting.values()))
    if not narrow:
        for one in counting.values():
            spans = both(spans, one.sure)
    made = Access(place, _within(counting, spans), [part for one in counting.values() for part in one.refused])
    made.remarks = _remarks(some, counting, version)
    for one in found.ways.values():
        if without(one.perhaps, one.sure):
            made.unclear.update(one.unclear)
        if one.sure:
            made.losses.update(one.losses)
    return made


def _open(place: Place, found: Found, some: dict[Way, Reached], is_inner: IsInner) -> dict[Way, Reached]:
    """Of ways by which whoever comes is let in, those that may be a stranger's; none where that can't be told."""
    open_ = {way[0] for way in some}
    closed = {way[0] for way in found.ways} - open_
    if not closed:
        return some
    if closed - {OTHER}:
        return {}
    return {way: one for way, one in some.items() if not is_inner(place, way)}


def _within(ways: dict[Way, Reached], spans: Spans) -> list[Part]:
    return [
        replace(part, spans=inside)
        for one in ways.values()
        for part in one.parts
        if (inside := both(part.spans, spans))
    ]


def _remarks(some: dict[Way, Reached], counting: dict[Way, Reached], version: int) -> list[str]:
    """How ways that differ were read."""
    by_set: dict[tuple[bool, Spans], list[str]] = {}
    for way, one in some.items():
        by_set.setdefault((way in counting, one.sure), []).append(_way(way, version))
    if len(by_set) < 2 and counting:
        return []
    said = []
    for (counts, spans), ways in by_set.items():
        by = " or ".join(list(dict.fromkeys(ways))[:4]) + (" or more" if len(ways) > 4 else "")
        if not counts:
            said.append(f"whoever comes by {by} is let in; no rule tells these addresses: list them")
        elif is_wide(spans, version):
            said.append(f"by {by} more are let in than by others; those that all let in are taken")
        else:
            said.append(f"some addresses are let in by {by} only; a policy asks for no interface")
    return said


def _way(way: Way, version: int) -> str:
    incoming, outgoing, asked = way
    to = f" to {way_text(outgoing)}" if outgoing else ""
    return way_text(incoming) + to + (f" for {address_text(version, asked)}" if asked is not None else "")


def with_loopback(made: Access, found: Found, version: int) -> None:
    """What runs on the machine itself comes by loopback addresses, and they by nothing else."""
    own = LOOPBACKS[version]
    through = found.loopback.parts if found.loopback is not None else []
    inside = [replace(part, spans=spans) for part in through if (spans := both(part.spans, own))]
    if both(own, union(*(part.spans for part in inside))) == both(own, made.spans):
        return
    kept = [replace(part, spans=left) for part in made.parts if (left := without(part.spans, own))]
    made.parts = kept + inside


def chosen(all_: dict[Place, Found], is_inner: IsInner) -> tuple[list[Access], list[Access], list[Access]]:
    """The places that make virtual servers, the first for port 25 "default"; those set aside; and all of them."""
    every = [access(place, found, is_inner) for place, found in all_.items()]
    some = sorted((one for one in every if one.parts and not _beside(one, every)), key=_rank)
    taken: list[Access] = []
    aside: list[Access] = []
    for one in some:
        if any(_covered(one, other) for other in taken):
            continue
        narrow_there = bool(taken) and not is_wide(taken[0].spans, taken[0].place.version)
        if taken and (is_wide(one.spans, one.place.version) or not narrow_there):
            aside.append(one)
        else:
            taken.append(one)
    if not taken:  # nobody from outside; what runs on the machine itself may still be let in
        elsewhere = any(one.place.meant and not one.place.here for one in every)
        taken += [one for one in every if one.place.here and not one.place.translated][: 0 if elsewhere else 1]
    for one in taken:
        if one.place.here:
            with_loopback(one, all_[one.place], one.place.version)
    return taken, aside, every


def _rank(one: Access) -> tuple[bool, int, int]:
    """Narrow before wide; then what rules lead to, what they let in to by name, and all other servers."""
    place = one.place
    by_name = 0 if place.translated else 1 if place.meant else 2 if place.server is None else 3
    return is_wide(one.spans, place.version), by_name, 0 if place.here else 1


def _beside(one: Access, every: list[Access]) -> bool:
    """True for any other server, open to whoever comes, where rules name the one that is meant."""
    meant = any(other.place.meant and other.place.here == one.place.here for other in every)
    return meant and not one.place.meant and not one.place.translated and is_wide(one.spans, one.place.version)


def _covered(one: Access, other: Access) -> bool:
    """True where the place says nothing that the other does not."""
    if one.spans == other.spans:
        return True
    return not one.place.meant and both(one.spans, other.spans) == one.spans
