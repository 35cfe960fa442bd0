"""What a session asks the gateway to do, as values.

An action list is done in order. `bytes` in it are octets for the client. `BodyChunk`s (from `smtp.events`) go to the
spool. The actions marked *asks* leave the session waiting until the gateway calls the method named there; octets that
arrive meanwhile are kept by the engine. Nothing here does anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from arrowslit.mail.address import IPAddress
from arrowslit.mail.mailbox import Mailbox
from arrowslit.mail.reply import Reply
from arrowslit.policy.decision import Decision
from arrowslit.policy.parts import NextHopAddress
from arrowslit.session.transaction import Transaction
from arrowslit.smtp.events import BodyChunk, Credentials, Mail, Rcpt


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection once everything before has been sent. `drop` does not even wait for that.

    `linger`: octets of the client may be unread, whose reset would destroy the last reply; wait for its end first.
    """

    drop: bool = False
    linger: bool = True


@dataclass(frozen=True, slots=True)
class Pause:
    """Asks: wait that many seconds, then `Session.paused()`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class CountSource:
    """Asks: count this connection under its real source now that it is known, then `Session.counted(n)`."""

    client_address: IPAddress


@dataclass(frozen=True, slots=True)
class StartTls:
    """Asks: do the server's side of a TLS handshake, then `Session.tls_started(...)`."""


@dataclass(frozen=True, slots=True)
class LookUp:
    """Asks: find the client's names by DNS, then `Session.looked_up(reverse_name, client_name)`."""

    client_address: IPAddress


@dataclass(frozen=True, slots=True)
class CheckRecipient:
    """Asks: whether the next hop's directory has this recipient, then `Session.recipient_checked(...)`."""

    recipient: Mailbox


@dataclass(frozen=True, slots=True)
class CheckCredentials:
    """Asks: check a password by the virtual server's back end, then `Session.signed_in(SignIn)`."""

    credentials: Credentials


@dataclass(frozen=True, slots=True)
class Verify:
    """Asks: get the next hop's verdict on a recipient, then `Session.verified(Verdict)`.

    The first one of a transaction also hands over MAIL.
    """

    next_hop: str
    mail: Mail
    rcpt: Rcpt
    relay: bool


@dataclass(frozen=True, slots=True)
class StartBody:
    """The message begins: make room for it. Chunks follow, then `Deliver` or `Abandon`."""


@dataclass(frozen=True, slots=True)
class Deliver:
    """Asks: send the spooled message on with `trace` in front, then `Session.delivered(Outcome)`."""

    trace: bytes
    octets: int
    eight_bit: bool


@dataclass(frozen=True, slots=True)
class Abandon:
    """The transaction is over without delivery: forget the spool, leave the next hop with RSET."""


@dataclass(frozen=True, slots=True)
class Splice:
    """From here on pass octets both ways between client and `target`; the session is over.

    With `proxy` a PROXY v2 header says first who the client is.
    """

    target: NextHopAddress
    proxy: bool = False


class NoteKind(Enum):
    """What a record is about."""

    DECISION = "decision"
    DELIVERY = "delivery"
    FAULT = "fault"
    SIGN_IN = "sign-in"


@dataclass(frozen=True, slots=True)
class Note:
    """Make a record of this. The gateway adds what it knows of the session.

    `decision` for DECISION; `reason` names why otherwise. `reply` is what the client was told, unless it was gone.
    """

    kind: NoteKind
    reason: str
    reply: Reply | None
    decision: Decision | None = None
    rcpt: Rcpt | None = None
    outcome: Outcome | None = None
    transaction: Transaction | None = None
    client_gone: bool = False


class SignInResult(Enum):
    """What a back end says of credentials."""

    ACCEPTED = "accepted"
    WRONG = "wrong"
    UNAVAILABLE = "unavailable"
    LIMITED = "limited"


@dataclass(frozen=True, slots=True)
class SignIn:
    """The answer to `CheckCredentials`. `own_addresses` as in `Facts`."""

    result: SignInResult
    own_addresses: frozenset[str] | None = None


class OutcomeKind(Enum):
    """How a delivery or verification ended; the value is the word in records."""

    DELIVERED = "delivered"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    DEFERRED = "deferred"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a recipient or a message at the next hop.

    `reply` is what the client is told; `reason` is its name; the rest is for the record: which next hop and address
    it was, and what that said. `alarm` is set where the fault is ours or the next hop's and somebody must act.
    """

    kind: OutcomeKind
    reply: Reply
    reason: str
    next_hop: str = ""
    address: str = ""
    said: Reply | None = None
    alarm: str = ""


Verdict = Outcome

Action = (
    bytes
    | BodyChunk
    | Close
    | Pause
    | CountSource
    | StartTls
    | LookUp
    | CheckCredentials
    | CheckRecipient
    | Verify
    | StartBody
    | Deliver
    | Abandon
    | Splice
    | Note
)
