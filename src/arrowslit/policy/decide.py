"""The one place that decides: facts in, a decision out, or the names of the facts that it still needs.

`decide` is called once a stage and remembers nothing between the stages. The first failure in this order gives the
reply (decisions 1): connect, TLS, authentication, address form, routing local part, accepted -> deliver / relay,
limits, recipient list. Refusals of connecting and delivering obey the mode of the virtual server; relay, authentication
and the rules of input hold in every mode (policy-semantics, "Modes"). Time and look-ups come in as facts.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from arrowslit.mail.domain import normalise_domain
from arrowslit.mail.mailbox import ForwardPath, Mailbox, Postmaster
from arrowslit.policy import reasons, replies
from arrowslit.policy.compiled import CompiledServer, Grant
from arrowslit.policy.conditions import State, View
from arrowslit.policy.decision import Action, Decision, Needs, Stage
from arrowslit.policy.facts import TEMPORARY_FAILURE, UNKNOWN, Facts, Unknown
from arrowslit.policy.grants import GRANTED, REFUSED, SIGNED_IN, judge, may_relay, rule_of
from arrowslit.policy.model import AcceptedDomain, Policy
from arrowslit.policy.parts import DEFER, OBSERVE
from arrowslit.policy.trace import trace
from arrowslit.policy.verdict import Outcome, Verdict

_NEEDS_TLS: Final = Needs(frozenset({"tls"}))
_NEEDS_SIGN_IN: Final = Needs(frozenset({"authenticated_as"}))
_NEEDS_OWN: Final = Needs(frozenset({"own_addresses"}))
_NEEDS_REVERSE_PATH: Final = Needs(frozenset({"reverse_path"}))
_NEEDS_FORWARD_PATH: Final = Needs(frozenset({"forward_path"}))
_NEEDS_LISTED: Final = Needs(frozenset({"recipient_listed"}))

# Members of enumerations are looked up anew at every use; on this path that shows.
_CONNECT: Final = Stage.CONNECT
_HELO: Final = Stage.HELO
_MAIL: Final = Stage.MAIL
_RECIPIENT: Final = Stage.RECIPIENT
_GRANT: Final = Outcome.GRANT
_NEEDS: Final = Outcome.NEEDS
_OPEN: Final = Outcome.OPEN
_FINAL: Final = View.FINAL
_PERMIT: Final = Action.PERMIT

Answer = Decision | Needs


def decide(policy: Policy, stage: Stage, facts: Facts) -> Decision | Needs:
    """What is done with the client at `stage`.

    A refusal of connecting comes back from every stage on; `told_at` says when the client is to hear of it. Raises
    KeyError for a virtual server that the policy has not.
    """
    case = _Case(policy, policy.compiled.servers[facts.virtual_server], stage, facts)
    if stage <= _HELO or case.server.settings.forward is not None:
        return _connecting(case)
    if stage is _MAIL:
        return _mail(case)
    return _recipient(case) if stage is _RECIPIENT else _data(case)


class _Case:
    """What one call of `decide` is about."""

    __slots__ = ("facts", "policy", "server", "stage")

    def __init__(self, policy: Policy, server: CompiledServer, stage: Stage, facts: Facts) -> None:
        self.policy = policy
        self.server = server
        self.stage = stage
        self.facts = facts

    def refuse(self, reason: str, when: str, rule: str, told_at: Stage, stage: Stage | None = None) -> Decision:
        """A refusal with the reply of the catalogue; one for now is a defer."""
        told = replies.policy_reply(reason, when, self.facts)
        return Decision(
            Action.DEFER if told.transient else Action.REJECT,
            self.stage if stage is None else stage,
            told,
            reason,
            rule,
            self.policy.revision,
            self.policy.generation,
            told_at,
            tracer=partial(trace, self.policy, self.stage, self.facts),
        )

    def demand(self, reason: str, rule: str, when: str = replies.GOOD) -> Decision:
        """A failed demand of the virtual server, told where it is found."""
        return self.refuse(reason, when, f"{self.server.name}/{rule}", self.stage)


def _connect_verdict(case: _Case) -> Verdict:
    if case.server.at_connect:
        return judge(case.server.connection, case.facts, View.WITHOUT_TLS)
    view = View.BEFORE_TLS if case.stage < _MAIL else _FINAL
    return judge(case.server.connection, case.facts, view)


def _connecting(case: _Case) -> Answer:
    verdict = _connect_verdict(case)
    if verdict.outcome is _NEEDS:
        return Needs(verdict.needs)
    refused = _connect_refusal(case, verdict)
    held = refused is not None and case.server.settings.mode != OBSERVE and refused.told_at is _CONNECT
    if not held and case.stage is _CONNECT:
        limited = _connection_limit(case, verdict)
        if limited is not None:
            return limited
    if refused is not None and case.server.settings.mode != OBSERVE:
        return refused
    return _permit_stage(case, verdict, refused)


def _connection_limit(case: _Case, verdict: Verdict) -> Answer | None:
    """Too many connections of one source; a refusal that is only told later does not free the connection."""
    if case.facts.connections_of_source <= case.server.settings.connections_a_source:
        return None
    exempt = _exempt(case, verdict)
    if exempt.outcome is _NEEDS:
        return Needs(exempt.needs)
    if exempt.outcome is _GRANT:
        return None
    return case.demand(reasons.TOO_MANY_CONNECTIONS, "connections_a_source", replies.NOW)


def _exempt(case: _Case, connect: Verdict) -> Verdict:
    """GRANT where the client matches an entry in `only_listed` of connecting or relaying (decisions 9)."""
    waits_for_tls = connect.outcome is _OPEN and connect.placed is not None
    if case.server.connection.only_listed and (connect.outcome is _GRANT or waits_for_tls):
        return GRANTED
    relay = case.server.relay
    if not relay.only_listed or relay.nobody:
        return REFUSED
    return judge(relay, case.facts, _FINAL if case.stage >= _MAIL else View.WITHOUT_TLS)


def _is_exempt(case: _Case, connect: Verdict) -> bool:
    if connect.outcome is _GRANT and case.server.connection.only_listed:
        return True
    return _exempt(case, connect).outcome is _GRANT


def _connect_refusal(case: _Case, verdict: Verdict) -> Decision | None:
    """The refusal that connection control comes to, whatever is then made of it; None where the client may connect."""
    outcome = verdict.outcome
    if outcome is _GRANT or outcome is _OPEN:
        return None
    server = case.server
    rule = rule_of(server.connection, verdict.placed)
    late = case.stage >= _MAIL and not server.at_connect
    stage = _MAIL if late and _was_open(case) else _CONNECT
    defers = server.settings.mode == DEFER
    if outcome is Outcome.LACKS_TLS:
        when = replies.NOW if defers else replies.GOOD
        told_at = _RECIPIENT if server.exceptions else _MAIL
        return case.refuse(reasons.ENTRY_NEEDS_TLS, when, rule, told_at, stage)
    reason = reasons.NOT_CONNECT if outcome is Outcome.REFUSE else reasons.NAME_UNAVAILABLE
    defers = defers or outcome is not Outcome.REFUSE
    if server.at_connect:
        when = replies.AT_CONNECT_NOW if defers else replies.AT_CONNECT
        return case.refuse(reason, when, rule, _CONNECT, stage)
    return case.refuse(reason, replies.NOW if defers else replies.GOOD, rule, _RECIPIENT, stage)


def _was_open(case: _Case) -> bool:
    """True where the decision on connecting could not be made before MAIL."""
    return case.server.connection.index.find(case.facts, View.BEFORE_TLS).state is State.OPEN


def _permit_stage(case: _Case, verdict: Verdict, refused: Decision | None = None) -> Decision:
    reason = reasons.UNDECIDED_UNTIL_TLS if verdict.outcome is _OPEN else reasons.MAY_CONNECT
    return Decision(
        _PERMIT,
        case.stage,
        None,
        reason if refused is None else reasons.OBSERVED,
        rule_of(case.server.connection, verdict.placed),
        case.policy.revision,
        case.policy.generation,
        case.stage,
        refused,
        exempt=_is_exempt(case, verdict),
        tracer=partial(trace, case.policy, case.stage, case.facts),
    )


def _mail(case: _Case) -> Answer:
    verdict = _connect_verdict(case)
    if verdict.outcome is _NEEDS:
        return Needs(verdict.needs)
    refused = _connect_refusal(case, verdict)
    if refused is not None and case.server.settings.mode != OBSERVE:
        return refused
    failed = _demands(case, verdict) or _message_limit(case)
    return failed or _permit_stage(case, verdict, refused)


def _demands(case: _Case, connect: Verdict) -> Answer | None:
    """TLS, authentication and the form of the reverse-path."""
    settings = case.server.settings
    facts = case.facts
    if settings.require_tls and facts.tls is not True:
        return _NEEDS_TLS if facts.tls is UNKNOWN else case.demand(reasons.TLS_MISSING, "require_tls")
    authentication = settings.authentication
    if authentication is not None:
        if authentication.required and not isinstance(facts.authenticated_as, str):
            return _not_signed_in(case)
        if authentication.sender_addresses == "own" and isinstance(facts.authenticated_as, str):
            return _own_sender(case)
    if settings.own_domains_from_outside == "reject":
        return _own_domain(case, connect)
    return None


def _not_signed_in(case: _Case) -> Answer:
    rule = "authentication/required"
    if case.facts.authenticated_as is UNKNOWN:
        return _NEEDS_SIGN_IN
    if case.facts.authenticated_as is TEMPORARY_FAILURE:
        return case.demand(reasons.SIGN_IN_UNAVAILABLE, rule, replies.NOW)
    return case.demand(reasons.NOT_SIGNED_IN, rule)


def _own_sender(case: _Case) -> Answer | None:
    """Who signed in may use the addresses that the directory lists, and the null reverse-path."""
    path, own = case.facts.reverse_path, case.facts.own_addresses
    if path is UNKNOWN:
        return _NEEDS_REVERSE_PATH
    if not isinstance(path, Mailbox):
        return None
    if own is UNKNOWN:
        return _NEEDS_OWN
    rule = "authentication/sender_addresses"
    if isinstance(own, Unknown):
        return case.demand(reasons.SIGN_IN_UNAVAILABLE, rule, replies.NOW)
    if own is not None and f"{path.local_part}@{path.domain}".lower() in own:
        return None
    return case.demand(reasons.SENDER_NOT_OWN, rule)


def _own_domain(case: _Case, connect: Verdict) -> Answer | None:
    """A stranger, neither signed in nor listed for connecting or relaying, may not write as one of us."""
    path = case.facts.reverse_path
    if path is UNKNOWN:
        return _NEEDS_REVERSE_PATH
    who = case.facts.authenticated_as if case.server.settings.authentication is not None else None
    ours = isinstance(path, Mailbox) and case.policy.accepted_domain(path.domain) is not None
    if not ours or isinstance(who, str):
        return None
    if who is UNKNOWN:
        return _NEEDS_SIGN_IN
    listed = _exempt(case, connect)
    if listed.outcome is _NEEDS:
        return Needs(listed.needs)
    if listed.outcome is _GRANT:
        return None
    return case.demand(reasons.OWN_DOMAIN_OUTSIDE, "own_domains_from_outside")


def _message_limit(case: _Case) -> Decision | None:
    limit, size = case.server.settings.message_bytes, case.facts.message_bytes
    if limit is None or size is None or size <= limit:
        return None
    return case.demand(reasons.MESSAGE_TOO_LARGE, "message_bytes")


def _recipient(case: _Case) -> Answer:
    connect = _connect_verdict(case)
    if connect.outcome is _NEEDS:
        return Needs(connect.needs)
    path = case.facts.forward_path
    if not isinstance(path, (Mailbox, Postmaster)):
        return _without_path(case, connect)
    accepted = case.policy.compiled.accepted_for(case.server, path)
    refused = _connect_refusal(case, connect)
    excepted = refused is not None and accepted is not None and _is_exception(case.server, path, accepted)
    if refused is not None and not excepted and case.server.settings.mode != OBSERVE:
        return refused
    relay = may_relay(case.server, case.facts, own_entry=refused is not None)
    failed = _demands(case, connect) or _address(case, path, accepted, relay)
    if failed is not None:
        return failed
    if accepted is None:
        return _relay(case, connect, relay, refused)
    return _deliver(case, path, accepted, connect, relay, refused, excepted=excepted)


def _without_path(case: _Case, connect: Verdict) -> Answer:
    """No recipient is known: a refusal of connecting stands unless an exception could lift it."""
    refused = _connect_refusal(case, connect)
    if refused is None or case.server.settings.mode == OBSERVE or _lifts(case.server):
        return _NEEDS_FORWARD_PATH
    return refused


def _lifts(server: CompiledServer) -> bool:
    return bool(server.exceptions) and not server.at_connect


def _is_exception(server: CompiledServer, path: ForwardPath, accepted: AcceptedDomain) -> bool:
    if not _lifts(server):
        return False
    if isinstance(path, Mailbox):
        return f"{path.local_part}@{path.domain}".lower() in server.exceptions
    return f"postmaster@{accepted.name}" in server.exceptions


def _address(case: _Case, path: ForwardPath, accepted: AcceptedDomain | None, relay: Verdict) -> Answer | None:
    """The form of the address, and local parts that route: `u%d`, `d!u`, `u@d` in quotes, nested too."""
    if isinstance(path, Postmaster):
        return None
    if accepted is None and not path.literal and not _is_domain(path.domain):
        return case.demand(reasons.ADDRESS_FORM, "address_form")
    local = path.local_part
    routes = "%" in local or "!" in local or "@" in local
    if not routes or relay.outcome is _GRANT:
        return None
    return _relay_refusal(case, relay, reasons.ROUTING_LOCAL_PART)


def _is_domain(text: str) -> bool:
    try:
        return normalise_domain(text) == text
    except ValueError:
        return False


def _relay_refusal(case: _Case, relay: Verdict, reason: str) -> Answer:
    """No right to relay, or none that could be seen yet; the same in every mode."""
    if relay.outcome is _NEEDS:
        return Needs(relay.needs)
    rule = rule_of(case.server.relay, relay.placed)
    when = replies.GOOD
    if relay.outcome is Outcome.LACKS_TLS:
        reason = reasons.ENTRY_NEEDS_TLS
    elif relay.outcome is Outcome.NAME_FAILED:
        reason, when = reasons.NAME_UNAVAILABLE, replies.NOW
    elif relay.outcome is Outcome.SIGN_IN_FAILED:
        reason, when = reasons.SIGN_IN_UNAVAILABLE, replies.NOW
    return case.refuse(reason, when, rule, _RECIPIENT)


def _relay(case: _Case, connect: Verdict, relay: Verdict, refused: Decision | None) -> Answer:
    if relay.outcome is not _GRANT:
        return _relay_refusal(case, relay, reasons.NOT_RELAY)
    reason = reasons.SIGNED_IN if relay.signed_in else reasons.MAY_RELAY
    rule = _relay_rule(case.server, relay)
    next_hop = case.server.settings.relay_next_hop
    return _limits(case) or _permit(case, reason, rule, next_hop, connect, refused, None, relay=True)


def _relay_rule(server: CompiledServer, relay: Verdict) -> str:
    if relay.signed_in:
        return f"{server.name}/relay_restrictions/allow_authenticated"
    return rule_of(server.relay, relay.placed)


def _deliver(
    case: _Case,
    path: ForwardPath,
    accepted: AcceptedDomain,
    connect: Verdict,
    relay: Verdict,
    refused: Decision | None,
    *,
    excepted: bool,
) -> Answer:
    grant = case.policy.compiled.deliveries.get(accepted.name)
    reason, rule, would_be = reasons.MAY_DELIVER, "", refused
    if excepted:
        reason, would_be = reasons.RECIPIENT_EXCEPTION, None
    elif grant is not None or not case.server.delivers_by_default:
        grant = grant or case.server.delivery
        verdict = SIGNED_IN if relay.signed_in else judge(grant, case.facts, _FINAL)
        if verdict.outcome is _NEEDS:
            return Needs(verdict.needs)
        rule = _relay_rule(case.server, relay) if verdict.signed_in else _delivery_rule(case, grant, verdict)
        if verdict.outcome is not _GRANT:
            refusal = _delivery_refusal(case, verdict, rule)
            if _is_exception(case.server, path, accepted):
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
    failed = _limits(case) or _recipient_list(case, next_hop)
    if would_be is not None:
        reason, rule = reasons.OBSERVED, would_be.rule
    rule = rule or rule_of(case.server.connection, connect.placed)
    return failed or _permit(case, reason, rule, next_hop, connect, would_be, grant)


def _delivery_rule(case: _Case, grant: Grant, verdict: Verdict) -> str:
    rule = rule_of(grant, verdict.placed)
    return rule if grant is case.server.delivery else f"{case.server.name}/{rule}"


def _delivery_refusal(case: _Case, verdict: Verdict, rule: str) -> Decision:
    defers = case.server.settings.mode == DEFER
    reason = reasons.NOT_DELIVER
    if verdict.outcome is Outcome.LACKS_TLS:
        reason = reasons.ENTRY_NEEDS_TLS
    elif verdict.outcome is Outcome.NAME_FAILED:
        reason, defers = reasons.NAME_UNAVAILABLE, True
    return case.refuse(reason, replies.NOW if defers else replies.GOOD, rule, _RECIPIENT)


def _next_hop(server: CompiledServer, accepted: AcceptedDomain, relay: Verdict) -> str | Needs | None:
    """Where the recipient's mail goes: all of it to the relay next hop for whoever may relay (decisions 6)."""
    towards = server.settings.relay_next_hop
    if towards is None or towards == accepted.next_hop:
        return accepted.next_hop
    if relay.outcome is _NEEDS:
        return Needs(relay.needs)
    return towards if relay.outcome is _GRANT else accepted.next_hop


