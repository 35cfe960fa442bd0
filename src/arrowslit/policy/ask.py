"""Walks a session's stages and asks `decide` at each: for expectations and explanations.

A fact that was not given is Unknown at first; where `decide` needs it, it is taken as absent and named, so that the
answer says what it rests on (policy-semantics, "Facts that are missing"). Never decides by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from arrowslit.mail.mailbox import NULL_REVERSE_PATH
from arrowslit.policy import reasons
from arrowslit.policy.decide import decide
from arrowslit.policy.decision import Decision, Stage
from arrowslit.policy.facts import Facts
from arrowslit.policy.model import Policy

ABSENT: Final[dict[str, Any]] = {
    "reverse_name": None,
    "client_name": None,
    "helo_name": None,
    "tls": False,
    "certificate": None,
    "authenticated_as": None,
    "own_addresses": None,
    "reverse_path": NULL_REVERSE_PATH,
    "recipient_listed": None,
}

_ABOUT_CONNECTING: Final = frozenset({reasons.NOT_CONNECT, reasons.ENTRY_NEEDS_TLS, reasons.NAME_UNAVAILABLE})


@dataclass(frozen=True, slots=True)
class Asked:
    """The decision that stands, those of the stages on the way, and the facts that were taken as absent."""

    decision: Decision
    stages: tuple[Decision, ...]
    rests_on: tuple[str, ...]


def ask(policy: Policy, facts: Facts, *, to_recipient: bool = True) -> Asked:
    """What a session with `facts` comes to: at the recipient, or only whether the client may connect.

    Raises KeyError for an unknown virtual server, and ValueError where client address or date are not given.
    """
    asking = _Asking(policy, facts)
    spliced = policy.virtual_servers[facts.virtual_server].forward is not None
    stages: list[Decision] = []
    for stage in (Stage.CONNECT, Stage.HELO, Stage.MAIL, Stage.RECIPIENT):
        stages.append(asking.decide(stage))
        if _ends(stages[-1], stage) or spliced or (not to_recipient and _connects(stages, stage)):
            break
    last = stages[-1]
    if not to_recipient and last.reason not in _ABOUT_CONNECTING and not last.permitted:
        # A demand of MAIL says nothing of connecting.
        last = stages[-2]
    return Asked(last, tuple(stages), tuple(asking.absent))


def _ends(decision: Decision, stage: Stage) -> bool:
    return not decision.permitted and decision.told_at <= stage


def _connects(stages: list[Decision], stage: Stage) -> bool:
    """True where nothing later can change the decision on connecting."""
    return stage is Stage.MAIL or stages[-1].reason != reasons.UNDECIDED_UNTIL_TLS


class _Asking:
    """The facts of one question, as they are filled up."""

    def __init__(self, policy: Policy, facts: Facts) -> None:
        self._policy = policy
        self._facts = facts
        self.absent: dict[str, None] = {}

    def decide(self, stage: Stage) -> Decision:
        answer = decide(self._policy, stage, self._facts)
        while not isinstance(answer, Decision):
            missing = sorted(answer.facts)
            if not ABSENT.keys() >= answer.facts:
                raise ValueError(f"not given: {', '.join(missing)}")
            self.absent.update(dict.fromkeys(missing))
            self._facts = replace(self._facts, **{name: ABSENT[name] for name in missing})
            answer = decide(self._policy, stage, self._facts)
        return answer
