"""The catalogue of filtering services: how an MX name tells which one it is, and where that one delivers from.

The data is `filtering_services.toml` beside this module, with its sources and dates; only public text was read for it.
Terms: a *place* is one range, SPF name or host that a service delivers from; it *covers* "inbound" where its vendor
means it for delivery to customers, else "outbound" or nothing. An ended service is recognised and never proposed.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

_EVERYWHERE: Final = frozenset({"", "all", "worldwide"})
_CLUSTER: Final = "{cluster}"
_CLUSTER_IN_MX: Final = re.compile(r"(?:^|-)([0-9a-f]{8})\.")
_PER_CLUSTER: Final = "per cluster"


@dataclass(frozen=True, slots=True)
class Place:
    """`kind` is "range", "spf" or "host"; `source` where it was read; `confidence` "documented", "seen" or "memory"."""

    kind: str
    value: str
    region: str
    source: str
    confidence: str
    covers: str


@dataclass(frozen=True, slots=True)
class Service:
    """One service. `mx` are patterns for names of mail exchangers, `*` being one or more characters."""

    id: str
    name: str
    ended: bool
    mx: tuple[str, ...]
    mx_confidence: str
    regions: tuple[str, ...]
    places: tuple[Place, ...]
    certificate_names: tuple[str, ...]
    help: str
    notes: str

    def places_in(self, region: str) -> Iterator[Place]:
        """Where it delivers from in `region`; with "" everywhere. For a service with clusters that is the cluster."""
        for place in self.places:
            if _CLUSTER in place.value:
                if re.fullmatch(r"[0-9a-f]{8}", region):
                    value = place.value.replace(_CLUSTER, region)
                    yield Place(place.kind, value, region, place.source, place.confidence, place.covers)
            elif not region or place.region in _EVERYWHERE or place.region == region:
                yield place

    @property
    def by_cluster(self) -> bool:
        """True where the region is the customer's cluster, from the MX name."""
        return _PER_CLUSTER in self.regions


@dataclass(frozen=True, slots=True)
class Match:
    """The service behind an MX name; `region` where the name tells it, else ""."""

    service: Service
    pattern: str
    region: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All services by id."""

    services: Mapping[str, Service]
    wait_hours: int
    """How long to wait behind a change of the MX before locking."""
    checked: str

    def match(self, mx: str) -> Match | None:
        """The service that a mail exchanger's name belongs to: the longest pattern wins."""
        name = mx.lower().rstrip(".")
        best: Match | None = None
        for service in self.services.values():
            for pattern in service.mx:
                if _fits(pattern, name) and (best is None or len(pattern) > len(best.pattern)):
                    best = Match(service, pattern, _region(service, name))
        return best


@cache
def catalogue() -> Catalogue:
    """The one that ships with the product."""
    text = resources.files("arrowslit.networks").joinpath("filtering_services.toml").read_text("utf-8")
    return parse_catalogue(text)


def parse_catalogue(text: str) -> Catalogue:
    """A catalogue from its file. Raises ValueError or KeyError for a broken one."""
    read = tomllib.loads(text)
    services = [_service(one) for one in read["service"]]
    by_id = {one.id: one for one in services}
    if len(by_id) != len(services):
        raise ValueError("two services have the same id")
    return Catalogue(by_id, int(read["wait_after_mx_change_hours"]), str(read["checked"]))


def _service(read: Mapping[str, Any]) -> Service:
    places = [
        Place(one["kind"], one["value"], one["region"], one["source"], one["confidence"], one.get("covers", ""))
        for one in read["deliver_from"]
    ]
    return Service(
        id=read["id"],
        name=read["name"],
        ended=read["status"] == "ended",
        mx=tuple(read["mx"]),
        mx_confidence=read.get("mx_confidence", "memory"),
        regions=tuple(read["regions"]),
        places=tuple(places),
        certificate_names=tuple(read["certificate_names"]),
        help=read["help"],
        notes=read["notes"],
    )


def _fits(pattern: str, name: str) -> bool:
    parts = [re.escape(part) for part in pattern.lower().split("*")]
    return re.fullmatch(".+".join(parts), name) is not None


def _region(service: Service, name: str) -> str:
    if service.by_cluster:
        found = _CLUSTER_IN_MX.search(name)
        return found[1] if found else ""
    labels = re.split(r"[.-]", name)
    told = [
        region for region in service.regions if any(re.fullmatch(re.escape(region) + "[0-9]*", one) for one in labels)
    ]
    return told[0] if len(told) == 1 else ""
