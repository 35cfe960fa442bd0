"""One enforcement point for one device: what we keep there has one name, whatever interface or ports it is for.

Two points would each take the other's lists and rules for their own, and call them drift. A device that is named by its
address in one place and by a name in another can't be told here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from arrowslit.documents.reader import Reader
from arrowslit.documents.settings import EnforcementPoint
from arrowslit.policy.tree import Table

_OVER_AN_API: Final = frozenset({"opnsense", "mikrotik"})
_PORTS: Final = {"https": 443, "http": 80}


def check_devices(reader: Reader, points: Mapping[str, EnforcementPoint], table: Table) -> None:
    """A fault for each point whose device has one already. `table` is what `points` were read from."""
    seen: dict[tuple[str, ...], str] = {}
    for name, point in points.items():
        device = _device(point)
        if not device:
            continue
        first = seen.setdefault(device, name)
        inner = table.items[name].value.data
        if first != name and isinstance(inner, Table):
            word = "group" if point.target == "aws" else "url"
            message = f"two enforcement points for one device: {first} and {name}"
            help = "give one of them all the ports, and take the other away: what is ours there has one name"
            span = inner.items[word].value.span
            reader.fault(
                "duplicate-device", f"enforcement_points.{name}.{word}", span, message, "has one further up", help
            )


def _device(point: EnforcementPoint) -> tuple[str, ...]:
    """What tells a device from others; empty where it is not reached from here."""
    if point.target == "aws" and point.group:
        return ("aws", point.region, point.group)
    if point.target not in _OVER_AN_API or not point.url:
        return ()
    parts = urlsplit(point.url)
    return ("api", (parts.hostname or "").rstrip("."), str(parts.port or _PORTS.get(parts.scheme, 0)))
