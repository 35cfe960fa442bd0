"""The client side of SMTP and LMTP, sans-I/O: the wish to send goes in, octets and outcomes come out.

One engine is one connection to one next hop. The order is: `opened()`, outcomes until `Ready`, then any number of
transactions (`mail`, `rcpt`..., `data`, the message by the transport, `dot`), `reset` between them, `quit` at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from arrowslit.mail.mailbox import ForwardPath
from arrowslit.smtp.events import Mail
from arrowslit.smtp.outcomes import Outcome


class TlsWish(Enum):
    """Whether to ask for STARTTLS: never, when offered, or else fail."""

    OFF = "off"
    OFFERED = "offered"
    DEMANDED = "demanded"


@dataclass(frozen=True, slots=True)
class ClientIdentity:
    """Whom the gateway speaks for, said by XFORWARD or XCLIENT (attribute names as in Postfix, values undecoded).

    A value of None is said as [UNAVAILABLE]. Only attributes that the next hop offers are said.
    """

    verb: str
    attributes: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """What stays the same for the whole connection. `username` None: no AUTH of our own."""

    ehlo_name: str
    own_name: str
    lmtp: bool = False
    tls: TlsWish = TlsWish.OFFERED
    tls_from_start: bool = False
    username: str | None = None
    password: str | None = None
    identity: ClientIdentity | None = None
    """For XCLIENT: said once before `Ready`. For XFORWARD: said before each transaction, see `forward_identity`."""

    def __repr__(self) -> str:
        return f"ClientSettings({self.ehlo_name!r}, lmtp={self.lmtp}, tls={self.tls}, username={self.username!r})"


class ClientEngine:
    """One connection to a next hop."""

    def __init__(self, settings: ClientSettings) -> None:
        raise NotImplementedError

    def opened(self) -> None:
        """The connection stands (and TLS, for `tls_from_start`): wait for the greeting."""

    def receive(self, data: bytes) -> None:
        """Take in octets from the next hop, ending anywhere."""

    def lost(self) -> None:
        """The connection ended: the next outcome is `Broken(step, LOST)`, unless a complete reply came before."""

    def timed_out(self) -> None:
        """The step took too long: the next outcome is `Broken(step, TIMEOUT)`."""

    def tls_started(self) -> None:
        """The handshake that `StartHandshake` asked for is done."""

    def next_outcome(self) -> Outcome | None:
        """The next outcome, or None where the next hop's answer is awaited."""
        raise NotImplementedError

    def data_to_send(self) -> bytes:
        """Octets that have to be sent now; empty where there are none."""
        raise NotImplementedError

    def auth(self, username: str, password: str) -> None:
        """After `Ready`: try a client's own credentials (PLAIN, else LOGIN): `Answered(AUTH)` comes."""

    def forward_identity(self, identity: ClientIdentity) -> None:
        """Say XFORWARD before the next MAIL, in the same flight where the next hop takes pipelining."""

    def mail(self, mail: Mail, first: ForwardPath, dsn: tuple[tuple[str, str], ...] = ()) -> None:
        """Start a transaction with its first recipient; both in one flight under PIPELINING.

        `Answered(MAIL)` then `Answered(RCPT)` come; where MAIL is refused RCPT's answer is swallowed and only
        `Answered(MAIL)` comes. Parameters that the next hop does not offer are left out (SIZE, BODY).
        """

    def rcpt(self, forward_path: ForwardPath, dsn: tuple[tuple[str, str], ...] = ()) -> None:
        """One more recipient."""

    def data(self) -> None:
        """DATA, never pipelined: `Answered(DATA)` comes, 354 to go on."""

    def dot(self) -> bytes:
        """The message went out whole (the transport sent it, stuffed): returns the final dot's octets.

        `Answered(DOT)` comes, for LMTP once a recipient that was accepted.
        """
        raise NotImplementedError

    def reset(self) -> None:
        """RSET: `Answered(RSET)` comes."""

    def quit(self) -> None:
        """QUIT; the transport closes without waiting."""
