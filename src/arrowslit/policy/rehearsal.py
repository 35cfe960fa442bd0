"""What a policy would have said to mail that came before it: compared with what was said then.

Terms: a *case* is one message or refusal of the past as facts, with what was decided; equal ones are decided once. A
case *rests* on facts that the record does not tell (a name that nobody looked up): they are taken as absent, and
counted, since the truth may be otherwise. Never reads a record: `upkeep.replay` makes cases of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from arrowslit.policy.ask import ask
from arrowslit.policy.decision import Action
from arrowslit.policy.facts import Facts, Unknown
from arrowslit.policy.model import Policy

_CLIENTS = 10_000


@dataclass(frozen=True, slots=True)
class Case:
    """`permitted` is what was said then; `count` how often; `time` (Unix seconds) when it came last."""

    facts: Facts
    permitted: bool
    count: int
    time: float
    recipient: str = ""


@dataclass(slots=True)
class Difference:
    """One client that would hear something else: how often, why (the reason's name), and an example."""

    client: str
    count: int = 0
    reason: str = ""
    last: float = 0.0
    recipient: str = ""


@dataclass(slots=True)
class Rehearsal:
    """The result: how many messages were looked at, and the clients that are newly refused and newly permitted."""

    looked_at: int = 0
    uncertain: int = 0
    """How many rest on facts that were not recorded."""
    since: float | None = None
    """Unix seconds of the oldest one; None where there was none."""
    newly_refused: dict[str, Difference] = field(default_factory=dict)
    newly_permitted: dict[str, Difference] = field(default_factory=dict)

    @property
    def refused(self) -> int:
        """Messages that were let in and would be refused."""
        return sum(one.count for one in self.newly_refused.values())

    @property
    def permitted(self) -> int:
        """Messages that were refused and would be let in."""
        return sum(one.count for one in self.newly_permitted.values())


@dataclass(frozen=True, slots=True)
class _Said:
    permitted: bool
    reason: str
    uncertain: bool


class Rehearsing:
    """Takes cases one after the other; `result` may be read at any time."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._known: dict[tuple[Facts, bool], _Said] = {}
        self.result = Rehearsal()

    def take(self, cases: Iterable[Case]) -> None:
        """Compare these."""
        for case in cases:
            self._one(case)

    def _one(self, case: Case) -> None:
        result = self.result
        to_recipient = case.facts.forward_path is not Unknown.UNKNOWN
        said = self._known.get((case.facts, to_recipient))
        if said is None:
            said = self._known[case.facts, to_recipient] = self._ask(case.facts, to_recipient)
        result.looked_at += case.count
        result.uncertain += case.count if said.uncertain else 0
        result.since = case.time if result.since is None else min(result.since, case.time)
        if said.permitted != case.permitted:
            _count(result.newly_permitted if said.permitted else result.newly_refused, case, said.reason)

    def _ask(self, facts: Facts, to_recipient: bool) -> _Said:
        if facts.virtual_server not in self._policy.virtual_servers:
            return _Said(False, "no-such-virtual-server", False)
        asked = ask(self._policy, facts, to_recipient=to_recipient)
        decision = asked.decision
        return _Said(decision.action is Action.PERMIT, decision.reason, bool(asked.rests_on))


def _count(differences: dict[str, Difference], case: Case, reason: str) -> None:
    client = str(case.facts.client_address)
    one = differences.get(client)
    if one is None:
        if len(differences) >= _CLIENTS:
            client = "others"
        one = differences.setdefault(client, Difference(client))
    one.count += case.count
    if case.time >= one.last:
        one.last, one.reason, one.recipient = case.time, reason, case.recipient
