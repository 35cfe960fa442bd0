"""The one place that decides: facts in, a decision out, or the names of the facts that it still needs.

`decide` is called once a stage and remembers nothing between the stages. The first failure in this order gives the
reply (decisions 1): connect, TLS, authentication, address form, routing local part, accepted -> deliver / relay,
limits, recipient list. Refusals of connecting and delivering obey the mode of the virtual server; relay, authentication
and the rules of input hold in every mode (policy-semantics, "Modes"). Time and look-ups come in as facts.
"""

from __future__ import annotations

from arrowslit.mail.mailbox import Mailbox, Postmaster
from arrowslit.policy import reasons
from arrowslit.policy.case import HELO, MAIL, NEEDS, RECIPIENT, Answer, Case
from arrowslit.policy.connecting import connect_refusal, connect_verdict, connecting, permit_stage
from arrowslit.policy.decision import Decision, Needs, Stage
from arrowslit.policy.demands import demands, message_limit
from arrowslit.policy.facts import Facts
from arrowslit.policy.grants import rule_of
from arrowslit.policy.model import Policy
from arrowslit.policy.parts import OBSERVE
from arrowslit.policy.permitting import permit
from arrowslit.policy.receiving import recipient


def decide(policy: Policy, stage: Stage, facts: Facts) -> Decision | Needs:
    """What is done with the client at `stage`.

    A refusal of connecting comes back from every stage on; `told_at` says when the client is to hear of it. Raises
    KeyError for a virtual server that the policy has not.
    """
    case = Case(policy, policy.compiled.servers[facts.virtual_server], stage, facts)
    if stage <= HELO or case.server.settings.forward is not None:
        return connecting(case)
    if stage is MAIL:
        return _mail(case)
    return recipient(case) if stage is RECIPIENT else _data(case)


def _mail(case: Case) -> Answer:
    verdict = connect_verdict(case)
    if verdict.outcome is NEEDS:
        return Needs(verdict.needs)
    refused = connect_refusal(case, verdict)
    if refused is not None and case.server.settings.mode != OBSERVE:
        return refused
    failed = demands(case, verdict) or message_limit(case)
    return failed or permit_stage(case, verdict, refused)


def _data(case: Case) -> Answer:
    """The recipients were decided one by one; what is left is the size and what is done with the message."""
    connect = connect_verdict(case)
    path = case.facts.forward_path
    accepted = None
    if isinstance(path, (Mailbox, Postmaster)):
        accepted = case.policy.compiled.accepted_for(case.server, path)
    delivery = None if accepted is None else case.policy.compiled.deliveries.get(accepted.name)
    rule = rule_of(case.server.connection, connect.placed)
    return message_limit(case) or permit(case, reasons.MAY_CONNECT, rule, None, connect, None, delivery)
