"""The client side of SMTP and LMTP, sans-I/O: the wish to send goes in, octets and outcomes come out.

One engine is one connection to one next hop. The order is: `opened()`, outcomes until `Ready`, then any number of
transactions (`mail`, `rcpt`..., `data`, the message by the transport, `dot`), `reset` between them, `quit` at the end.
After octets came in, take outcomes until there are none, then send what `data_to_send` has.

Set-up runs by itself (`client_setup`): greeting, EHLO or HELO, STARTTLS and EHLO, XCLIENT and EHLO, AUTH with
credentials of our own. States are data (`client_states`); how a connection ends stands in `client_line`.

A fault of the next hop is an outcome, never an exception; `LocalProtocolError` is a mistake of the caller. Never
decides what a reply means for the message, and never passes a password to `repr`. RFC 5321 4.2, 4.3; RFC 2033;
RFC 2920; RFC 3207; RFC 4954; Postfix XCLIENT_README and XFORWARD_README.
"""

from __future__ import annotations

from arrowslit.mail.mailbox import ForwardPath
from arrowslit.mail.reply import Reply
from arrowslit.smtp import client_states as states
from arrowslit.smtp.client_commands import command_octets, mail_line, rcpt_line
from arrowslit.smtp.client_settings import ClientSettings, TlsWish
from arrowslit.smtp.client_setup import ClientSetUp
from arrowslit.smtp.client_states import Awaited, Phase
from arrowslit.smtp.errors import LocalProtocolError
from arrowslit.smtp.events import Mail
from arrowslit.smtp.identity import ClientIdentity, identity_commands
from arrowslit.smtp.outcomes import Answered, Broken, Fault, Outcome, Step
from arrowslit.smtp.reply_parser import MalformedReplyError

__all__ = ["ClientEngine", "ClientIdentity", "ClientSettings", "TlsWish"]


class ClientEngine(ClientSetUp):
    """One connection to a next hop."""

    __slots__ = ("_accepted", "_identity", "_utf8", "xforward_refused")

    def __init__(self, settings: ClientSettings) -> None:
        super().__init__(settings)
        self._identity: ClientIdentity | None = None
        self._accepted = 0
        self._utf8 = False
        self.xforward_refused: Reply | None = None
        """The last refusal of XFORWARD: the message goes on without it, as with Postfix; worth an alarm."""

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
        """RSET: `Answered(RSET)` comes.

        `mail` may follow at once, in the same flight under PIPELINING (RFC 2920 3.1). Where RSET is then refused, close
        the connection: the next hop may still hold recipients of the transaction before.
        """
        if self._enter(states.RESET_COMMAND):
            self._send(states.RSET, b"RSET\r\n")

    def quit(self) -> None:
        """QUIT; the transport closes without waiting. No outcome comes any more."""
        if self._phase in states.QUIT_SENT_IN and not self._awaited:
            self._out += b"QUIT\r\n"
        self._phase = Phase.QUIT
        self._forget()

    # Commands and replies.

    def _command(self, row: Awaited, line: str) -> None:
        octets = command_octets(line)
        if not self._utf8 and not line.isascii():
            self._fail(Broken(row.step, Fault.NOT_OFFERED))
        elif self._phase is not Phase.BROKEN:
            self._send(row, octets)

    def _say_xforward(self) -> None:
        identity = self._identity or self._settings.identity
        self._identity = None
        if identity is not None and identity.verb == "XFORWARD":
            for line in identity_commands(identity, self._capabilities.xforward):
                self._send(states.XFORWARD, line)

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

    def _untold(self, row: Awaited, reply: Reply, good: bool) -> Outcome | None:
        """A reply that is the engine's own business: set-up, XFORWARD, a recipient after a refused MAIL."""
        if row is states.GREETING or row is states.XCLIENT:
            return self._greeted(row, reply, good)
        if good:
            return self._went_well(row, reply)
        if row is states.XFORWARD and reply.code != 421:
            self.xforward_refused = reply
            return None
        if row is states.RCPT_SWALLOWED and reply.code != 421:
            return None
        return self._set_up_refused(row, reply)
