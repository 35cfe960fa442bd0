"""What it takes to compile a policy to each target: time and size for 10, 10,000 and 100,000 entries.

A tenth of the entries are IPv6, half of them single addresses, the others prefixes; each has a note. A target with a
limit of its own says so by a gap and is shown without figures there.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from arrowslit.policy.model import Policy
from arrowslit.policy.parts import AcceptedDomain, ConnectionControl, Entry, NextHop, NextHopAddress, VirtualServer
from arrowslit.targets.register import MODULES, target
from arrowslit.targets.target import Origin, Place, compiled

SIZES = (10, 10_000, 100_000)
_DATE = datetime.date(2026, 11, 25)
_PLACE = Place("", (25,), "wan0", (ip_address("192.168.0.5"), ip_address("2001:db8:5::5")))


@dataclass(frozen=True, slots=True)
class Compiling:
    """Seconds and octets; None where the target takes no list of that size."""

    seconds: float
    octets: int


def policy(entries: int) -> Policy:
    """A policy with so many entries on the list of those who may connect."""
    listed = tuple(map(_entry, range(entries)))
    hop = NextHop("inner", (NextHopAddress("smtp", "192.168.0.5", 25),))
    server = VirtualServer("default", connection_control=ConnectionControl(only_listed=listed))
    domains = {"example.org": AcceptedDomain("example.org", next_hop="inner")}
    return Policy(next_hops={"inner": hop}, accepted_domains=domains, virtual_servers={"default": server})


def _entry(number: int) -> Entry:
    note = f"entry {number}"
    if number % 10 == 9:
        return Entry("group", f"{IPv6Address((0x20010DB8 << 96) + (number << 64))}/64", note)
    base = int(IPv4Address("11.0.0.0")) + number * 512
    if number % 2:
        return Entry("group", f"{IPv4Address(base)}/24", note)
    return Entry("computer", str(IPv4Address(base + 1)), note)


def measure(say: Callable[[str], None]) -> dict[str, dict[int, Compiling | None]]:
    """By target and number of entries."""
    found: dict[str, dict[int, Compiling | None]] = {name: {} for name in MODULES}
    for size in SIZES:
        made = policy(size)
        for name in MODULES:
            found[name][size] = _one(name, made)
        say(f"compiled {len(MODULES)} targets with {size} entries")
    return found


def _one(name: str, made: Policy) -> Compiling | None:
    origin = Origin(made, "a measurement", "default", _DATE)
    began = time.perf_counter()
    text = compiled(target(name), origin, _PLACE)
    seconds = time.perf_counter() - began
    return None if any(gap.name == "too-many-ranges" for gap in text.gaps) else Compiling(seconds, len(text.text))
