"""The replies and faults that the server engine gives by itself, as data (RFC 5321 4.2, RFC 3463, RFC 5248).

Everything else that a client is told is decided outside of the protocol. Never quotes what a client sent.
"""

from __future__ import annotations

from typing import Final

from arrowslit.mail.reply import reply
from arrowslit.smtp.events import Fault, FaultKind
from arrowslit.smtp.states import State

CHUNK_TAKEN: Final = reply(250, "2.0.0", "Chunk taken")
"""To every BDAT of a message but its last (RFC 3030)."""


def _fault(kind: FaultKind, code: int, enhanced: str, text: str, close: bool = False) -> Fault:
    return Fault(kind, reply(code, enhanced, text), close)


# Lines
EMPTY: Final = _fault(FaultKind.SYNTAX, 500, "5.5.2", "A command was expected")
BARE_LINE_END_IN_COMMAND: Final = _fault(
    FaultKind.BARE_LINE_END, 500, "5.5.2", "Only CR LF may end a line, and NUL may not occur"
)
COMMAND_TOO_LONG: Final = _fault(FaultKind.TOO_LONG, 500, "5.5.2", "Command line too long")
SASL_TOO_LONG: Final = _fault(FaultKind.TOO_LONG, 500, "5.5.6", "Authentication exchange line too long")
FLOOD: Final = _fault(FaultKind.PIPELINING, 554, "5.5.0", "Too much sent without waiting for an answer", True)
UNRECOGNISED: Final = _fault(FaultKind.UNRECOGNISED, 500, "5.5.1", "Command not recognised")
NOT_IMPLEMENTED: Final = _fault(FaultKind.UNRECOGNISED, 502, "5.5.1", "Command not implemented")
NOT_SMTP: Final = _fault(FaultKind.NOT_SMTP, 221, "2.7.0", "This is an SMTP server, goodbye", True)
UNWANTED_PROXY: Final = _fault(FaultKind.NOT_SMTP, 554, "5.5.0", "No PROXY header is taken here", True)
BAD_PROXY: Final = Fault(FaultKind.PROXY, None, True)

# Order
EARLY_TALKER: Final = _fault(FaultKind.EARLY_TALKER, 554, "5.5.0", "Spoke before the greeting", True)
PIPELINING: Final = _fault(
    FaultKind.PIPELINING, 554, "5.5.0", "Improper pipelining: wait for the answer to this command", True
)
BEHIND_TLS: Final = _fault(
    FaultKind.BUFFERED_BEHIND_TLS, 554, "5.5.0", "Octets behind STARTTLS that no TLS protects", True
)
SEQUENCE: Final = _fault(FaultKind.SEQUENCE, 503, "5.5.1", "Bad sequence of commands")
HELLO_FIRST: Final = _fault(FaultKind.SEQUENCE, 503, "5.5.1", "EHLO first")
ONLY_QUIT: Final = _fault(FaultKind.SEQUENCE, 503, "5.5.1", "Service not available, QUIT is all that is left")
NO_RECIPIENTS: Final = _fault(FaultKind.SEQUENCE, 554, "5.5.1", "No valid recipients")
NESTED_MAIL: Final = _fault(FaultKind.SEQUENCE, 503, "5.5.1", "A transaction is open already")
TLS_ALREADY: Final = _fault(FaultKind.SEQUENCE, 503, "5.5.1", "TLS is active already")
OUT_OF_SEQUENCE: Final = {
    (State.TRIED, "DATA"): NO_RECIPIENTS,
    (State.TRIED, "BDAT"): NO_RECIPIENTS,
    (State.MAIL, "MAIL"): NESTED_MAIL,
    (State.TRIED, "MAIL"): NESTED_MAIL,
    (State.RCPT, "MAIL"): NESTED_MAIL,
}
"""Where a verb that may not come in a state has a reply of its own."""
OUT_OF_SEQUENCE_IN: Final = {State.GREETED: HELLO_FIRST, State.REFUSED: ONLY_QUIT}
"""The reply for all other verbs, by state; `SEQUENCE` where there is none."""

# Arguments
HELLO_SYNTAX: Final = _fault(FaultKind.SYNTAX, 501, "5.5.4", "Syntax: EHLO name")
HELLO_NON_ASCII: Final = _fault(FaultKind.NON_ASCII, 501, "5.5.2", "The name after EHLO must be ASCII")
MAIL_SYNTAX: Final = _fault(FaultKind.SYNTAX, 501, "5.5.4", "Syntax: MAIL FROM:<address>")
RCPT_SYNTAX: Final = _fault(FaultKind.SYNTAX, 501, "5.5.4", "Syntax: RCPT TO:<address>")
NO_ARGUMENT: Final = _fault(FaultKind.SYNTAX, 501, "5.5.4", "This command takes no argument")
REVERSE_PATH: Final = _fault(FaultKind.SYNTAX, 501, "5.1.7", "Not a valid reverse-path")
FORWARD_PATH: Final = _fault(FaultKind.SYNTAX, 501, "5.1.3", "Not a valid forward-path")
NON_ASCII_PATH: Final = _fault(FaultKind.NON_ASCII, 553, "5.6.7", "A non-ASCII address needs SMTPUTF8")
PARAMETER_SYNTAX: Final = _fault(FaultKind.SYNTAX, 501, "5.5.4", "Malformed or repeated parameter")
PARAMETER_UNKNOWN: Final = _fault(FaultKind.PARAMETER, 555, "5.5.4", "Parameter not supported")
SIZE_TOO_BIG: Final = _fault(FaultKind.TOO_BIG, 552, "5.3.4", "Message size exceeds the limit")
BDAT_SYNTAX: Final = _fault(FaultKind.SYNTAX, 501, "5.5.4", "Syntax: BDAT octets [LAST]", True)
XCLIENT_SYNTAX: Final = _fault(FaultKind.SYNTAX, 501, "5.5.4", "Malformed or unknown XCLIENT attribute")

# AUTH (RFC 4954)
AUTH_NEEDS_TLS: Final = _fault(FaultKind.AUTH, 538, "5.7.11", "Encryption required: STARTTLS first")
AUTH_SYNTAX: Final = _fault(FaultKind.AUTH, 501, "5.5.4", "Syntax: AUTH mechanism [initial-response]")
AUTH_MECHANISM: Final = _fault(FaultKind.AUTH, 504, "5.5.4", "Authentication mechanism not supported")
AUTH_TWICE: Final = _fault(FaultKind.SEQUENCE, 503, "5.5.1", "Authenticated already")
AUTH_MALFORMED: Final = _fault(FaultKind.AUTH, 501, "5.5.2", "Malformed authentication response")
AUTH_CANCELLED: Final = _fault(FaultKind.AUTH, 501, "5.7.0", "Authentication cancelled")

# The message
BARE_LINE_END: Final = _fault(FaultKind.BARE_LINE_END, 550, "5.5.2", "The message has a bare CR, a bare LF or a NUL")
TEXT_LINE: Final = _fault(FaultKind.LINE_LENGTH, 550, "5.6.0", "The message has a line that is too long")
TOO_BIG: Final = SIZE_TOO_BIG
