"""The policy document as one value: who may connect, deliver, skip the checks and relay, and where mail goes.

A policy never changes; another revision is another value. Equal policies mean the same, wherever they were written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from arrowslit.mail.address_range import address_set, parse_range
from arrowslit.mail.address_set import AddressSet
from arrowslit.policy.compiled import CompiledPolicy
from arrowslit.policy.parts import (
    AcceptedDomain,
    AccessList,
    Authentication,
    ConnectionControl,
    Entry,
    Expectation,
    Ldap,
    Network,
    NextHop,
    NextHopAddress,
    RelayRestrictions,
    VirtualServer,
    Waiver,
)
from arrowslit.policy.tree import Span

__all__ = [
    "AcceptedDomain",
    "AccessList",
    "Authentication",
    "ConnectionControl",
    "Entry",
    "Expectation",
    "Ldap",
    "Network",
    "NextHop",
    "NextHopAddress",
    "Policy",
    "RelayRestrictions",
    "VirtualServer",
    "Waiver",
]


@dataclass(frozen=True)
class Policy:
    """One policy. `revision` and `generation` (of the networks, decisions 14) are named by every decision.

    `places` says where each setting stands in the document, by dotted key.
    """

    version: int = 1
    networks: dict[str, Network] = field(default_factory=dict)
    next_hops: dict[str, NextHop] = field(default_factory=dict)
    accepted_domains: dict[str, AcceptedDomain] = field(default_factory=dict)
    virtual_servers: dict[str, VirtualServer] = field(default_factory=dict)
    waivers: tuple[Waiver, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    revision: int = field(default=0, compare=False)
    generation: int = field(default=0, compare=False)
    places: Mapping[str, Span] = field(default_factory=dict, compare=False, repr=False)
    compiled: CompiledPolicy = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        made = CompiledPolicy(self.networks, self.next_hops, self.accepted_domains, self.virtual_servers)
        object.__setattr__(self, "compiled", made)

    def accepted_domain(self, domain: str) -> AcceptedDomain | None:
        """The accepted domain that `domain` (normal form) falls under, or None; costs one look-up a label."""
        return self.compiled.accepted(domain)

    def with_addresses(self, addresses: Mapping[str, AddressSet], generation: int) -> Policy:
        """This policy with the addresses of some networks replaced, as a refresh of networks makes it.

        What a network excepts is subtracted here. Raises KeyError for a network that the policy has not.
        """
        networks = dict(self.networks)
        for name, found in addresses.items():
            networks[name] = replace(networks[name], addresses=found.subtract(excepted(networks[name])))
        return replace(self, networks=networks, generation=generation)


def excepted(network: Network) -> AddressSet:
    """What `network` excepts, as a set."""
    return address_set(parse_range(text) for text in network.excepted)
