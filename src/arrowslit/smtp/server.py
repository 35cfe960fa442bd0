"""The server side of SMTP, sans-I/O. See the methods; states and transitions are data in `smtp.states`."""

from __future__ import annotations

from dataclasses import dataclass

from arrowslit.mail.reply import Reply
from arrowslit.smtp.events import Event
from arrowslit.smtp.offer import Offer


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What stays the same for the whole connection.

    `name` is ours in the EHLO answer; `expect_proxy` demands a PROXY header before anything else.
    """

    name: str
    expect_proxy: bool = False
    command_octets: int = 512
    text_line_octets: int = 65_536


class ServerEngine:
    """One connection. Feed octets with `receive`, take events with `next_event`, answer each command once."""

    def __init__(self, settings: ServerSettings, offer: Offer) -> None:
        raise NotImplementedError

    @property
    def buffered(self) -> int:
        """Octets taken in and not yet turned into events."""
        raise NotImplementedError

    def receive(self, data: bytes) -> None:
        """Take in octets from the client, ending anywhere. Parses nothing yet. Decrypted octets under TLS."""

    def next_event(self) -> Event | None:
        """The next event, or None where more octets or an answer are awaited."""
        raise NotImplementedError

    def greet(self, reply: Reply) -> bytes:
        """The greeting. A 554 or 421 greeting leaves only QUIT understood. Octets received before make the next
        event a `Fault(EARLY_TALKER)`.
        """
        raise NotImplementedError

    def answer(self, reply: Reply) -> bytes:
        """Answer the event that awaits it, and move on; returns the octets to send.

        Raises LocalProtocolError where no event awaits an answer. The state that follows depends on the code: 2yz to
        MAIL opens a transaction, 354 to DATA starts the message, 220 to STARTTLS forgets EHLO.
        """
        raise NotImplementedError

    def answer_hello(self, text: str) -> bytes:
        """Answer `Hello` with 250: our name and `text` in the first line, then (EHLO) the offer."""
        raise NotImplementedError

    def proceed_auth(self) -> bytes:
        """Let the SASL exchange of the awaiting `AuthStart` run; returns a 334 challenge or b""."""
        raise NotImplementedError

    def set_offer(self, offer: Offer) -> None:
        """Change what the next EHLO offers and what is obeyed from now on."""
        raise NotImplementedError

    def tls_started(self) -> None:
        """The handshake is done: EHLO, transaction and buffers are forgotten (RFC 3207 4.2)."""
        raise NotImplementedError

    def normalise_line_ends(self, wanted: bool) -> None:
        """For the next message: a lone LF becomes CR LF (policy `line_ends`), still only CR LF . CR LF ends it."""
        raise NotImplementedError
