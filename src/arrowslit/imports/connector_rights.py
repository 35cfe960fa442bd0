"""What the receive connectors of one listener come to, as sets of addresses: who may what without a name of his own.

The model of the source: an address belongs to the connector with the most specific remote range, and has what that
one gives. From it come the lists, and apart from them the expectations. Terms: *outer secured* is ExternalAuthoritative
with ExchangeServers, which trusts whoever it takes with everything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from arrowslit.imports.as_entries import both
from arrowslit.imports.exchange_values import ANONYMOUS, BASIC, BASIC_IN_TLS, EXTERNAL, INTEGRATED, SERVERS, USERS
from arrowslit.imports.most_specific import Claims, claims
from arrowslit.imports.receive_connector import Connector
from arrowslit.imports.relay_rights import ANY_RECIPIENT, BYPASS_ANTI_SPAM, Rights
from arrowslit.mail.address_set import EMPTY, AddressSet


@dataclass(frozen=True, slots=True)
class Grants:
    """Who may deliver, who may relay, who is offered to sign in, who has to speak TLS, who is not checked."""

    deliver: AddressSet = EMPTY
    relay: AddressSet = EMPTY
    sign_in: AddressSet = EMPTY
    tls: AddressSet = EMPTY
    unchecked: AddressSet = EMPTY

    def narrower(self, other: Grants) -> Grants:
        """What both readings give."""
        return Grants(
            both(self.deliver, other.deliver),
            both(self.relay, other.relay),
            both(self.sign_in, other.sign_in),
            self.tls.union(other.tls),
            both(self.unchecked, other.unchecked),
        )


def secured_outside(one: Connector) -> bool:
    """True where whoever it takes is trusted like a server of one's own."""
    return one.takes(EXTERNAL) and one.holds(SERVERS)


def delivers(one: Connector) -> bool:
    """True where whoever it takes may write to accepted domains."""
    return one.holds(ANONYMOUS) or secured_outside(one)


def relays(one: Connector, rights: Rights) -> bool | None:
    """Whether whoever it takes may relay; None where that is unknown."""
    if secured_outside(one):
        return True
    return rights.anonymous(ANY_RECIPIENT) if one.holds(ANONYMOUS) else False


def signs_in(one: Connector) -> bool:
    """True where people may sign in, and then relay."""
    return one.holds(USERS) and one.takes(INTEGRATED | BASIC | BASIC_IN_TLS)


def claimed(connectors: Sequence[Connector], versions: Mapping[int, frozenset[int]]) -> Claims:
    """Which addresses each connector has; `versions` are the families in which it listens, by its number."""
    return claims(
        (range_, number)
        for number, one in enumerate(connectors)
        for range_ in one.ranges
        if range_.first.version in versions[number]
    )


def grants_of(connectors: Sequence[Connector], rights: Mapping[str, Rights], owned: Claims) -> Grants:
    """The grants, from what each connector has and gives."""

    def of(*numbers: int) -> AddressSet:
        return EMPTY.union(*(owned.owned(number) for number in numbers))

    each = list(enumerate(connectors))
    return Grants(
        of(*(n for n, one in each if delivers(one))),
        of(*(n for n, one in each if relays(one, rights[one.identity]) is True)),
        of(*(n for n, one in each if signs_in(one))),
        of(*(n for n, one in each if one.require_tls)),
        of(*(n for n, one in each if delivers(one) and _unchecked(one, rights[one.identity]))),
    )


def _unchecked(one: Connector, rights: Rights) -> bool:
    return secured_outside(one) or rights.anonymous(BYPASS_ANTI_SPAM) is True
