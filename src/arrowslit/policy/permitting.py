"""The permit of a recipient or a message, with what is then done: skip the checks, normalise line ends.

Part of `decide`.
"""

from __future__ import annotations

from functools import partial

from arrowslit.policy.case import FINAL, GRANT, NEEDS, PERMIT, Answer, Case
from arrowslit.policy.compiled import Grant
from arrowslit.policy.conditions import State
from arrowslit.policy.connecting import is_exempt
from arrowslit.policy.decision import Decision, Needs
from arrowslit.policy.grants import judge
from arrowslit.policy.trace import trace
from arrowslit.policy.verdict import Verdict


def permit(
    case: Case,
    reason: str,
    rule: str,
    next_hop: str | None,
    connect: Verdict,
    would_be: Decision | None,
    delivery: Grant | None,
    *,
    relay: bool = False,
) -> Answer:
    """The permit of a recipient, or of a message at DATA; Needs where what is done with it can not be told yet."""
    skips = _skips_checks(case)
    if isinstance(skips, Needs):
        return skips
    normalises = _normalises(case, delivery)
    if isinstance(normalises, Needs):
        return normalises
    return Decision(
        PERMIT,
        case.stage,
        None,
        reason,
        rule,
        case.policy.revision,
        case.policy.generation,
        case.stage,
        would_be,
        next_hop,
        relay,
        skips,
        normalises,
        is_exempt(case, connect),
        partial(trace, case.policy, case.stage, case.facts),
    )


def _skips_checks(case: Case) -> bool | Needs:
    grant = case.server.skip_checks
    if grant.nobody:
        return False
    verdict = judge(grant, case.facts, FINAL)
    if verdict.outcome is NEEDS:
        return Needs(verdict.needs)
    return verdict.outcome is GRANT


def _normalises(case: Case, delivery: Grant | None) -> bool | Needs:
    """Whether any matching granting entry has `line_ends = "normalise"` (decisions 9)."""
    server = case.server
    if not server.may_normalise and (delivery is None or not delivery.index.normalises):
        return False
    grants = (server.connection, delivery or server.delivery, server.relay, server.skip_checks)
    statuses = [grant.index.normalising(case.facts) for grant in grants if grant.only_listed]
    if any(state is State.MATCH for state, _ in statuses):
        return True
    needs = frozenset().union(*(missing for state, missing in statuses if state is State.NEEDS))
    return Needs(needs) if needs else False
