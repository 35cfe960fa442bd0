"""What the client engine reports about the next hop: one outcome a step. Steps are named as in RFC 5321."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from arrowslit.mail.reply import Reply
from arrowslit.smtp.offer import Capabilities


class Step(Enum):
    """Where in the dialogue with a next hop something happened; the value is the word in records."""

    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    TLS = "tls"
    AUTH = "auth"
    XCLIENT = "xclient"
    XFORWARD = "xforward"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"
    DOT = "dot"
    RSET = "rset"
    IDLE = "idle"


class Fault(Enum):
    """What went wrong where it was not a well-formed reply; the value is the word in records."""

    LOST = "connection-lost"
    TIMEOUT = "timed-out"
    MALFORMED = "malformed-reply"
    UNEXPECTED = "unexpected-reply"
    NOT_OFFERED = "extension-not-offered"
    BUFFERED_BEHIND_TLS = "buffered-behind-starttls"
    LOOP = "own-name-in-greeting"
    TLS_FAILED = "tls-failed"


@dataclass(frozen=True, slots=True)
class StartHandshake:
    """STARTTLS was answered 220: the transport does the handshake now, then calls `tls_started()`."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Greeting, EHLO, TLS, AUTH, XCLIENT are done: a transaction may start."""

    capabilities: Capabilities


@dataclass(frozen=True, slots=True)
class Answered:
    """The next hop answered the step: MAIL, each RCPT in order, DATA, DOT (LMTP: one for each recipient), RSET,
    AUTH (for a client's own credentials).
    """

    step: Step
    reply: Reply


@dataclass(frozen=True, slots=True)
class Broken:
    """The connection can't be used any more: a fault, or a refusal of greeting, EHLO, STARTTLS, AUTH or XCLIENT.

    `reply` is what the next hop said, where it said something well-formed; `detail` is the transport's word on the
    fault, for an administrator. Close the connection.
    """

    step: Step
    fault: Fault | None
    reply: Reply | None = None
    detail: str = ""


Outcome = StartHandshake | Ready | Answered | Broken
