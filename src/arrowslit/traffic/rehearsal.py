"""What a policy would have said to traffic of the past: compared with what was said then, client by client.

Terms: *newly refused* was let in then and would not be; *newly permitted* was refused for who it was, and would be let
in; *cannot tell* depends on facts that the log does not tell, which are named; *observed* would be let in only because
the mode is `observe`. A refusal of that time for another reason (spam, an unknown mailbox) is no matter of the policy:
it stays refused. `policy.decide` answers, through `policy.possible`; nothing here judges.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from arrowslit.mail.mailbox import Mailbox
from arrowslit.policy.decision import Decision
from arrowslit.policy.model import Policy, VirtualServer
from arrowslit.policy.possible import Possibilities
from arrowslit.traffic.attempt import NOT_TOLD, PERMITTED, REFUSED_OTHERWISE, REFUSED_UNSAID, Attempt
from arrowslit.traffic.clients import Client, client
from arrowslit.traffic.facts import client_of, facts_of
from arrowslit.traffic.services import Services

NEWLY_REFUSED: Final = "newly_refused"
NEWLY_PERMITTED: Final = "newly_permitted"
CANNOT_TELL: Final = "cannot_tell"
OBSERVED: Final = "observed"
GROUPS: Final = (NEWLY_REFUSED, NEWLY_PERMITTED, CANNOT_TELL, OBSERVED)

OUTCOME: Final = "outcome"
"""The missing fact where the log does not tell what became of an attempt that the policy would refuse."""
REASON: Final = "reason"
"""The missing fact where the log does not tell why an attempt was refused that the policy would let in."""
_UNSAID: Final = {NOT_TOLD: (OUTCOME,), REFUSED_UNSAID: (REASON,)}
NO_SERVER: Final = "no-such-virtual-server"
"""The reason where the record names a virtual server that the policy has not."""
CLIENTS: Final = 10_000
_REMEMBERED: Final = 100_000
_SHORT: Final = 400


@dataclass(slots=True)
class Rehearsal:
    """The result so far. Times are Unix seconds; the groups hold clients by address."""

    attempts: int = 0
    messages: int = 0
    first: float | None = None
    last: float | None = None
    unchanged: int = 0
    not_judged: int = 0
    """Attempts whose addresses are none, so that nobody could have decided on them."""
    newly_refused: dict[str, Client] = field(default_factory=dict)
    newly_permitted: dict[str, Client] = field(default_factory=dict)
    cannot_tell: dict[str, Client] = field(default_factory=dict)
    observed: dict[str, Client] = field(default_factory=dict)

    def group(self, name: str) -> dict[str, Client]:
        """The clients of one of GROUPS."""
        found: dict[str, Client] = getattr(self, name)
        return found

    def counted(self, name: str) -> int:
        """The attempts of one of GROUPS."""
        return sum(client.attempts for client in self.group(name).values())

    def to_json(self) -> dict[str, Any]:
        """All of it, to be saved."""
        counts = {name: getattr(self, name) for name in _COUNTS}
        return counts | {name: [one.to_json() for one in self.group(name).values()] for name in GROUPS}

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> Rehearsal:
        """What `to_json` gave. Raises KeyError and TypeError for anything else."""
        made: dict[str, Any] = {name: saved[name] for name in _COUNTS}
        made |= {name: {one["address"]: Client(**one) for one in saved[name]} for name in GROUPS}
        return cls(**made)


_COUNTS: Final = ("attempts", "messages", "first", "last", "unchanged", "not_judged")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the policy says to one kind of attempt. `permitted` is None where it cannot be told."""

    permitted: bool | None
    reason: str = ""
    missing: tuple[str, ...] = ()
    would_be: bool = False
    relayed: bool = False
    judged: bool = True


