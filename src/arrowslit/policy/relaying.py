"""A recipient in a domain that is not accepted: refused unless the relay list or a sign-in says otherwise.

Part of `decide`. Relay restrictions are enforced in every mode: watching never opens a relay.
"""

from __future__ import annotations

from arrowslit.policy import reasons, replies
from arrowslit.policy.case import GRANT, NEEDS, RECIPIENT, Answer, Case
from arrowslit.policy.compiled import CompiledServer
from arrowslit.policy.decision import Decision, Needs
from arrowslit.policy.demands import limits
from arrowslit.policy.grants import rule_of
from arrowslit.policy.permitting import permit
from arrowslit.policy.verdict import Outcome, Verdict


def relay_refusal(case: Case, relay: Verdict, reason: str) -> Answer:
    """No right to relay, or none that could be seen yet; the same in every mode."""
    if relay.outcome is NEEDS:
        return Needs(relay.needs)
    rule = rule_of(case.server.relay, relay.placed)
    when = replies.GOOD
    if relay.outcome is Outcome.LACKS_TLS:
        reason = reasons.ENTRY_NEEDS_TLS
    elif relay.outcome is Outcome.NAME_FAILED:
        reason, when = reasons.NAME_UNAVAILABLE, replies.NOW
    elif relay.outcome is Outcome.SIGN_IN_FAILED:
        reason, when = reasons.SIGN_IN_UNAVAILABLE, replies.NOW
    return case.refuse(reason, when, rule, RECIPIENT)


def relayed(case: Case, connect: Verdict, relay: Verdict, refused: Decision | None) -> Answer:
    """Decides a recipient whose domain is not accepted, once nothing before stands against it."""
    if relay.outcome is not GRANT:
        return relay_refusal(case, relay, reasons.NOT_RELAY)
    reason = reasons.SIGNED_IN if relay.signed_in else reasons.MAY_RELAY
    rule = relay_rule(case.server, relay)
    next_hop = case.server.settings.relay_next_hop
    return limits(case) or permit(case, reason, rule, next_hop, connect, refused, None, relay=True)


def relay_rule(server: CompiledServer, relay: Verdict) -> str:
    """The rule id of what gives the right to relay."""
    if relay.signed_in:
        return f"{server.name}/relay_restrictions/allow_authenticated"
    return rule_of(server.relay, relay.placed)
