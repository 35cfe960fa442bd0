"""Expectations: statements that are true of the source, asked of its own model and not of what was made from it.

A stranger is an address for documentation (RFC 5737, RFC 3849) that the source does not list. What would be a statement
about an open relay is not made: no policy may say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from arrowslit.imports.imported import Expectation, Imported, Origin
from arrowslit.mail.address import IPAddress, parse_address
from arrowslit.mail.address_set import EMPTY, AddressSet

ELSEWHERE: Final = "somebody@elsewhere.invalid"
AT_MOST: Final = 30
"""Expectations of one virtual server: enough to hold it, few enough to read."""
_STRANGERS: Final = tuple(
    map(parse_address, ("198.51.100.77", "203.0.113.77", "192.0.2.77", "203.0.113.209", "2001:db8:ffff::77"))
)
_WIDEST_RELAY: Final = 1 << 16


@dataclass(slots=True)
class Stated:
    """Makes the expectations of one virtual server. `deliver`, `relay` and `sign_in` are the
    model's own sets."""

    found: Imported
    server: str
    deliver: AddressSet
    relay: AddressSet
    sign_in: AddressSet = EMPTY
    made: list[Expectation] = field(default_factory=list)

    def of(self, address: IPAddress, who: str, origin: Origin) -> None:
        """What is true of one client that does not sign in, in TLS."""
        if len(self.made) >= AT_MOST:
            return
        may = self.deliver.contains(address)
        self._say(f"{who} ({address}) {'may' if may else 'may not'} deliver", address, self._inside(), may, origin)
        relays = self.relay.contains(address)
        self._say(f"{who} ({address}) {'may' if relays else 'may not'} relay", address, ELSEWHERE, relays, origin)

    def of_a_stranger(self, listed: AddressSet, origin: Origin) -> None:
        """The same of the first stranger that is not listed."""
        for address in _STRANGERS:
            if not listed.contains(address):
                self.of(address, "a stranger", origin)
                return

    def done(self) -> None:
        """Puts them to what was found."""
        self.found.expectations += self.made

    def _inside(self) -> str:
        names = (one.name for one in self.found.accepted_domains if not one.name.startswith("*"))
        name = next(names, "")
        return f"postmaster@{name}" if name else ""

    def _say(self, that: str, address: IPAddress, to: str, may: bool, origin: Origin) -> None:
        if to == ELSEWHERE and may and self._open():
            return
        facts: tuple[tuple[str, str | bool], ...] = (("from", str(address)), ("tls", True))
        if to:
            facts = (*facts, ("mail_from", "somebody@sender.invalid"), ("to", to))
        elif not may and self.sign_in.contains(address):
            # Without a recipient the statement is about connecting, which whoever signs in may.
            return
        self.made.append(Expectation(that, "permit" if may else "reject", origin, facts, self.server))

    def _open(self) -> bool:
        """True where some range that may relay is wider than a relay list may hold."""
        return any(int(last) - int(first) >= _WIDEST_RELAY for first, last in self.relay.ranges())


def first_addresses(ranges: Iterable[tuple[IPAddress, IPAddress]]) -> Iterator[IPAddress]:
    """One address of each range that a client can have: the second where the first is the network's own."""
    for first, last in ranges:
        candidate = first if first == last else type(first)(int(first) + 1)
        if not (candidate.is_multicast or candidate.is_unspecified or candidate.is_loopback):
            yield candidate
