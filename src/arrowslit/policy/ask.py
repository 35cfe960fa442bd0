"""Walks a session's stages and asks `decide` at each: for expectations, explanations and rehearsals.

A fact that was not given is Unknown at first; where `decide` needs it, `ask` takes it as absent and names it, so that
the answer says what it rests on (policy-semantics, "Facts that are missing"). `walk` leaves that to whoever asks.
Never decides by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from arrowslit.mail.mailbox import NULL_REVERSE_PATH
from arrowslit.policy import reasons
from arrowslit.policy.decide import decide
from arrowslit.policy.decision import Decision, Needs, Stage
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
_STAGES: Final = (Stage.CONNECT, Stage.HELO, Stage.MAIL, Stage.RECIPIENT)


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
    absent: dict[str, None] = {}
    while True:
        found = walk(policy, facts, to_recipient=to_recipient)
        if not isinstance(found, Needs):
            return Asked(found[0], found[1], tuple(absent))
        missing = sorted(found.facts)
        if not ABSENT.keys() >= found.facts:
            raise ValueError(f"not given: {', '.join(missing)}")
        absent.update(dict.fromkeys(missing))
        facts = replace(facts, **{name: ABSENT[name] for name in missing})


def walk(
    policy: Policy, facts: Facts, *, to_recipient: bool = True, to_mail: bool = False
) -> tuple[Decision, tuple[Decision, ...]] | Needs:
    """The decision that stands for `facts` and those of the stages on the way, or the facts that one of them needs.

    Without `to_recipient` it is only whether the client may connect, or with `to_mail` whether MAIL is taken. Raises
    KeyError for an unknown virtual server.
    """
    spliced = policy.virtual_servers[facts.virtual_server].forward is not None
    stages: list[Decision] = []
    for stage in _STAGES:
        answer = decide(policy, stage, facts)
        if isinstance(answer, Needs):
            return answer
        stages.append(answer)
        connects = stage is Stage.MAIL or (not to_mail and stages[-1].reason != reasons.UNDECIDED_UNTIL_TLS)
        if _ends(answer, stage) or spliced or (not to_recipient and connects):
            break
    last = stages[-1]
    if not to_recipient and not to_mail and last.reason not in _ABOUT_CONNECTING and not last.permitted:
        # A demand of MAIL says nothing of connecting.
        last = stages[-2]
    return last, tuple(stages)


def _ends(decision: Decision, stage: Stage) -> bool:
    return not decision.permitted and decision.told_at <= stage