def _limits(case: _Case) -> Decision | None:
    limit = case.server.settings.recipients_a_message
    if limit is not None and case.facts.recipients >= limit:
        return case.demand(reasons.TOO_MANY_RECIPIENTS, "recipients_a_message", replies.NOW)
    return _message_limit(case)


def _recipient_list(case: _Case, next_hop: str | None) -> Answer | None:
    listed = case.facts.recipient_listed
    if listed is None or listed is True or next_hop is None:
        return None
    if listed is UNKNOWN:
        return _NEEDS_LISTED if case.policy.next_hops[next_hop].lists_recipients else None
    when = replies.GOOD if listed is False else replies.NOW
    reason = reasons.RECIPIENT_UNKNOWN if listed is False else reasons.RECIPIENTS_UNAVAILABLE
    rule = f"next_hops/{next_hop}/recipients"
    return case.refuse(reason, when, rule, _RECIPIENT)


def _permit(
    case: _Case,
    reason: str,
    rule: str,
    next_hop: str | None,
    connect: Verdict,
    would_be: Decision | None,
    delivery: Grant | None,
    *,
    relay: bool = False,
) -> Answer:
    skips = _skips_checks(case)
    if isinstance(skips, Needs):
        return skips
    normalises = _normalises(case, delivery)
    if isinstance(normalises, Needs):
        return normalises
    return Decision(
        _PERMIT,
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
        _is_exempt(case, connect),
        partial(trace, case.policy, case.stage, case.facts),
    )


def _skips_checks(case: _Case) -> bool | Needs:
    grant = case.server.skip_checks
    if grant.nobody:
        return False
    verdict = judge(grant, case.facts, _FINAL)
    if verdict.outcome is _NEEDS:
        return Needs(verdict.needs)
    return verdict.outcome is _GRANT


def _normalises(case: _Case, delivery: Grant | None) -> bool | Needs:
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


def _data(case: _Case) -> Answer:
    """The recipients were decided one by one; what is left is the size and what is done with the message."""
    connect = _connect_verdict(case)
    path = case.facts.forward_path
    accepted = None
    if isinstance(path, (Mailbox, Postmaster)):
        accepted = case.policy.compiled.accepted_for(case.server, path)
    delivery = None if accepted is None else case.policy.compiled.deliveries.get(accepted.name)
    rule = rule_of(case.server.connection, connect.placed)
    return _message_limit(case) or _permit(case, reasons.MAY_CONNECT, rule, None, connect, None, delivery)
