"""Drives a `ClientEngine` as a transport does, and plays the next hop."""

from __future__ import annotations

from arrowslit.mail.mailbox import Mailbox
from arrowslit.smtp.client import ClientEngine, ClientIdentity, ClientSettings, TlsWish
from arrowslit.smtp.events import Mail
from arrowslit.smtp.offer import Capabilities
from arrowslit.smtp.outcomes import Outcome, Ready

FROM = Mail(Mailbox("a", "a.example", "a@a.example"))
TO = Mailbox("b", "b.example", "b@b.example")
ALSO_TO = Mailbox("c", "b.example", "c@b.example")


class Dialogue:
    """One engine, connected, and what it said."""

    def __init__(
        self,
        *,
        lmtp: bool = False,
        tls: TlsWish = TlsWish.OFFERED,
        tls_from_start: bool = False,
        username: str | None = None,
        password: str | None = None,
        identity: ClientIdentity | None = None,
    ) -> None:
        self.engine = ClientEngine(
            ClientSettings(
                ehlo_name="gw.example",
                own_name="gw.example",
                lmtp=lmtp,
                tls=tls,
                tls_from_start=tls_from_start,
                username=username,
                password=password,
                identity=identity,
            )
        )
        self.engine.opened()

    def outcomes(self) -> list[Outcome]:
        """What there is now."""
        return list(iter(self.engine.next_outcome, None))

    def hears(self, octets: bytes) -> list[Outcome]:
        """The next hop says something."""
        self.engine.receive(octets)
        return self.outcomes()

    def says(self) -> bytes:
        """What goes out now."""
        return self.engine.data_to_send()

    def set_up(self, *offer: str) -> Dialogue:
        """Greeting and EHLO up to Ready."""
        assert self.hears(b"220 mx.example ESMTP\r\n") == []
        assert self.says().endswith(b"HLO gw.example\r\n")
        outcomes = self.hears(ehlo(*offer))
        assert [type(outcome) for outcome in outcomes] == [Ready], outcomes
        return self

    def to_body(self, *recipients: Mailbox) -> Dialogue:
        """A transaction up to 354, with one recipient unless told otherwise."""
        first, *others = recipients or (TO,)
        self.engine.mail(FROM, first)
        for recipient in others:
            self.engine.rcpt(recipient)
        self.hears(b"250 2.1.0 Ok\r\n" + b"250 2.1.5 Ok\r\n" * (1 + len(others)))
        self.engine.data()
        self.hears(b"354 go on\r\n")
        self.says()
        return self


def ehlo(*offer: str) -> bytes:
    """A 250 to EHLO with these keywords."""
    lines = ["mx.example", *offer]
    return "".join(f"250{'-' if n < len(lines) - 1 else ' '}{line}\r\n" for n, line in enumerate(lines)).encode()


def capabilities(outcomes: list[Outcome]) -> Capabilities:
    """The capabilities of the one `Ready`."""
    (ready,) = outcomes
    assert isinstance(ready, Ready)
    return ready.capabilities
