"""A recipient in an accepted domain: may the client deliver to it, where does the mail go, is it on the list.

Part of `decide`. Refusals of delivering obey the mode of the virtual server.
"""

from __future__ import annotations

from typing import Final

from arrowslit.mail.mailbox import ForwardPath
from arrowslit.policy import reasons, replies
from arrowslit.policy.case import FINAL, GRANT, NEEDS, RECIPIENT, Answer, Case
from arrowslit.policy.compiled import CompiledServer, Grant
from arrowslit.policy.decision import Decision, Needs
from arrowslit.policy.demands import limits
from arrowslit.policy.facts import UNKNOWN
from arrowslit.policy.grants import SIGNED_IN, judge, rule_of
from arrowslit.policy.model import AcceptedDomain
from arrowslit.policy.parts import DEFER, OBSERVE
from arrowslit.policy.permitting import permit
from arrowslit.policy.recipient_exceptions import is_exception
from arrowslit.policy.relaying import relay_rule
from arrowslit.policy.verdict import Outcome, Verdict

_SIGN_IN: Final = frozenset({"authenticated_as"})
_NOTHING: Final[frozenset[str]] = frozenset()
_NEEDS_LISTED: Final = Needs(frozenset({"recipient_listed"}))


def deliver(
    case: Case,
    path: ForwardPath,
    accepted: AcceptedDomain,
    connect: Verdict,
    relay: Verdict,
    refused: Decision | None,
    *,
    excepted: bool,
) -> Answer:
    """Decides a recipient whose domain is accepted, once nothing before stands against it."""
    grant = case.policy.compiled.deliveries.get(accepted.name)
    reason, rule, would_be = reasons.MAY_DELIVER, "", refused
    if excepted:
        reason, would_be = reasons.RECIPIENT_EXCEPTION, None
    elif grant is not None or not case.server.delivers_by_default:
        grant = grant or case.server.delivery
        verdict = SIGNED_IN if _signed_in(case, relay) else judge(grant, case.facts, FINAL)
        if verdict.outcome is NEEDS:
            return Needs(verdict.needs)
        missing = _may_yet_deliver(case, relay) if verdict.outcome is not GRANT else None
        if missing:
            return Needs(missing)
        rule = relay_rule(case.server, relay) if verdict.signed_in else _delivery_rule(case, grant, verdict)
        if verdict.outcome is not GRANT:
            refusal = _delivery_refusal(case, verdict, rule)
            if is_exception(case.server, path, accepted):
                reason = reasons.RECIPIENT_EXCEPTION
            elif case.server.settings.mode != OBSERVE:
                return refusal
            else:
                would_be = refused or refusal
    if reason == reasons.RECIPIENT_EXCEPTION:
        rule = f"{case.server.name}/recipient_exceptions"
    next_hop = _next_hop(case.server, accepted, relay)
    if isinstance(next_hop, Needs):
        return next_hop
    failed = limits(case) or _recipient_list(case, next_hop)
    if would_be is not None:
        reason, rule = reasons.OBSERVED, would_be.rule
    rule = rule or rule_of(case.server.connection, connect.placed)
    return failed or permit(case, reason, rule, next_hop, connect, would_be, grant)


def _signed_in(case: Case, relay: Verdict) -> bool:
    """Whoever signed in and may relay may deliver too, also where an entry lets him relay (policy-semantics)."""
    may_sign_in = case.server.settings.authentication is not None
    return relay.signed_in or (may_sign_in and relay.outcome is GRANT and isinstance(case.facts.authenticated_as, str))


def _may_yet_deliver(case: Case, relay: Verdict) -> frozenset[str]:
    """The facts by which it could still turn out that the client signed in and may relay, and so may deliver."""
    who = case.facts.authenticated_as
    if case.server.settings.authentication is None or not (isinstance(who, str) or who is UNKNOWN):
        return _NOTHING
    if relay.outcome is NEEDS:
        return relay.needs
    return _SIGN_IN if relay.outcome is GRANT and who is UNKNOWN else _NOTHING


def _delivery_rule(case: Case, grant: Grant, verdict: Verdict) -> str:
    rule = rule_of(grant, verdict.placed)
    return rule if grant is case.server.delivery else f"{case.server.name}/{rule}"


def _delivery_refusal(case: Case, verdict: Verdict, rule: str) -> Decision:
    defers = case.server.settings.mode == DEFER
    reason = reasons.NOT_DELIVER
    if verdict.outcome is Outcome.LACKS_TLS:
        reason = reasons.ENTRY_NEEDS_TLS
    elif verdict.outcome is Outcome.NAME_FAILED:
        reason, defers = reasons.NAME_UNAVAILABLE, True
    return case.refuse(reason, replies.NOW if defers else replies.GOOD, rule, RECIPIENT)


def _next_hop(server: CompiledServer, accepted: AcceptedDomain, relay: Verdict) -> str | Needs | None:
    """Where the recipient's mail goes: all of it to the relay next hop for whoever may relay (decisions 6)."""
    towards = server.settings.relay_next_hop
    if towards is None or towards == accepted.next_hop:
        return accepted.next_hop
    if relay.outcome is NEEDS:
        return Needs(relay.needs)
    return towards if relay.outcome is GRANT else accepted.next_hop


def _recipient_list(case: Case, next_hop: str | None) -> Answer | None:
    listed = case.facts.recipient_listed
    if listed is None or listed is True or next_hop is None:
        return None
    if listed is UNKNOWN:
        return _NEEDS_LISTED if case.policy.next_hops[next_hop].lists_recipients else None
    when = replies.GOOD if listed is False else replies.NOW
    reason = reasons.RECIPIENT_UNKNOWN if listed is False else reasons.RECIPIENTS_UNAVAILABLE
    rule = f"next_hops/{next_hop}/recipients"
    return case.refuse(reason, when, rule, RECIPIENT)
