"""Whether the client may connect, as far as can be told at this stage, and what the mode makes of a refusal.

Part of `decide`. Also the limit of connections, and who is exempt from limits (decisions 9, 12).
"""

from __future__ import annotations

from functools import partial

from arrowslit.policy import reasons, replies
from arrowslit.policy.case import CONNECT, FINAL, GRANT, MAIL, NEEDS, OPEN, PERMIT, RECIPIENT, Answer, Case
from arrowslit.policy.conditions import State, View
from arrowslit.policy.decision import Decision, Needs
from arrowslit.policy.grants import GRANTED, REFUSED, judge, rule_of
from arrowslit.policy.parts import DEFER, OBSERVE
from arrowslit.policy.trace import trace
from arrowslit.policy.verdict import Outcome, Verdict


def connect_verdict(case: Case) -> Verdict:
    """What connection control says of the client, as far as it can be told at this stage."""
    if case.server.at_connect:
        return judge(case.server.connection, case.facts, View.WITHOUT_TLS)
    view = View.BEFORE_TLS if case.stage < MAIL else FINAL
    return judge(case.server.connection, case.facts, view)


def connecting(case: Case) -> Answer:
    """The stages CONNECT and HELO; for a splice, every stage."""
    verdict = connect_verdict(case)
    if verdict.outcome is NEEDS:
        return Needs(verdict.needs)
    refused = connect_refusal(case, verdict)
    held = refused is not None and case.server.settings.mode != OBSERVE and refused.told_at is CONNECT
    if not held and case.stage is CONNECT:
        limited = _connection_limit(case, verdict)
        if limited is not None:
            return limited
    if refused is not None and case.server.settings.mode != OBSERVE:
        return refused
    return permit_stage(case, verdict, refused)


def _connection_limit(case: Case, verdict: Verdict) -> Answer | None:
    """Too many connections of one source; a refusal that is only told later does not free the connection."""
    if case.facts.connections_of_source <= case.server.settings.connections_a_source:
        return None
    exempt = exemption(case, verdict)
    if exempt.outcome is NEEDS:
        return Needs(exempt.needs)
    if exempt.outcome is GRANT:
        return None
    return case.demand(reasons.TOO_MANY_CONNECTIONS, "connections_a_source", replies.NOW)


def exemption(case: Case, connect: Verdict) -> Verdict:
    """GRANT where the client matches an entry in `only_listed` of connecting or relaying (decisions 9)."""
    waits_for_tls = connect.outcome is OPEN and connect.placed is not None
    if case.server.connection.only_listed and (connect.outcome is GRANT or waits_for_tls):
        return GRANTED
    relay = case.server.relay
    if not relay.only_listed or relay.nobody:
        return REFUSED
    return judge(relay, case.facts, FINAL if case.stage >= MAIL else View.WITHOUT_TLS)


def is_exempt(case: Case, connect: Verdict) -> bool:
    """True where the client is known to be exempt from limits by source; what is not known yet is no."""
    if connect.outcome is GRANT and case.server.connection.only_listed:
        return True
    return exemption(case, connect).outcome is GRANT


def connect_refusal(case: Case, verdict: Verdict) -> Decision | None:
    """The refusal that connection control comes to, whatever is then made of it; None where the client may connect."""
    outcome = verdict.outcome
    if outcome is GRANT or outcome is OPEN:
        return None
    server = case.server
    rule = rule_of(server.connection, verdict.placed)
    late = case.stage >= MAIL and not server.at_connect
    stage = MAIL if late and _was_open(case) else CONNECT
    defers = server.settings.mode == DEFER
    if outcome is Outcome.LACKS_TLS:
        when = replies.NOW if defers else replies.GOOD
        told_at = RECIPIENT if server.exceptions else MAIL
        return case.refuse(reasons.ENTRY_NEEDS_TLS, when, rule, told_at, stage)
    reason = reasons.NOT_CONNECT if outcome is Outcome.REFUSE else reasons.NAME_UNAVAILABLE
    defers = defers or outcome is not Outcome.REFUSE
    if server.at_connect:
        when = replies.AT_CONNECT_NOW if defers else replies.AT_CONNECT
        return case.refuse(reason, when, rule, CONNECT, stage)
    return case.refuse(reason, replies.NOW if defers else replies.GOOD, rule, RECIPIENT, stage)


def _was_open(case: Case) -> bool:
    """True where the decision on connecting could not be made before MAIL."""
    return case.server.connection.index.find(case.facts, View.BEFORE_TLS).state is State.OPEN


def permit_stage(case: Case, verdict: Verdict, refused: Decision | None = None) -> Decision:
    """The permit of a stage before RECIPIENT, with the refusal that is only observed, if any."""
    reason = reasons.UNDECIDED_UNTIL_TLS if verdict.outcome is OPEN else reasons.MAY_CONNECT
    return Decision(
        PERMIT,
        case.stage,
        None,
        reason if refused is None else reasons.OBSERVED,
        rule_of(case.server.connection, verdict.placed),
        case.policy.revision,
        case.policy.generation,
        case.stage,
        refused,
        exempt=is_exempt(case, verdict),
        tracer=partial(trace, case.policy, case.stage, case.facts),
    )
