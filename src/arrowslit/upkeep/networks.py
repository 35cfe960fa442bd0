"""The duty that asks the sources of living networks when they are due, and brings what comes of it into the store.

Due: what the store has nothing for, what the policy asks otherwise than before, a file that has changed, and else
after `refresh_every`, or sooner where DNS says that its answer holds for less. Every node does that; what another one
has written meanwhile is looked at again. Failures and held changes are alarms, and keep what was there.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from arrowslit.networks.ask import described
from arrowslit.networks.found import Answer, Failed
from arrowslit.networks.guards import next_removal, to_json
from arrowslit.networks.resolver import Resolver
from arrowslit.policy.model import Policy
from arrowslit.policy.parts import Network
from arrowslit.store.database import Database
from arrowslit.store.errors import ChangedByOthersError, StoreError
from arrowslit.store.values import Head, NetworkState
from arrowslit.upkeep.channel import Channel
from arrowslit.upkeep.living import Refreshed, ask_all, contents_of, judged, living, policy_of, rules_of, write

_TURN: Final = 1.0
_SOONEST: Final = 300.0
"""However short an answer of DNS holds."""

_AGAIN: Final = 300.0
"""After a failure."""

_JITTER: Final = 0.1


@dataclass(slots=True)
class _Known:
    """What this process knows of one network."""

    due: float = 0.0
    described: str = ""
    file: tuple[int, int] | None = None


@dataclass(slots=True)
class NetworkKeeper:
    """One node's look at the sources. `servers` are those of DNS, `base` is what files are relative to."""

    database: Database
    channel: Channel
    servers: tuple[str, ...]
    base: Path
    clock: Callable[[], float] = time.time
    _policy: tuple[int, Policy | None] = (0, None)
    _known: dict[str, _Known] = field(default_factory=dict)
    _asked: set[str | None] = field(default_factory=set)

    def refresh(self, name: str | None) -> None:
        """Ask this one's sources at the next turn; None: those of all."""
        self._asked.add(name)

    def turn(self) -> float:
        """Ask who is due; seconds until the next turn. That the store is away is told by who follows the head."""
        try:
            self._turn()
        except (StoreError, ChangedByOthersError):
            return _TURN * 5
        return _TURN

    def _turn(self) -> None:
        head = self.database.revisions.head()
        if head is None:
            return
        policy = self._policy_of(head)
        networks = {} if policy is None else living(policy)
        asked = frozenset(self._asked)
        due = {name: network for name, network in networks.items() if self._is_due(name, network)}
        self._asked -= asked  # what is asked from now on is asked once more
        for name in set(self._known) - networks.keys():
            del self._known[name]
        if policy is not None and due:
            self._refresh(head, policy, due)

    def _policy_of(self, head: Head) -> Policy | None:
        if self._policy[0] != head.revision:
            revision = self.database.revisions.get(head.revision)
            self._policy = head.revision, None if revision is None else policy_of(revision.text)
        return self._policy[1]

    def _is_due(self, name: str, network: Network) -> bool:
        known = self._known.get(name)
        file = _stamp(self.base / network.file) if network.file else None
        if known is None or known.described != described(network):
            self._known[name] = _Known(self._first(name, network), described(network), file)
        elif known.file != file:
            known.file, known.due = file, 0.0
        return name in self._asked or None in self._asked or self.clock() >= self._known[name].due

    def _first(self, name: str, network: Network) -> float:
        """When this process looks for the first time: at once, unless the store has what was well found lately."""
        state = self.database.networks.states().get(name)
        found = contents_of(state)
        well = not any(source.problem for source in found.sources.values())
        fresh = well and found.described == described(network)
        return state.at + network.refresh_every if state is not None and fresh and not network.file else 0.0

    def _refresh(self, head: Head, policy: Policy, due: Mapping[str, Network]) -> None:
        answers = asyncio.run(ask_all(due, Resolver(self.servers), self.base))
        now = self.clock()
        made = judged(policy, due, answers, self.database.networks.states(), now)
        write(self.database, head, made, now)
        for one in made:
            self._known[one.network.name].due = _due(one, answers[one.network.name], now)
            self._tell(one)

    def _tell(self, one: Refreshed) -> None:
        name, state = one.network.name, one.outcome.contents
        problems = [f"{source}: {what.problem}" for source, what in state.sources.items() if what.problem]
        if problems:
            self.channel.alarm("network-failed", f"network {name}: {'; '.join(problems)}", name)
        else:
            self.channel.over("network-failed", name)
        if state.held_because:
            text = f"network {name}: {state.held_because}; see: arrowslit network list; arrowslit network accept {name}"
            self.channel.alarm("network-held", text, name)
        else:
            self.channel.over("network-held", name)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _due(made: Refreshed, answers: Mapping[str, Answer], now: float) -> float:
    """When to ask again: what leaves goes when its grace time ends, not at some later refresh."""
    wait = now + _wait(made.network, answers)
    removal = next_removal(made.outcome.contents, rules_of(made.network), now)
    return wait if removal is None else min(wait, removal)


def _wait(network: Network, answers: Mapping[str, Answer]) -> float:
    if any(isinstance(answer, Failed) for answer in answers.values()):
        return min(_AGAIN, network.refresh_every)
    holds = [answer.seconds for answer in answers.values() if not isinstance(answer, Failed) and answer.seconds]
    wait = min([network.refresh_every, *(max(one, _SOONEST) for one in holds)])
    return wait * random.uniform(1 - _JITTER, 1)  # noqa: S311  so that nodes do not ask all at once


def states_of(made: list[Refreshed], now: float, states: Mapping[str, NetworkState]) -> dict[str, NetworkState]:
    """The states as they would be with what was made, for whoever judges before he writes."""
    new = {
        one.network.name: NetworkState(
            one.network.name, to_json(one.outcome.contents), bool(one.outcome.contents.held_because), now
        )
        for one in made
    }
    return {**states, **new}
