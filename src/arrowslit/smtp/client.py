"""The client side of SMTP and LMTP, sans-I/O: the wish to send goes in, octets and outcomes come out.

One engine is one connection to one next hop. The order is: `opened()`, outcomes until `Ready`, then any number of
transactions (`mail`, `rcpt`..., `data`, the message by the transport, `dot`), `reset` between them, `quit` at the end.
After octets came in, take outcomes until there are none, then send what `data_to_send` has.

Set-up runs by itself: greeting, EHLO (or HELO), STARTTLS and EHLO, XCLIENT and EHLO, AUTH with credentials of our
own. XCLIENT comes before AUTH because it resets the session. States are data: `smtp.client_states`.

A fault of the next hop is an outcome, never an exception; `LocalProtocolError` is a mistake of the caller. Never
decides what a reply means for the message, and never passes a password to `repr`. RFC 5321 4.2, 4.3; RFC 2033;
RFC 2920; RFC 3207; RFC 4954; Postfix XCLIENT_README and XFORWARD_README.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Final

from arrowslit.mail.mailbox import ForwardPath
from arrowslit.mail.reply import Reply
from arrowslit.smtp import client_states as states
from arrowslit.smtp.capabilities import read_capabilities
from arrowslit.smtp.client_commands import auth_lines, command_octets, mail_line, rcpt_line
from arrowslit.smtp.client_states import Awaited, Command, Phase
from arrowslit.smtp.errors import LocalProtocolError
from arrowslit.smtp.events import Mail
from arrowslit.smtp.identity import ClientIdentity, identity_commands
from arrowslit.smtp.offer import Capabilities
from arrowslit.smtp.outcomes import Answered, Broken, Fault, Outcome, Ready, StartHandshake, Step
from arrowslit.smtp.reply_parser import MalformedReplyError, ReplyParser

__all__ = ["ClientEngine", "ClientIdentity", "ClientSettings", "TlsWish"]

_CLOSING_CODES: Final = (b"421", b"221")  # what a server may say unasked before it closes (RFC 5321 3.8)


class TlsWish(Enum):
    """Whether to ask for STARTTLS: never, when offered, or else fail."""

    OFF = "off"
    OFFERED = "offered"
    DEMANDED = "demanded"


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

    __slots__ = (
        "_accepted",
        "_auth_row",
        "_authenticated",
        "_awaited",
        "_capabilities",
        "_closing",
        "_ended",
        "_failure",
        "_held",
        "_identity",
        "_out",
        "_parser",
        "_phase",
        "_responses",
        "_secure",
        "_settings",
        "_step",
        "_tls_refused",
        "_utf8",
        "_xclient",
        "xforward_refused",
    )

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings
        self._parser = ReplyParser()
        self._phase = Phase.NEW
        self._step = Step.CONNECT
        self._out = b""
        self._awaited: deque[Awaited] = deque()
        self._held: deque[tuple[Awaited, bytes]] = deque()  # waits for replies where PIPELINING is not offered
        self._failure: Broken | None = None
        self._closing: Reply | None = None
        self._ended = False
        self._capabilities = Capabilities()
        self._secure = settings.tls_from_start
        self._tls_refused = False
        self._xclient: list[bytes] | None = None  # lines still to say; None before the first
        self._authenticated = False
        self._auth_row = states.OWN_AUTH
        self._responses: deque[bytes] = deque()
        self._identity: ClientIdentity | None = None
        self._accepted = 0
        self._utf8 = False
        self.xforward_refused: Reply | None = None
        """The last refusal of XFORWARD: the message goes on without it, as with Postfix; worth an alarm."""

    # What the transport tells.

    def opened(self) -> None:
        """The connection stands (and TLS, for `tls_from_start`): wait for the greeting."""
        if self._enter(states.OPENED):
            self._awaited.append(states.GREETING)

    def receive(self, data: bytes) -> None:
        """Take in octets from the next hop, ending anywhere."""
        if self._phase is not Phase.BROKEN and self._phase is not Phase.QUIT:
            self._parser.receive(data)

    def lost(self) -> None:
        """The connection ended: the next outcome is `Broken(step, LOST)`, unless a complete reply came before."""
        self._ended = True

    def timed_out(self) -> None:
        """The step took too long: the next outcome is `Broken(step, TIMEOUT)`."""
        if self._phase is not Phase.BROKEN and self._phase is not Phase.QUIT:
            self._fail(Broken(self._place(), Fault.TIMEOUT))

    def tls_started(self) -> None:
        """The handshake that `StartHandshake` asked for is done."""
        if self._enter(states.TLS_STARTED):
            self._secure = True
            self._hello()

    # What the transport takes.

    def next_outcome(self) -> Outcome | None:
        """The next outcome, or None where the next hop's answer is awaited."""
        while self._awaited:
            try:
                reply = self._parser.next_reply()
            except MalformedReplyError:
                return self._break(self._awaited[0].step, Fault.MALFORMED)
            if reply is None:
                return self._break(self._awaited[0].step, Fault.LOST) if self._ended else None
            if (outcome := self._take(self._awaited.popleft(), reply)) is not None:
                return outcome
        return self._unasked()

    def data_to_send(self) -> bytes:
        """Octets that have to be sent now; empty where there are none."""
        out = self._out
        self._out = b""
        return out

    # What the session wants.

    def auth(self, username: str, password: str) -> None:
        """After `Ready`: try a client's own credentials (PLAIN, else LOGIN): `Answered(AUTH)` comes.

        Without TLS they go out only where the settings have TLS off.
        """
        if not self._enter(states.CREDENTIALS):
            return
        if self._needs_tls():
            self._fail(Broken(Step.STARTTLS, Fault.NOT_OFFERED))
        else:
            self._authenticate(username, password, states.AUTH)

    def forward_identity(self, identity: ClientIdentity) -> None:
        """Say XFORWARD before the next MAIL, in the same flight where the next hop takes pipelining."""
        self._identity = identity

    def mail(self, mail: Mail, first: ForwardPath, dsn: tuple[tuple[str, str], ...] = ()) -> None:
        """Start a transaction with its first recipient; both in one flight under PIPELINING.

        `Answered(MAIL)` then `Answered(RCPT)` come; where MAIL is refused RCPT's answer is swallowed and only
        `Answered(MAIL)` comes. Parameters that the next hop does not offer are left out (SIZE, BODY, DSN's); an
        address that is not ASCII and may not go out so is `Broken(MAIL or RCPT, NOT_OFFERED)`.
        """
        if not self._enter(states.MAIL_COMMAND):
            return
        self._accepted = 0
        self._utf8 = mail.smtputf8 and self._capabilities.smtputf8
        self._say_xforward()
        self._command(states.MAIL, mail_line(mail, self._capabilities))
        self._command(states.RCPT, rcpt_line(first, dsn, self._capabilities))

    def rcpt(self, forward_path: ForwardPath, dsn: tuple[tuple[str, str], ...] = ()) -> None:
        """One more recipient."""
        if self._enter(states.RCPT_COMMAND):
            self._command(states.RCPT, rcpt_line(forward_path, dsn, self._capabilities))

    def data(self) -> None:
        """DATA, never pipelined: `Answered(DATA)` comes, 354 to go on.

        Raises LocalProtocolError before every recipient is answered and one is accepted.
        """
        if self._phase is Phase.TRANSACTION and (self._awaited or self._held or not self._accepted):
            raise LocalProtocolError("DATA goes out after all recipients are answered and one is accepted")
        if self._enter(states.DATA_COMMAND):
            self._send(states.DATA, b"DATA\r\n")

    def dot(self) -> bytes:
        """The message went out whole (the transport sent it, stuffed): returns the final dot's octets.

        `Answered(DOT)` comes, for LMTP once a recipient that was accepted. Empty, and no dot may go out, where the
        next hop broke the dialogue meanwhile: the next outcome is `Broken`.
        """
        if not self._enter(states.DOT_COMMAND):
            return b""
        self._awaited.extend([states.DOT] * (self._accepted if self._settings.lmtp else 1))
        return b".\r\n"

    def reset(self) -> None:
        """RSET: `Answered(RSET)` comes. `mail` may follow at once, in the same flight under PIPELINING (RFC 2920 3.1)."""
        if self._enter(states.RESET_COMMAND):
            self._send(states.RSET, b"RSET\r\n")

    def quit(self) -> None:
        """QUIT; the transport closes without waiting. No outcome comes any more."""
        if self._phase in states.QUIT_SENT_IN and not self._awaited:
            self._out += b"QUIT\r\n"
        self._phase = Phase.QUIT
        self._forget()

    # Commands.

    def _enter(self, command: Command) -> bool:
        """Move on to the command's phase; False where the connection is at its end and the command is dropped."""
        if self._phase not in command.phases:
            return self._refuse(command)
        if not self._awaited and self._parser.leftover and command is not states.OPENED:
            # What came unasked would be taken for the answer to this command.
            self._fail(Broken(self._place(), Fault.UNEXPECTED))
            return False
        self._phase = command.then
        return True

    def _refuse(self, command: Command) -> bool:
        if self._phase is Phase.CLOSING:
            self._fail(Broken(command.step, None, self._closing))
        elif self._failure is None:
            raise LocalProtocolError(f"{command.name} is not possible now: {self._phase.value}")
        return False

    def _command(self, row: Awaited, line: str) -> None:
        octets = command_octets(line)
        if not self._utf8 and not line.isascii():
            self._fail(Broken(row.step, Fault.NOT_OFFERED))
        elif self._phase is not Phase.BROKEN:
            self._send(row, octets)

    def _send(self, row: Awaited, octets: bytes) -> None:
        if self._awaited and not self._capabilities.pipelining:
            self._held.append((row, octets))
        else:
            self._awaited.append(row)
            self._out += octets

    def _say_xforward(self) -> None:
        identity = self._identity or self._settings.identity
        self._identity = None
        if identity is not None and identity.verb == "XFORWARD":
            for line in identity_commands(identity, self._capabilities.xforward):
                self._send(states.XFORWARD, line)

    # Replies.

    def _take(self, row: Awaited, reply: Reply) -> Outcome | None:
        code = reply.code
        good = row.low <= code <= row.high
        if not good and code < 400:
            return self._break(row.step, Fault.UNEXPECTED, reply)
        self._step = row.step
        if not row.told:
            outcome = self._untold(row, reply, good)
        else:
            outcome = Answered(row.step, reply)
            self._told(row, good)
        if code == 421 and self._phase is not Phase.BROKEN:
            self._close(reply)
        elif self._held and not self._awaited:
            self._send(*self._held.popleft())
        return outcome

    def _told(self, row: Awaited, good: bool) -> None:
        if row is states.RCPT:
            self._accepted += good
        elif row is states.MAIL:
            if not good:
                self._swallow()
        elif row is states.RSET and self._phase is not Phase.RESET:
            pass  # MAIL went out behind it in the same flight
        elif row is not states.DOT or not self._awaited:
            self._phase = (row.good if good else row.bad) or self._phase

    def _swallow(self) -> None:
        """MAIL was refused: what was sent behind it is refused too and nobody wants to hear of it."""
        self._phase = Phase.IDLE
        self._held.clear()
        for index, row in enumerate(self._awaited):
            if row is states.RCPT:
                self._awaited[index] = states.RCPT_SWALLOWED

    def _close(self, reply: Reply) -> None:
        """421: nothing that is still awaited will come."""
        self._closing = reply
        self._phase = Phase.CLOSING
        rows = [*self._awaited, *[row for row, _ in self._held]]
        missing = next((row for row in rows if row.told), None)
        self._forget()
        if missing is not None:
            self._fail(Broken(missing.step, None, reply))

    def _untold(self, row: Awaited, reply: Reply, good: bool) -> Outcome | None:
        """A reply that is the engine's own business: set-up, XFORWARD, a recipient after a refused MAIL."""
        if row is states.GREETING or row is states.XCLIENT:
            return self._greeted(row, reply, good)
        if good:
            return self._went_well(row, reply)
        if reply.code == 421:
            return self._auth_refused(row, reply)
        return self._refused(row, reply)

    def _greeted(self, row: Awaited, reply: Reply, good: bool) -> Outcome | None:
        """The greeting, or the 220 to XCLIENT, which is one."""
        first = reply.lines[0].partition(" ")[0].removesuffix(".")
        if (good or row is states.GREETING) and first.lower() == self._settings.own_name.lower().removesuffix("."):
            return self._break(Step.GREETING, Fault.LOOP, reply)
        if not good:
            return self._break(row.step, None, reply)
        self._hello()
        return None

    def _went_well(self, row: Awaited, reply: Reply) -> Outcome | None:
        if row is states.EHLO:
            self._capabilities = read_capabilities(reply)
        elif row is states.STARTTLS:
            return self._start_handshake()
        elif row is states.CHALLENGE:
            self._respond()
            return None
        elif row is states.OWN_AUTH:
            self._authenticated = True
        elif row is not states.HELO:
            return None
        return self._advance()

    def _refused(self, row: Awaited, reply: Reply) -> Outcome | None:
        if row is states.XFORWARD:
            self.xforward_refused = reply
            return None
        if row is states.RCPT_SWALLOWED:
            return None
        if row is states.EHLO and reply.permanent and self._may_say_helo():
            self._send(states.HELO, command_octets(f"HELO {self._settings.ehlo_name}"))
            return None
        if row is states.STARTTLS and not self._tls_demanded():
            self._tls_refused = True
            return self._advance()
        return self._auth_refused(row, reply)

    def _auth_refused(self, row: Awaited, reply: Reply) -> Outcome:
        if row is states.CHALLENGE and self._auth_row is states.AUTH:
            self._responses.clear()
            self._phase = Phase.IDLE
            return Answered(Step.AUTH, reply)
        return self._break(row.step, None, reply)

    # Set-up.

    def _hello(self) -> None:
        self._capabilities = Capabilities()
        verb = "LHLO" if self._settings.lmtp else "EHLO"
        self._send(states.EHLO, command_octets(f"{verb} {self._settings.ehlo_name}"))

    def _advance(self) -> Outcome | None:
        """What set-up still lacks, in this order: TLS, XCLIENT, AUTH."""
        if not self._secure and self._settings.tls is not TlsWish.OFF and not self._tls_refused:
            if self._capabilities.starttls:
                self._send(states.STARTTLS, b"STARTTLS\r\n")
                return None
            if self._tls_demanded():
                return self._break(Step.STARTTLS, Fault.NOT_OFFERED)
        identity = self._settings.identity
        if identity is not None and identity.verb == "XCLIENT" and self._xclient != []:
            return self._say_xclient(identity)
        if self._settings.username is not None and not self._authenticated:
            self._authenticate(self._settings.username, self._settings.password or "", states.OWN_AUTH)
            return self._unasked() if self._phase is Phase.BROKEN else None
        self._phase = Phase.IDLE
        return Ready(self._capabilities)

    def _tls_demanded(self) -> bool:
        """DEMANDED, or credentials of our own: where TLS is only offered, a stripped offer must not uncover them."""
        wish = self._settings.tls
        return wish is TlsWish.DEMANDED or (wish is TlsWish.OFFERED and self._settings.username is not None)

    def _needs_tls(self) -> bool:
        return not self._secure and self._settings.tls is not TlsWish.OFF

    def _may_say_helo(self) -> bool:
        settings = self._settings
        needs_offer = settings.username is not None or (self._tls_demanded() and not self._secure)
        return not settings.lmtp and not needs_offer

    def _start_handshake(self) -> Outcome:
        if self._parser.leftover:
            return self._break(Step.STARTTLS, Fault.BUFFERED_BEHIND_TLS)
        self._phase = Phase.HANDSHAKE
        return StartHandshake()

    def _say_xclient(self, identity: ClientIdentity) -> Outcome | None:
        if self._xclient is None:
            self._xclient = list(identity_commands(identity, self._capabilities.xclient))
        if not self._xclient or not self._capabilities.xclient:
            return self._break(Step.XCLIENT, Fault.NOT_OFFERED)
        self._send(states.XCLIENT, self._xclient.pop(0))
        return None

    def _authenticate(self, username: str, password: str, row: Awaited) -> None:
        self._responses.extend(auth_lines(self._capabilities.auth, username, password))
        self._auth_row = row
        if self._responses:
            self._respond()
        else:
            self._fail(Broken(Step.AUTH, Fault.NOT_OFFERED))

    def _respond(self) -> None:
        octets = self._responses.popleft()
        self._send(states.CHALLENGE if self._responses else self._auth_row, octets)

    # Ends.

    def _place(self) -> Step:
        return self._awaited[0].step if self._awaited else states.PLACES.get(self._phase, self._step)

    def _unasked(self) -> Outcome | None:
        """Nothing is awaited: octets that came, or the end of the connection, break it."""
        if self._phase is Phase.BROKEN or self._phase is Phase.QUIT:
            failure = self._failure
            self._failure = None
            return failure
        if self._phase is not Phase.CLOSING and self._parser.leftover:
            return self._unsolicited()
        return self._break(self._place(), Fault.LOST) if self._ended else None

    def _unsolicited(self) -> Outcome | None:
        if self._phase is Phase.HANDSHAKE:
            return self._break(Step.STARTTLS, Fault.BUFFERED_BEHIND_TLS)
        if not self._parser.may_become(_CLOSING_CODES):
            return self._break(self._place(), Fault.UNEXPECTED)
        try:
            reply = self._parser.next_reply()
        except MalformedReplyError:
            return self._break(self._place(), Fault.MALFORMED)
        if reply is not None:
            return self._break(self._place(), None, reply)
        return self._break(self._place(), Fault.LOST) if self._ended else None

    def _break(self, step: Step, fault: Fault | None, reply: Reply | None = None) -> Broken:
        self._phase = Phase.BROKEN
        self._forget()
        return Broken(step, fault, reply)

    def _fail(self, failure: Broken) -> None:
        """Break with the outcome still to be taken."""
        self._failure = self._failure or failure
        self._phase = Phase.BROKEN
        self._forget()

    def _forget(self) -> None:
        self._awaited.clear()
        self._held.clear()
        self._responses.clear()
