"""What the virtual server demands of everybody, in every mode: TLS, signing in, the reverse-path, limits.

Part of `decide`; the order is that of decisions 1.
"""

from __future__ import annotations

from typing import Final

from arrowslit.mail.mailbox import Mailbox
from arrowslit.policy import reasons, replies
from arrowslit.policy.case import GRANT, NEEDS, Answer, Case
from arrowslit.policy.connecting import exemption
from arrowslit.policy.decision import Decision, Needs
from arrowslit.policy.facts import TEMPORARY_FAILURE, UNKNOWN, Unknown
from arrowslit.policy.verdict import Verdict

_NEEDS_TLS: Final = Needs(frozenset({"tls"}))
_NEEDS_SIGN_IN: Final = Needs(frozenset({"authenticated_as"}))
_NEEDS_OWN: Final = Needs(frozenset({"own_addresses"}))
_NEEDS_REVERSE_PATH: Final = Needs(frozenset({"reverse_path"}))


def demands(case: Case, connect: Verdict) -> Answer | None:
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


def _not_signed_in(case: Case) -> Answer:
    rule = "authentication/required"
    if case.facts.authenticated_as is UNKNOWN:
        return _NEEDS_SIGN_IN
    if case.facts.authenticated_as is TEMPORARY_FAILURE:
        return case.demand(reasons.SIGN_IN_UNAVAILABLE, rule, replies.NOW)
    return case.demand(reasons.NOT_SIGNED_IN, rule)


def _own_sender(case: Case) -> Answer | None:
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


def _own_domain(case: Case, connect: Verdict) -> Answer | None:
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
    listed = exemption(case, connect)
    if listed.outcome is NEEDS:
        return Needs(listed.needs)
    if listed.outcome is GRANT:
        return None
    return case.demand(reasons.OWN_DOMAIN_OUTSIDE, "own_domains_from_outside")


def message_limit(case: Case) -> Decision | None:
    """A message that is larger than the virtual server takes."""
    limit, size = case.server.settings.message_bytes, case.facts.message_bytes
    if limit is None or size is None or size <= limit:
        return None
    return case.demand(reasons.MESSAGE_TOO_LARGE, "message_bytes")


def limits(case: Case) -> Decision | None:
    """The limits that a recipient is held against."""
    limit = case.server.settings.recipients_a_message
    if limit is not None and case.facts.recipients >= limit:
        return case.demand(reasons.TOO_MANY_RECIPIENTS, "recipients_a_message", replies.NOW)
    return message_limit(case)
