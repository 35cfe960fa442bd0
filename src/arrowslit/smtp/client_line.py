"""The ground that the client engine stands on: what was sent, what is awaited, and how a connection ends.

Terms: an *awaited* reply is owed by the next hop; a *held* command waits for replies where PIPELINING is not offered.
A fault of the next hop becomes an outcome; `LocalProtocolError` is a mistake of the caller. Internal to this room.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from arrowslit.mail.reply import Reply
from arrowslit.smtp import client_states as states
from arrowslit.smtp.client_states import Awaited, Command, Phase
from arrowslit.smtp.errors import LocalProtocolError
from arrowslit.smtp.offer import Capabilities
from arrowslit.smtp.outcomes import Broken, Fault, Outcome, Step
from arrowslit.smtp.reply_parser import MalformedReplyError, ReplyParser

_CLOSING_CODES: Final = (b"421", b"221")  # what a server may say unasked before it closes (RFC 5321 3.8)


class ClientLine:
    """Phase, awaited replies and octets of one connection."""

    __slots__ = (
        "_awaited",
        "_capabilities",
        "_closing",
        "_ended",
        "_failure",
        "_held",
        "_out",
        "_parser",
        "_phase",
        "_step",
    )

    def __init__(self) -> None:
        self._parser = ReplyParser()
        self._phase = Phase.NEW
        self._step = Step.CONNECT
        self._out = b""
        self._awaited: deque[Awaited] = deque()
        self._held: deque[tuple[Awaited, bytes]] = deque()
        self._failure: Broken | None = None
        self._closing: Reply | None = None
        self._ended = False
        self._capabilities = Capabilities()

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

    def data_to_send(self) -> bytes:
        """Octets that have to be sent now; empty where there are none."""
        out = self._out
        self._out = b""
        return out

    @property
    def failing(self) -> bool:
        """True where the last command could not go out and the outcome that says so waits to be taken."""
        return self._failure is not None

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

    def _send(self, row: Awaited, octets: bytes) -> None:
        if self._awaited and not self._capabilities.pipelining:
            self._held.append((row, octets))
        else:
            self._awaited.append(row)
            self._out += octets

    def _close(self, reply: Reply) -> None:
        """421: nothing that is still awaited will come."""
        self._closing = reply
        self._phase = Phase.CLOSING
        rows = [*self._awaited, *[row for row, _ in self._held]]
        missing = next((row for row in rows if row.told), None)
        self._forget()
        if missing is not None:
            self._fail(Broken(missing.step, None, reply))

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
