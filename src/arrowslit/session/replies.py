"""The replies that a session gives by itself, in one place, each with the name of its reason.

Replies of the policy are in `policy.replies`, those of the protocol in `smtp.replies`. Texts tell a stranger what
happened and no private detail. Sections are of `gateway-behaviour`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from arrowslit.mail.reply import Reply, reply

OK: Final = reply(250, "2.0.0", "Ok")
SENDER_OK: Final = reply(250, "2.1.0", "Ok")
RECIPIENT_OK: Final = reply(250, "2.1.5", "Ok")
VRFY: Final = reply(252, "2.1.5", "Send some mail, I will do my best")
HELP: Final = reply(214, "2.0.0", "See RFC 5321")
BYE: Final = reply(221, "2.0.0", "Bye")
START_TLS: Final = reply(220, "2.0.0", "Ready to start TLS")
START_DATA: Final = reply(354, "", "End data with <CR><LF>.<CR><LF>")
SIGNED_IN: Final = reply(235, "2.7.0", "Authentication successful")
WRONG_CREDENTIALS: Final = reply(535, "5.7.8", "Authentication credentials invalid")
SIGN_IN_UNAVAILABLE: Final = reply(454, "4.7.0", "Temporary authentication failure, please try again later")
SIGN_IN_LIMITED: Final = reply(454, "4.7.0", "Too many failed attempts, please try again later")
SIGN_IN_CLOSED: Final = reply(421, "4.7.0", "Too many failed attempts")
NO_RECIPIENTS: Final = reply(554, "5.5.1", "No valid recipients")
DRAINING: Final = reply(421, "4.3.2", "Service is restarting, please try again in a moment")
FAULT: Final = reply(421, "4.3.0", "Something went wrong here, please try again later")
TIMED_OUT: Final = reply(421, "4.4.2", "Timed out waiting for you")
TOO_SLOW: Final = reply(421, "4.4.2", "Message came in too slowly")
TOO_MANY_ERRORS: Final = reply(421, "4.7.0", "Too many errors")
TOO_MANY_COMMANDS: Final = reply(421, "4.7.0", "Too many commands without a message")
SPOOL_FULL: Final = reply(452, "4.3.1", "Insufficient system storage")
OTHER_NEXT_HOP: Final = reply(452, "4.5.3", "Please send this recipient in a transaction of its own")
TOO_MANY_RECIPIENTS: Final = reply(452, "4.5.3", "Too many recipients in this message")
LOOP: Final = reply(554, "5.4.6", "Mail loop: too many hops")
HEADER_TOO_BIG: Final = reply(552, "5.3.4", "Message header is too big")
NEEDS_SMTPUTF8: Final = reply(550, "5.6.7", "The next server does not take internationalised addresses")
NEEDS_8BIT: Final = reply(550, "5.6.3", "The next server does not take 8-bit content")

SPLICE_DOWN: Final = reply(421, "4.4.1", "The server behind is not reachable, please try again later")
NEXT_HOP_DOWN: Final = reply(451, "4.4.1", "The server behind is not reachable, please try again later")
NEXT_HOP_BUSY: Final = reply(451, "4.3.2", "The server behind is busy, please try again later")
NEXT_HOP_MISCONFIGURED: Final = reply(451, "4.3.5", "The system behind is not set up correctly, please try again later")
NEXT_HOP_GARBAGE: Final = reply(451, "4.3.0", "The server behind gave no sensible answer, please try again later")
NEXT_HOP_UNKNOWN: Final = reply(451, "4.4.2", "The server behind did not confirm, please try again later")
NEXT_HOP_LOST: Final = reply(451, "4.4.2", "The connection to the server behind was lost, please try again later")
LATE_REFUSAL: Final = reply(451, "4.3.0", "A recipient was refused late, please send again")
TOO_LATE: Final = reply(451, "4.4.2", "The message waited too long here, please try again later")
NEXT_HOP_LOOP: Final = reply(451, "4.3.5", "Mail for this recipient loops back to us")

DELIVERED: Final = "Ok: delivered"


def delivered(transaction_id: str) -> Reply:
    """250 once the next hop has taken the message."""
    return Reply(250, "2.0.0", (f"{DELIVERED} as {transaction_id}",))


@lru_cache(maxsize=64)
def greeting(text: str) -> Reply:
    """The 220 greeting; `text` begins with our own name (RFC 5321 4.2)."""
    return Reply(220, "", (text,))
