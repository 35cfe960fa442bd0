"""The stage RECIPIENT: what comes before it is decided whether the recipient is delivered to or relayed.

Part of `decide`: connecting, demands, the form of the address and local parts that route.
"""

from __future__ import annotations

from typing import Final

from arrowslit.mail.domain import normalise_domain
from arrowslit.mail.mailbox import ForwardPath, Mailbox, Postmaster
from arrowslit.policy import reasons
from arrowslit.policy.case import GRANT, NEEDS, Answer, Case
from arrowslit.policy.connecting import connect_refusal, connect_verdict
from arrowslit.policy.decision import Needs
from arrowslit.policy.delivering import deliver
from arrowslit.policy.demands import demands
from arrowslit.policy.grants import may_relay
from arrowslit.policy.model import AcceptedDomain
from arrowslit.policy.parts import OBSERVE
from arrowslit.policy.recipient_exceptions import is_exception, lifts
from arrowslit.policy.relaying import relay_refusal, relayed
from arrowslit.policy.verdict import Verdict

_NEEDS_FORWARD_PATH: Final = Needs(frozenset({"forward_path"}))


def recipient(case: Case) -> Answer:
    """The stage RECIPIENT."""
    connect = connect_verdict(case)
    if connect.outcome is NEEDS:
        return Needs(connect.needs)
    path = case.facts.forward_path
    if not isinstance(path, (Mailbox, Postmaster)):
        return _without_path(case, connect)
    accepted = case.policy.compiled.accepted_for(case.server, path)
    refused = connect_refusal(case, connect)
    excepted = refused is not None and accepted is not None and is_exception(case.server, path, accepted)
    if refused is not None and not excepted and case.server.settings.mode != OBSERVE:
        return refused
    relay = may_relay(case.server, case.facts, own_entry=refused is not None)
    failed = demands(case, connect) or _address(case, path, accepted, relay)
    if failed is not None:
        return failed
    if accepted is None:
        return relayed(case, connect, relay, refused)
    return deliver(case, path, accepted, connect, relay, refused, excepted=excepted)


def _without_path(case: Case, connect: Verdict) -> Answer:
    """No recipient is known: a refusal of connecting stands unless an exception could lift it."""
    refused = connect_refusal(case, connect)
    if refused is None or case.server.settings.mode == OBSERVE or lifts(case.server):
        return _NEEDS_FORWARD_PATH
    return refused


def _address(case: Case, path: ForwardPath, accepted: AcceptedDomain | None, relay: Verdict) -> Answer | None:
    """The form of the address, and local parts that route: `u%d`, `d!u`, `u@d` in quotes, nested too."""
    if isinstance(path, Postmaster):
        return None
    if accepted is None and not path.literal and not _is_domain(path.domain):
        return case.demand(reasons.ADDRESS_FORM, "address_form")
    local = path.local_part
    routes = "%" in local or "!" in local or "@" in local
    if not routes or relay.outcome is GRANT:
        return None
    return relay_refusal(case, relay, reasons.ROUTING_LOCAL_PART)


def _is_domain(text: str) -> bool:
    try:
        return normalise_domain(text) == text
    except ValueError:
        return False
