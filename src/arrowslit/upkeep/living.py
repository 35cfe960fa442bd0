"""Living networks between the policy, their sources and the store.

Terms: a network *lives* where it has a source besides the addresses written in the policy; its *contents* are what the
sources gave, under the guards (`networks.guards`), as the store keeps them for all nodes. What decides is the
*effective* set: the pinned addresses and the contents, without the excepted ones. A refresh that would break an
expectation is held (decisions 14).
"""

from __future__ import annotations

import asyncio
import datetime
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from arrowslit.documents.packed import BIG, with_packed
from arrowslit.documents.toml import parse
from arrowslit.mail.address_range import address_set, parse_range
from arrowslit.mail.address_set import AddressSet
from arrowslit.networks.ask import ask, described, lives
from arrowslit.networks.found import Answer
from arrowslit.networks.guards import Contents, Outcome, Rules, from_json, hold, refreshed, to_json
from arrowslit.networks.resolver import Resolver
from arrowslit.policy import expectations
from arrowslit.policy.document import load_policy
from arrowslit.policy.model import Policy
from arrowslit.policy.parts import Network
from arrowslit.store.database import Database
from arrowslit.store.errors import ChangedByOthersError
from arrowslit.store.values import Head, NetworkChange, NetworkState


def policy_of(text: str) -> Policy | None:
    """The policy that a stored text says; None where it does not load."""
    return load_policy(parse(text, "policy"), sources_followed=True).policy


def living(policy: Policy) -> dict[str, Network]:
    """Its networks that live, by name."""
    return {name: network for name, network in policy.networks.items() if lives(network)}


def rules_of(network: Network) -> Rules:
    """The guards as its part of the policy has them."""
    return Rules(network.growth_held_above, network.removal_grace)


def contents_of(state: NetworkState | None) -> Contents:
    """What the store has; nothing where it has none, or none that can be read."""
    if state is None:
        return Contents()
    try:
        return from_json(state.contents)
    except ValueError:
        return Contents()


def effective(network: Network, accepted: AddressSet) -> AddressSet:
    """What decides."""
    pinned = address_set(parse_range(text) for text in network.pinned)
    excepted = address_set(parse_range(text) for text in network.excepted)
    return pinned.union(accepted).subtract(excepted)


def contents(text: str, states: Mapping[str, NetworkState]) -> dict[str, AddressSet]:
    """The effective sets of the networks in a policy's text that live, and of those that are big."""
    policy = policy_of(text)
    if policy is None:
        return {}
    found = {
        name: effective(network, contents_of(states.get(name)).accepted) for name, network in living(policy).items()
    }
    for name, network in policy.networks.items():
        if name not in found and len(network.addresses) >= BIG:
            found[name] = network.addresses
    return found


@dataclass(frozen=True, slots=True)
class Refreshed:
    """One network after a refresh."""

    network: Network
    before: Contents
    outcome: Outcome


async def ask_all(networks: Mapping[str, Network], resolver: Resolver, base: Path) -> dict[str, dict[str, Answer]]:
    """The answers of all sources of these networks."""
    answers = await asyncio.gather(*(ask(network, resolver, base) for network in networks.values()))
    return dict(zip(networks, answers, strict=True))


def judged(
    policy: Policy,
    networks: Mapping[str, Network],
    answers: Mapping[str, Mapping[str, Answer]],
    states: Mapping[str, NetworkState],
    now: float,
) -> list[Refreshed]:
    """What the answers come to, under the guards and the policy's expectations."""
    made = []
    for name, network in networks.items():
        before = contents_of(states.get(name))
        rules = rules_of(network)
        outcome = refreshed(before, described(network), answers[name], rules, now)
        made.append(Refreshed(network, before, outcome))
    broken = _broken(policy, states, made, now)
    if not broken:
        return made
    because = f"it would break the expectation {broken!r}"
    return [Refreshed(one.network, one.before, hold(one.before, one.outcome.contents, because, now)) for one in made]


def _broken(policy: Policy, states: Mapping[str, NetworkState], made: list[Refreshed], now: float) -> str:
    """The first expectation that held before and would not hold any more."""
    if not policy.expectations or not any(one.outcome.kind == "refresh" for one in made):
        return ""
    date = datetime.datetime.fromtimestamp(now, datetime.UTC).date()
    known = {
        name: effective(network, contents_of(states.get(name)).accepted) for name, network in living(policy).items()
    }
    then = known | {one.network.name: effective(one.network, one.outcome.contents.accepted) for one in made}
    kept = {result.expectation.that for result in expectations.check(with_packed(policy, known), date) if result.kept}
    after = expectations.check(with_packed(policy, then), date)
    return next((one.expectation.that for one in after if not one.kept and one.expectation.that in kept), "")


def write(database: Database, head: Head, made: list[Refreshed], now: float) -> Head:
    """Put what came out into the store. Raises ChangedByOthersError where another node was faster."""
    states = [
        NetworkState(one.network.name, to_json(one.outcome.contents), bool(one.outcome.contents.held_because), now)
        for one in made
        if one.outcome.contents != one.before
    ]
    bump = any(one.outcome.contents.accepted != one.before.accepted for one in made)
    generation = head.generation + bump
    changes = [
        NetworkChange(
            one.network.name,
            now,
            generation,
            one.outcome.kind,
            one.outcome.added,
            one.outcome.removed,
            one.outcome.because,
        )
        for one in made
        if one.outcome.kind
    ]
    if not states and not changes:
        return head
    return database.networks.write(states, changes, expected_generation=head.generation, bump=bump)


def asked_now(policy: Policy, servers: tuple[str, ...], base: Path) -> dict[str, AddressSet]:
    """The effective sets of its living networks as their sources say now; those that give nothing are left out."""
    networks = living(policy)
    if not networks:
        return {}
    answers = asyncio.run(ask_all(networks, Resolver(servers), base))
    made = judged(policy, networks, answers, {}, time.time())
    return {
        one.network.name: effective(one.network, one.outcome.contents.accepted)
        for one in made
        if len(one.outcome.contents.accepted)
    }


def first_look(database: Database, head: Head, servers: tuple[str, ...], base: Path) -> Head:
    """Ask the sources of networks that the store has nothing for yet, before the node opens. Raises StoreError."""
    revision = database.revisions.get(head.revision)
    policy = None if revision is None else policy_of(revision.text)
    if policy is None:
        return head
    states = database.networks.states()
    missing = {
        name: network
        for name, network in living(policy).items()
        if contents_of(states.get(name)).described != described(network)
    }
    if not missing:
        return head
    answers = asyncio.run(ask_all(missing, Resolver(servers), base))
    now = time.time()
    try:
        return write(database, head, judged(policy, missing, answers, states, now), now)
    except ChangedByOthersError as error:
        return error.head
