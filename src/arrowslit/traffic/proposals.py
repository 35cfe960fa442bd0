"""Entries to propose from a rehearsal: whom the policy would newly refuse, and what would let him in again.

Terms: a *proposal* is one entry for `arrowslit entry add`, with its evidence in the note. Spam that comes around the
filter is newly refused as well as a branch office is: so a proposal is only ever shown, in the order of how sure it is
that the mail is wanted, and an administrator decides. *Left* is whom no proposal is made for, and why: an entry would
let in others too (hidden clients, loopback), or no entry helps.

Several addresses of one /24 (or /64) with names of one domain, on several days, are one sender who changes addresses:
where a service of the catalogue holds them, its network is proposed in their place.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from arrowslit.mail.address import IPAddress, parse_address
from arrowslit.policy.model import Policy
from arrowslit.traffic.clients import Client
from arrowslit.traffic.hidden import carries_strangers, looks_like
from arrowslit.traffic.inventory_groups import domain_of_name
from arrowslit.traffic.origins import Place, is_inside, network_of
from arrowslit.traffic.own_domains import IsOurs, remembered
from arrowslit.traffic.proposal_grants import grants_for
from arrowslit.traffic.proposal_text import note_of
from arrowslit.traffic.rehearsal import Rehearsal

WARNING: Final = (
    "Whoever came around the filter with spam is in this list too: look at each before you add it. Nothing here is "
    "added by itself."
)


@dataclass(frozen=True, slots=True)
class Proposal:
    """One entry. `kind` is "computer" or "network"; `needs` are lines that the policy must have before.

    Times are Unix seconds; `seen_on` are the days since 1970 on which it came.
    """

    grant: str
    kind: str
    value: str
    note: str
    clients: tuple[str, ...]
    names: tuple[str, ...]
    messages: int
    recipients: int
    signed_in: int
    seen_on: frozenset[int]
    first: float
    last: float
    inside: bool
    doubts: tuple[str, ...] = ()
    needs: str = ""

    @property
    def days(self) -> int:
        """On how many days it was seen."""
        return len(self.seen_on)

    @property
    def sure(self) -> tuple[bool, bool, bool, int, int]:
        """How sure it is that it is wanted: the larger the surer. What a whole service may do is never sure."""
        return self.kind == "computer", self.inside, self.signed_in > 0, self.days, self.messages


@dataclass(frozen=True, slots=True)
class Left:
    """A client that nothing is proposed for."""

    client: str
    messages: int
    why: str


@dataclass(frozen=True, slots=True)
class Proposals:
    """The surest first; what was left, the most messages first."""

    proposed: tuple[Proposal, ...]
    left: tuple[Left, ...]


def proposals(
    rehearsal: Rehearsal,
    policy: Policy,
    *,
    server: str = "default",
    services: Sequence[Place] = (),
    hidden: Collection[str] = (),
) -> Proposals:
    """What to propose for the newly refused, for lists of the virtual server `server`.

    `services` are the catalogue's, each named by its id; `hidden` are addresses that are known to be hidden clients,
    besides those that look like it here.
    """
    is_ours = remembered(lambda domain: policy.accepted_domain(domain) is not None)
    made: list[Proposal] = []
    left: list[Left] = []
    for one in rehearsal.newly_refused.values():
        why = _never(one, hidden, is_ours)
        grants, cannot = ((), why) if why else grants_for(one, policy, server)
        if cannot:
            left.append(Left(one.address, one.messages, cannot))
        made += [_computer(one, grant) for grant in grants]
    made = _by_service(made, services, policy)
    return Proposals(
        tuple(sorted(sorted(made, key=lambda one: (one.value, one.grant)), key=lambda one: one.sure, reverse=True)),
        tuple(sorted(left, key=lambda one: (-one.messages, one.client))),
    )


def _never(one: Client, hidden: Collection[str], is_ours: IsOurs) -> str:
    """Why no rule may come from a client; "" where one may."""
    try:
        address = parse_address(one.address)
    except ValueError:
        return "more clients than can be told apart, or no address"
    if address.is_loopback:
        return f"{looks_like(one.address)}: an entry would let in whoever comes through it"
    if address.is_link_local or address.is_multicast or address.is_unspecified:
        return "such an address is no computer that could be told from others"
    writes_to_us = not one.to_domains or any(is_ours(domain) for domain in one.to_domains)
    looks_hidden = is_inside(address) and writes_to_us and one.signed_in < one.attempts
    if one.address in hidden or (looks_hidden and carries_strangers(one.from_domains, (), is_ours)):
        return f"strangers' mail comes from it ({looks_like(one.address)}): an entry would let in all of them"
    return ""


def _computer(one: Client, grant: str) -> Proposal:
    doubts = ["it signed in: let it use the submission service, then it needs no entry"] if one.signed_in else []
    if one.names and all(name.startswith('"') for name in one.names):
        doubts.append("nobody has confirmed its name")
    return _noted(
        Proposal(
            grant,
            "computer",
            str(parse_address(one.address)),
            "",
            (one.address,),
            tuple(one.names),
            one.messages,
            one.attempts,
            one.signed_in,
            frozenset(one.days),
            one.first,
            one.last,
            is_inside(parse_address(one.address)),
            tuple(doubts),
        )
    )


def _noted(one: Proposal) -> Proposal:
    return replace(one, note=note_of(one.messages, one.days, one.first, one.last, one.names, len(one.clients)))


def _by_service(made: Iterable[Proposal], services: Sequence[Place], policy: Policy) -> list[Proposal]:
    """The proposals, where those of a sender who changes addresses inside a service are one."""
    together: dict[tuple[str, str], list[Proposal]] = {}
    found: list[Proposal] = []
    for several in _same_sender(made):
        if len(several) == 1 or not _on_several_days(several):
            found += [_doubting(one, services) for one in several]
            continue
        service = _holder([parse_address(one.value) for one in several], services)
        if service:
            together.setdefault((several[0].grant, service), []).extend(several)
        else:
            found += [_changing(one, several) for one in several]
    return [*found, *(_network(grant, service, ones, policy) for (grant, service), ones in together.items())]


def _same_sender(made: Iterable[Proposal]) -> Iterator[list[Proposal]]:
    groups: dict[tuple[str, str, str], list[Proposal]] = {}
    for one in made:
        name = domain_of_name(one.names[0]) if one.names else one.value
        groups.setdefault((one.grant, network_of(parse_address(one.value)), name), []).append(one)
    yield from groups.values()


def _on_several_days(several: Sequence[Proposal]) -> bool:
    return len({day for one in several for day in one.seen_on}) > 1


def _holder(addresses: Sequence[IPAddress], services: Sequence[Place]) -> str:
    holding = (one.name for one in services if all(address in one.addresses for address in addresses))
    return next(holding, "")


def _doubting(one: Proposal, services: Sequence[Place]) -> Proposal:
    service = _holder([parse_address(one.value)], services)
    return replace(one, doubts=(*one.doubts, _everybody(service))) if service else one


def _changing(one: Proposal, several: Sequence[Proposal]) -> Proposal:
    network = network_of(parse_address(one.value))
    doubt = f"{len(several)} addresses of {network} have names of one domain: the next mail may come from another"
    return replace(one, doubts=(*one.doubts, doubt))


def _everybody(service: str) -> str:
    return f"it is of {service}: whoever else sends through that service may come around the filter the same way"


def _network(grant: str, service: str, ones: Sequence[Proposal], policy: Policy) -> Proposal:
    name = next((one.name for one in policy.networks.values() if one.service == service), "")
    needs = "" if name else f'[networks.{service}]\nservice = "{service}"'
    return _noted(
        Proposal(
            grant,
            "network",
            name or service,
            "",
            tuple(dict.fromkeys(client for one in ones for client in one.clients)),
            tuple(dict.fromkeys(name for one in ones for name in one.names))[:4],
            sum(one.messages for one in ones),
            sum(one.recipients for one in ones),
            sum(one.signed_in for one in ones),
            frozenset().union(*(one.seen_on for one in ones)),
            min(one.first for one in ones),
            max(one.last for one in ones),
            inside=False,
            doubts=(_everybody(service),),
            needs=needs,
        )
    )
