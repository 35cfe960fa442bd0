"""What the server engine reports: one event a command, and the pieces of a message.

Each command event waits for exactly one answer (`ServerEngine.answer`), and nothing behind it is looked at before.
Text in events is what the client sent, undecoded octets shown as surrogate escapes are never passed on: an argument
that is not ASCII (or UTF-8 where SMTPUTF8 allows it) becomes a `Fault`. Sections are of RFC 5321.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from arrowslit.mail.address import IPAddress
from arrowslit.mail.mailbox import ForwardPath, ReversePath
from arrowslit.mail.reply import Reply


class FaultKind(Enum):
    """Why the engine refuses something by itself; the value is the reason's name in records."""

    SYNTAX = "syntax"
    SEQUENCE = "bad-sequence"
    UNRECOGNISED = "unrecognised-command"
    TOO_LONG = "line-too-long"
    EARLY_TALKER = "early-talker"
    PIPELINING = "improper-pipelining"
    NOT_SMTP = "not-smtp"
    PARAMETER = "parameter-unsupported"
    TOO_BIG = "message-too-big"
    BARE_LINE_END = "bare-line-end"
    LINE_LENGTH = "text-line-too-long"
    NON_ASCII = "non-ascii-address"
    BUFFERED_BEHIND_TLS = "buffered-behind-starttls"
    AUTH = "auth-malformed"
    PROXY = "proxy-header"


@dataclass(frozen=True, slots=True)
class Fault:
    """The peer broke a rule. `reply` is to be sent as the answer; `close` ends the connection after it.

    `reply` is None only for a bad PROXY header: the connection is dropped without a word.
    """

    kind: FaultKind
    reply: Reply | None
    close: bool = False


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """A PROXY header from a trusted balancer. `source` is None for LOCAL and UNKNOWN: the real end points stand."""

    source: tuple[IPAddress, int] | None
    destination: tuple[IPAddress, int] | None
    version: int


@dataclass(frozen=True, slots=True)
class Hello:
    """EHLO (`extended`) or HELO with its argument (4.1.1.1)."""

    name: str
    extended: bool


@dataclass(frozen=True, slots=True)
class Mail:
    """MAIL FROM (4.1.1.2) with the parameters that extensions define.

    `size` octets or None; `body` "7BIT"/"8BITMIME"/""; `dsn` holds RET and ENVID as sent, upper-case keys, in order;
    `auth` is the AUTH= parameter, decoded or None.
    """

    reverse_path: ReversePath
    size: int | None = None
    body: str = ""
    smtputf8: bool = False
    dsn: tuple[tuple[str, str], ...] = ()
    auth: str | None = None


@dataclass(frozen=True, slots=True)
class Rcpt:
    """RCPT TO (4.1.1.3); `dsn` holds NOTIFY and ORCPT as sent."""

    forward_path: ForwardPath
    dsn: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Data:
    """DATA (4.1.1.4): answer 354 to take the message in, anything else to refuse."""


@dataclass(frozen=True, slots=True)
class BdatStart:
    """The first BDAT of a message (RFC 3030): answer 250 to take chunks, anything else to refuse (they are drained)."""


class BodyChunk(bytes):
    """Octets of the message in transparent (dot-stuffed) form, ending anywhere. Needs no answer."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class BodyEnd:
    """The message is complete; `octets` counts it without stuffing and without the final dot. Awaits the answer.

    `fault` is set where the message broke a rule: it was drained to its end, and no octet of it may be passed on.
    """

    octets: int
    eight_bit: bool
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Rset:
    """RSET (4.1.1.5)."""


@dataclass(frozen=True, slots=True)
class Noop:
    """NOOP, VRFY, EXPN, HELP: commands without effect. `verb` in upper case."""

    verb: str


@dataclass(frozen=True, slots=True)
class Quit:
    """QUIT (4.1.1.10)."""


@dataclass(frozen=True, slots=True)
class StartTls:
    """STARTTLS (RFC 3207) with nothing buffered behind it. After a 220 answer the transport starts the handshake."""


@dataclass(frozen=True, slots=True)
class AuthStart:
    """AUTH named a mechanism. Answer None through `proceed_auth()` to run the exchange, or a reply to refuse."""

    mechanism: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """A SASL exchange came to its end (PLAIN, LOGIN). `authorisation` is PLAIN's authzid, "" where not given.

    Answer 235, 535, 454 or 421. The password is never shown in `repr`.
    """

    mechanism: str
    authorisation: str
    username: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials({self.mechanism!r}, {self.authorisation!r}, {self.username!r}, password=...)"


@dataclass(frozen=True, slots=True)
class Xclient:
    """XCLIENT (Postfix): attributes decoded from xtext. None stands for [UNAVAILABLE], `TEMPUNAVAIL` for itself.

    A 220 answer resets the session to the greeting.
    """

    attributes: tuple[tuple[str, str | None], ...]


TEMPUNAVAIL = "[TEMPUNAVAIL]"

CommandEvent = (
    Hello | Mail | Rcpt | Data | BdatStart | Rset | Noop | Quit | StartTls | AuthStart | Credentials | Xclient
)
Event = CommandEvent | BodyChunk | BodyEnd | Fault | ProxyHeader
