"""Neutral rules: what a virtual server's policy comes to for places that know clients by their address.

Terms: a *source* is one entry of a list that is made of addresses, with the id of the rule it comes from and the
addresses that count as its own: where entries overlap, each address belongs to one source alone, and to one that does
not demand TLS where there is one, so that texts made from sources never say an address twice. An entry by name or by
certificate is *not of addresses* and stays apart. `permitted` is what a list comes to; an empty set is nobody, in
either family, and never everybody.

Never a look-up, never a clock: entries that have expired on the given date are not in here.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from arrowslit.mail.address_range import address_set, parse_range
from arrowslit.mail.address_set import EMPTY, AddressSet
from arrowslit.policy.compiled import CONNECTION, DELIVERY, RELAY
from arrowslit.policy.model import Policy
from arrowslit.policy.parts import (
    EVERYBODY_LISTED,
    OBSERVE,
    ONLY_LISTED,
    AcceptedDomain,
    AccessList,
    Entry,
    Network,
    NextHop,
    VirtualServer,
)
from arrowslit.targets.attribution import attributed

_NOT_OF_ADDRESSES: Final = frozenset({"domain", "certificate"})

EVERYBODY: Final = AddressSet.from_pairs([(0, 2**32 - 1)], [(0, 2**128 - 1)])


@dataclass(frozen=True, slots=True)
class Source:
    """One entry of addresses, with those that are its own."""

    rule: str
    entry: Entry
    addresses: AddressSet
    description: str = ""

    @property
    def says(self) -> str:
        """What the policy says of it in words: the entry's note, else its network's description."""
        return self.entry.note or self.description


@dataclass(frozen=True, slots=True)
class NotOfAddresses:
    """One entry by domain name or by certificate."""

    rule: str
    entry: Entry


@dataclass(frozen=True)
class Access:
    """One list: its rule id without the entry, its mode, and its entries in their order."""

    rule: str
    mode: str = ONLY_LISTED
    sources: tuple[Source, ...] = ()
    others: tuple[NotOfAddresses, ...] = ()

    @property
    def only_listed(self) -> bool:
        """True where the list says who may, False where it says who may not."""
        return self.mode == ONLY_LISTED

    @property
    def everybody(self) -> bool:
        """True where nobody is refused."""
        return not self.only_listed and not self.sources and not self.others

    @cached_property
    def listed(self) -> AddressSet:
        """The addresses of all sources."""
        return EMPTY.union(*(source.addresses for source in self.sources))

    @cached_property
    def permitted(self) -> AddressSet:
        """Those who may, by their address."""
        return self.listed if self.only_listed else EVERYBODY.subtract(self.listed)


@dataclass(frozen=True)
class Rules:
    """All that an enforcement point can be told of one virtual server, as of `date`.

    `deliver_to` has the accepted domains with a list of their own. `valid_until` is the first of the last days (UTC) of
    its entries: after it the text lets somebody in whom the policy does not. `follows` are its networks with sources
    that a text can't follow. `named` says which policy it is, for what is shown to people; anything may stand in it.
    """

    server: VirtualServer
    date: datetime.date
    connect: Access
    deliver: Access
    relay: Access
    deliver_to: Mapping[str, Access] = field(default_factory=dict)
    accepted: tuple[AcceptedDomain, ...] = ()
    next_hops: Mapping[str, NextHop] = field(default_factory=dict)
    valid_until: datetime.date | None = None
    follows: tuple[str, ...] = ()
    named: str = ""

    @property
    def observes(self) -> bool:
        """True where nobody is to be refused yet for connecting or delivering, only counted."""
        return self.server.mode == OBSERVE

    @property
    def delivers_by_default(self) -> bool:
        """True where whoever may connect may deliver, to every accepted domain."""
        return self.deliver.everybody and not self.deliver_to


def rules_of(policy: Policy, server: str, date: datetime.date) -> Rules:
    """The rules of a virtual server on a day (UTC). Raises KeyError for one that the policy does not have."""
    found = policy.virtual_servers[server]
    make = _Maker(policy.networks, date)
    connect = make.access(f"{server}/{CONNECTION}", found.connection_control)
    own = {one.name: one.delivery for one in policy.accepted_domains.values() if one.delivery is not None}
    return Rules(
        found,
        date,
        connect,
        make.access(f"{server}/{DELIVERY}", found.delivery),
        make.access(f"{server}/{RELAY}", found.relay_restrictions),
        {name: make.access(f"{DELIVERY}@{name}", access) for name, access in own.items()},
        tuple(policy.accepted_domains.values()),
        policy.next_hops,
        min(make.last_days, default=None),
        tuple(dict.fromkeys(make.follows)),
    )


NOBODY: Final = Access("")
EVERYBODY_MAY: Final = Access("", EVERYBODY_LISTED.mode)


class _Maker:
    """Makes lists, and gathers what is true of all of them."""

    def __init__(self, networks: Mapping[str, Network], date: datetime.date) -> None:
        self._networks, self._date = networks, date
        self.last_days: list[datetime.date] = []
        self.follows: list[str] = []

    def access(self, rule: str, access: AccessList) -> Access:
        entries = [entry for entry in access.entries if entry.expires is None or entry.expires >= self._date]
        self.last_days += [entry.expires for entry in entries if entry.expires is not None]
        rule = f"{rule}/{access.mode}"
        plain = [entry for entry in entries if entry.kind not in _NOT_OF_ADDRESSES]
        others = [NotOfAddresses(f"{rule}/{one.rule}", one) for one in entries if one.kind in _NOT_OF_ADDRESSES]
        return Access(rule, access.mode, tuple(self._sources(rule, plain)), tuple(others))

    def _sources(self, rule: str, entries: list[Entry]) -> list[Source]:
        # Whom one entry lets in without TLS needs none, whatever another entry demands.
        order = sorted(range(len(entries)), key=lambda number: entries[number].require_tls)
        own = attributed([self._addresses(entries[number]) for number in order])
        found = dict(zip(order, own, strict=True))
        return [
            Source(f"{rule}/{entry.rule}", entry, found[number], self._description(entry))
            for number, entry in enumerate(entries)
        ]

    def _addresses(self, entry: Entry) -> AddressSet:
        if entry.kind != "network":
            return address_set([parse_range(entry.value)])
        network = self._networks[entry.value]
        if network.service or network.names or network.spf or network.file or network.url:
            self.follows.append(network.name)
        return network.addresses

    def _description(self, entry: Entry) -> str:
        return self._networks[entry.value].description if entry.kind == "network" else ""


def server_of(policy: Policy, name: str) -> VirtualServer | None:
    """The virtual server of that name, or None."""
    return policy.virtual_servers.get(name)
