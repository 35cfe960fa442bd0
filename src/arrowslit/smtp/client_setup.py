"""From the greeting to Ready: EHLO or HELO, STARTTLS, XCLIENT, AUTH, and what each answer leads to.

XCLIENT comes before AUTH because it resets the session. Internal to this room. RFC 5321 3.1, 3.2; RFC 2033; RFC 3207;
RFC 4954; Postfix XCLIENT_README.
"""

from __future__ import annotations

from collections import deque

from arrowslit.mail.reply import Reply
from arrowslit.smtp import client_states as states
from arrowslit.smtp.capabilities import read_capabilities
from arrowslit.smtp.client_commands import auth_lines, command_octets
from arrowslit.smtp.client_line import ClientLine
from arrowslit.smtp.client_settings import ClientSettings, TlsWish
from arrowslit.smtp.client_states import Awaited, Phase
from arrowslit.smtp.identity import ClientIdentity, identity_commands
from arrowslit.smtp.offer import Capabilities
from arrowslit.smtp.outcomes import Answered, Broken, Fault, Outcome, Ready, StartHandshake, Step


class ClientSetUp(ClientLine):
    """A connection that sets itself up as its settings say."""

    __slots__ = ("_auth_row", "_authenticated", "_responses", "_secure", "_settings", "_tls_refused", "_xclient")

    def __init__(self, settings: ClientSettings) -> None:
        super().__init__()
        self._settings = settings
        self._secure = settings.tls_from_start
        self._tls_refused = False
        self._xclient: list[bytes] | None = None  # lines still to say; None before the first
        self._authenticated = False
        self._auth_row = states.OWN_AUTH
        self._responses: deque[bytes] = deque()

    def tls_started(self) -> None:
        """The handshake that `StartHandshake` asked for is done."""
        if self._enter(states.TLS_STARTED):
            self._secure = True
            self._hello()

    # Answers.

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

    def _set_up_refused(self, row: Awaited, reply: Reply) -> Outcome | None:
        if row is states.EHLO and reply.permanent and self._may_say_helo():
            self._send(states.HELO, command_octets(f"HELO {self._settings.ehlo_name}"))
            return None
        if row is states.STARTTLS and reply.code != 421 and not self._tls_demanded():
            self._tls_refused = True
            return self._advance()
        return self._auth_refused(row, reply)

    def _auth_refused(self, row: Awaited, reply: Reply) -> Outcome:
        if row is states.CHALLENGE and self._auth_row is states.AUTH:
            self._responses.clear()
            self._phase = Phase.IDLE
            return Answered(Step.AUTH, reply)
        return self._break(row.step, None, reply)

    # The way to Ready.

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
