"""Why a decision came out as it did: every reason by name, with one sentence for the reference pages.

A reason says what decided; whether it is told for good, for now or only recorded is the decision's action.
"""

from __future__ import annotations

from typing import Final

MAY_CONNECT: Final = "may-connect"
UNDECIDED_UNTIL_TLS: Final = "undecided-until-tls"
MAY_DELIVER: Final = "may-deliver"
MAY_RELAY: Final = "may-relay"
SIGNED_IN: Final = "signed-in"
RECIPIENT_EXCEPTION: Final = "recipient-exception"
OBSERVED: Final = "only-observed"
NOT_CONNECT: Final = "may-not-connect"
NOT_DELIVER: Final = "may-not-deliver"
NOT_RELAY: Final = "may-not-relay"
ENTRY_NEEDS_TLS: Final = "entry-needs-tls"
TLS_MISSING: Final = "tls-missing"
NOT_SIGNED_IN: Final = "not-signed-in"
SIGN_IN_UNAVAILABLE: Final = "sign-in-unavailable"
NAME_UNAVAILABLE: Final = "client-name-unavailable"
SENDER_NOT_OWN: Final = "sender-address-not-own"
OWN_DOMAIN_OUTSIDE: Final = "own-domain-from-outside"
ADDRESS_FORM: Final = "address-form"
ROUTING_LOCAL_PART: Final = "routing-local-part"
DROPPED_EARLY: Final = "dropped-early"
TOO_MANY_CONNECTIONS: Final = "too-many-connections"
MESSAGE_TOO_LARGE: Final = "message-too-large"
TOO_MANY_RECIPIENTS: Final = "too-many-recipients"
RECIPIENT_UNKNOWN: Final = "recipient-unknown"
RECIPIENTS_UNAVAILABLE: Final = "recipient-list-unavailable"

REASONS: Final[dict[str, str]] = {
    MAY_CONNECT: "Connection control lets the client connect, and nothing else stands against this stage.",
    UNDECIDED_UNTIL_TLS: "An entry could match once TLS is started, so the client may go on until MAIL.",
    MAY_DELIVER: "The recipient's domain is accepted and the client may deliver to it.",
    MAY_RELAY: "The client is on the list of those who may relay.",
    SIGNED_IN: "The client signed in, and whoever signs in may relay.",
    RECIPIENT_EXCEPTION: "The client may not connect or deliver, but everybody may write to this recipient.",
    OBSERVED: "The client may not connect or deliver, and the mode observe only records that.",
    NOT_CONNECT: "Connection control does not let the client connect.",
    DROPPED_EARLY: "The kernel dropped the packet before the gateway saw it: connection control does not let it in.",
    NOT_DELIVER: "The client may not deliver to the recipient's accepted domain.",
    NOT_RELAY: "The recipient's domain is not accepted and the client may not relay.",
    ENTRY_NEEDS_TLS: "The entry that lets the client in counts only in TLS, and the session has none.",
    TLS_MISSING: "The virtual server demands TLS of everybody, and the session has none.",
    NOT_SIGNED_IN: "The virtual server demands that everybody signs in, and the client has not.",
    SIGN_IN_UNAVAILABLE: "Whether the client may do this depends on signing in, which could not be checked for now.",
    NAME_UNAVAILABLE: "The outcome depends on the client's name, whose look-up failed for now.",
    SENDER_NOT_OWN: "The reverse-path is not one of the addresses that belong to the account that signed in.",
    OWN_DOMAIN_OUTSIDE: "A stranger used an accepted domain in the reverse-path.",
    ADDRESS_FORM: "The domain of the recipient's address is no domain name.",
    ROUTING_LOCAL_PART: "The local part holds %, ! or @ and could route the mail elsewhere.",
    TOO_MANY_CONNECTIONS: "The source has more connections open than the virtual server allows.",
    MESSAGE_TOO_LARGE: "The message is larger than the virtual server takes.",
    TOO_MANY_RECIPIENTS: "The transaction has as many recipients as the virtual server takes.",
    RECIPIENT_UNKNOWN: "The recipient is not on the next hop's recipient list.",
    RECIPIENTS_UNAVAILABLE: "The next hop's recipient list could not be asked for now.",
}
