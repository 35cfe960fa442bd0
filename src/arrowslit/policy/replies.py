"""Every reply that the policy gives, in one catalogue: code, enhanced status code and the sentence a stranger reads.

Each says who was refused and why, and tells no list (policy-semantics, "When a refusal is told"). `{client}` is the
client address; a reference is put behind the sentence by whoever has one (`with_reference`). RFC 5321 4.2, RFC 3463.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from arrowslit.mail.reply import Reply, reply
from arrowslit.policy import reasons
from arrowslit.policy.facts import Facts, Unknown

_TEXT_OCTETS = 480
"""Leaves room in the 512 octets of a line for code, enhanced code and CR LF."""


@dataclass(frozen=True, slots=True)
class Wording:
    """One reply of the catalogue."""

    code: int
    enhanced: str
    text: str


GOOD: Final = "for-good"
NOW: Final = "for-now"
AT_CONNECT: Final = "at-connect"
AT_CONNECT_NOW: Final = "at-connect-for-now"

REPLIES: Final[dict[tuple[str, str], Wording]] = {
    (reasons.NOT_CONNECT, GOOD): Wording(550, "5.7.1", "{client} may not deliver here"),
    (reasons.NOT_CONNECT, NOW): Wording(450, "4.7.1", "{client} may not deliver here for now, try again later"),
    (reasons.NOT_CONNECT, AT_CONNECT): Wording(554, "5.7.1", "{client} may not deliver here"),
    (reasons.NOT_CONNECT, AT_CONNECT_NOW): Wording(
        421, "4.7.1", "{client} may not deliver here for now, try again later"
    ),
    (reasons.NOT_DELIVER, GOOD): Wording(550, "5.7.1", "{client} may not deliver to this recipient's domain"),
    (reasons.NOT_DELIVER, NOW): Wording(
        450, "4.7.1", "{client} may not deliver to this recipient's domain for now, try again later"
    ),
    (reasons.NOT_RELAY, GOOD): Wording(
        550, "5.7.1", "{client} may not relay: this server takes no mail for the recipient's domain"
    ),
    (reasons.ENTRY_NEEDS_TLS, GOOD): Wording(530, "5.7.0", "{client} must issue STARTTLS before sending mail here"),
    (reasons.ENTRY_NEEDS_TLS, NOW): Wording(450, "4.7.1", "{client} must issue STARTTLS before sending mail here"),
    (reasons.TLS_MISSING, GOOD): Wording(530, "5.7.0", "Must issue a STARTTLS command first, {client}"),
    (reasons.NOT_SIGNED_IN, GOOD): Wording(530, "5.7.0", "Authentication required, {client} has not signed in"),
    (reasons.SIGN_IN_UNAVAILABLE, NOW): Wording(
        451, "4.7.0", "Signing in of {client} can not be checked for now, try again later"
    ),
    (reasons.NAME_UNAVAILABLE, NOW): Wording(
        450, "4.7.1", "The name of {client} can not be looked up for now, try again later"
    ),
    (reasons.NAME_UNAVAILABLE, AT_CONNECT_NOW): Wording(
        421, "4.7.1", "The name of {client} can not be looked up for now, try again later"
    ),
    (reasons.SENDER_NOT_OWN, GOOD): Wording(
        553, "5.7.1", "This sender address does not belong to the account that {client} signed in with"
    ),
    (reasons.OWN_DOMAIN_OUTSIDE, GOOD): Wording(
        550, "5.7.1", "{client} may not use a sender address of this site without signing in"
    ),
    (reasons.ADDRESS_FORM, GOOD): Wording(553, "5.1.3", "The domain of the recipient's address is not a domain name"),
    (reasons.ROUTING_LOCAL_PART, GOOD): Wording(
        550, "5.7.1", "{client} may not relay: no routing by %, ! or @ in the local part"
    ),
    (reasons.TOO_MANY_CONNECTIONS, NOW): Wording(421, "4.7.0", "Too many connections from {client}, try again later"),
    (reasons.MESSAGE_TOO_LARGE, GOOD): Wording(552, "5.3.4", "The message is larger than this server takes"),
    (reasons.TOO_MANY_RECIPIENTS, NOW): Wording(
        452, "4.5.3", "Too many recipients in one transaction, send the rest in another"
    ),
    (reasons.RECIPIENT_UNKNOWN, GOOD): Wording(550, "5.1.1", "There is no such recipient here"),
    (reasons.RECIPIENTS_UNAVAILABLE, NOW): Wording(
        451, "4.3.0", "The recipient can not be checked for now, try again later"
    ),
}


def policy_reply(reason: str, when: str, facts: Facts) -> Reply:
    """The reply for a reason, told for good, for now, or instead of the greeting.

    Raises KeyError where the catalogue has none, which is a fault of the caller.
    """
    wording = REPLIES[reason, when]
    address = facts.client_address
    client = "the client" if isinstance(address, Unknown) else str(address)
    return reply(wording.code, wording.enhanced, wording.text.replace("{client}", client))


def with_reference(told: Reply, reference: str) -> Reply:
    """`told` with `reference` in parentheses behind its last line; the sentence gives way where both do not fit."""
    if not reference:
        return told
    mark = f" ({reference})"[:_TEXT_OCTETS]
    last = told.lines[-1][: _TEXT_OCTETS - len(mark)] + mark
    return Reply(told.code, told.enhanced, (*told.lines[:-1], last))