class Rehearsing:
    """Takes attempts one after the other; `result` may be read at any time."""

    def __init__(self, policy: Policy, date: datetime.date, services: Services | None = None) -> None:
        self._policy, self._date = policy, date
        self._services = services or Services(policy)
        self._possibilities = Possibilities(policy)
        self._known: dict[tuple[Any, ...], Answer] = {}
        servers = policy.virtual_servers.values()
        self._sizes = any(server.message_bytes is not None for server in servers)
        self._reverse_paths = any(_looks_at_reverse_path(server) for server in servers)
        exceptions = (one for server in servers for one in server.recipient_exceptions)
        self._exceptions = frozenset(one.rpartition("@")[0].lower() for one in exceptions)
        self.result = Rehearsal()

    def take(self, attempts: Iterable[Attempt]) -> None:
        """Compare these."""
        for attempt in attempts:
            self._one(attempt)

    def answer(self, attempt: Attempt) -> Answer:
        """What the policy says to `attempt`; those that differ only in what it does not look at are asked once."""
        path = attempt.forward_path
        key = (
            attempt.service,
            attempt.client_address,
            attempt.client_name,
            attempt.tls,
            attempt.certificate,
            attempt.certificate_names,
            attempt.authenticated_as,
            attempt.reverse_path if self._reverse_paths else attempt.reverse_path is not None,
            None if path is None else self._looked_at(path),
            attempt.message_bytes if self._sizes else None,
        )
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._ask(attempt)
            if _is_short(key):
                self._known[key] = known
        return known

    def _looked_at(self, path: str) -> str:
        """The domain alone (with its @), where the local part makes no difference."""
        local, at, domain = path.rpartition("@")
        plain = at and local.isascii() and local.replace(".", "").replace("-", "").replace("_", "").isalnum()
        return at + domain if plain and local.lower() not in self._exceptions else path

    def _one(self, attempt: Attempt) -> None:
        result = self.result
        result.attempts += attempt.repeats
        result.messages += attempt.repeats * attempt.first
        result.first = attempt.time if result.first is None else min(result.first, attempt.time)
        result.last = attempt.time if result.last is None else max(result.last, attempt.time)
        answer = self.answer(attempt)
        if answer.permitted and _lacks_recipient(attempt):
            answer = replace(answer, permitted=None, missing=("forward_path",))
        group = _group(attempt.told, answer) if answer.judged else None
        if group is None:
            result.unchanged += attempt.repeats if answer.judged else 0
            result.not_judged += 0 if answer.judged else attempt.repeats
            return
        missing = answer.missing or _UNSAID.get(attempt.told, ())
        found = client(result.group(group), client_of(attempt), CLIENTS)
        found.take(attempt, answer.reason, missing, relayed=answer.relayed)

    def _ask(self, attempt: Attempt) -> Answer:
        who = attempt.authenticated_as
        servers = self._services.virtual_servers(attempt.service, None if who is None else bool(who))
        answers = [self._ask_one(attempt, server) for server in servers]
        first = answers[0]
        if any(one.permitted is not first.permitted for one in answers[1:]):
            missing = dict.fromkeys(["virtual_server", *(fact for one in answers for fact in one.missing)])
            return Answer(None, first.reason, tuple(missing), relayed=first.relayed)
        return first

    def _ask_one(self, attempt: Attempt, server: str) -> Answer:
        try:
            facts = facts_of(attempt, server, self._date)
        except ValueError:
            return Answer(None, judged=False)
        if server not in self._policy.virtual_servers:
            return Answer(False, NO_SERVER)
        to_recipient = attempt.forward_path is not None
        to_mail = attempt.reverse_path is not None
        found = self._possibilities.of(facts, to_recipient=to_recipient, to_mail=to_mail)
        path = facts.forward_path
        relayed = isinstance(path, Mailbox) and self._policy.accepted_domain(path.domain) is None
        decision = found.refusing or found.observing or found.permitting
        if not found.certain or decision is None:
            return Answer(None, "" if decision is None else decision.reason, found.missing, relayed=relayed)
        return Answer(decision.permitted, _reason(decision), (), decision.would_be is not None, relayed)


def _is_short(key: tuple[Any, ...]) -> bool:
    """True where it may be remembered: strangers write parts of it."""
    texts = [one for part in key for one in (part if isinstance(part, tuple) else (part,)) if isinstance(one, str)]
    return sum(map(len, texts)) <= _SHORT


def _lacks_recipient(attempt: Attempt) -> bool:
    """True where a message was let in, and the log does not tell to whom."""
    return attempt.forward_path is None and attempt.reverse_path is not None and attempt.told == PERMITTED


def _looks_at_reverse_path(server: VirtualServer) -> bool:
    own = server.authentication is not None and server.authentication.sender_addresses == "own"
    return own or server.own_domains_from_outside == "reject"


def _reason(decision: Decision) -> str:
    return decision.reason if decision.would_be is None else decision.would_be.reason


def _group(told: str, answer: Answer) -> str | None:
    """The group that an attempt falls in; None where nothing changes."""
    if told == REFUSED_OTHERWISE:
        return None
    if answer.permitted is None:
        return CANNOT_TELL
    if answer.would_be and told in {PERMITTED, NOT_TOLD}:
        return OBSERVED
    if told in _UNSAID:
        return None if answer.permitted is (told == NOT_TOLD) else CANNOT_TELL
    if answer.permitted is (told == PERMITTED):
        return None
    return NEWLY_PERMITTED if answer.permitted else NEWLY_REFUSED
