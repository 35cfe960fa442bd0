"""One SMTP dialogue as a client has it, step by step (`smtplib`), for `arrowslit send`.

Terms: a step is what we said and what the server answered. Stops at the first refusal.
"""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import localtime, make_msgid

from arrowslit.documents.endpoint import Endpoint

_TIMEOUT = 60.0
_DATA = 354


@dataclass(frozen=True, slots=True)
class Message:
    """A test message. An empty `reverse_path` is the null one."""

    reverse_path: str
    recipients: tuple[str, ...]
    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class Step:
    """What was said, and the reply: its code and its text in one line."""

    said: str
    code: int
    reply: str

    @property
    def taken(self) -> bool:
        """True for 2yz and 3yz."""
        return 200 <= self.code < 400


def send_message(server: Endpoint, message: Message, source: str | None, helo: str, *, tls: bool) -> list[Step]:
    """The steps of the dialogue up to the reply to the message or to the first refusal.

    Raises OSError (also where the server closes without a reply), ValueError for an address that cannot be sent.
    """
    for address in (message.reverse_path, *message.recipients, helo):
        if any(c in address for c in "\r\n\0<> "):
            raise ValueError(f"{address!r} is no address that can be sent")
    client = smtplib.SMTP(timeout=_TIMEOUT, source_address=(source, 0) if source else None)
    steps: list[Step] = []
    try:
        for step in _dialogue(client, server, message, helo, tls):
            steps.append(step)
            if not step.taken:
                break
    except smtplib.SMTPServerDisconnected as error:
        raise ConnectionError(f"closed without a reply ({error})") from None
    finally:
        with contextlib.suppress(OSError):  # everything is answered; how the server says goodbye is nothing to us
            client.docmd("QUIT")
        client.close()
    return steps


def _dialogue(client: smtplib.SMTP, server: Endpoint, message: Message, helo: str, tls: bool) -> Iterator[Step]:
    yield _step("(connect)", client.connect(str(server.address), server.port))
    yield _step(f"EHLO {helo}", client.ehlo(helo))
    if tls:
        yield _step("STARTTLS", client.docmd("STARTTLS"))
        _start_tls(client)
        yield _step(f"EHLO {helo}", client.ehlo(helo))
    yield _step(f"MAIL FROM:<{message.reverse_path}>", client.docmd("MAIL", f"FROM:<{message.reverse_path}>"))
    for recipient in message.recipients:
        yield _step(f"RCPT TO:<{recipient}>", client.docmd("RCPT", f"TO:<{recipient}>"))
    yield from _data(client, message, helo)


def _start_tls(client: smtplib.SMTP) -> None:
    """The client's own `starttls` wants a name to check, and we have but an address."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if client.sock is not None:
        client.sock = context.wrap_socket(client.sock)
        client.file = None


def _data(client: smtplib.SMTP, message: Message, helo: str) -> Iterator[Step]:
    started = _step("DATA", client.docmd("DATA"))
    yield started
    if started.code == _DATA:
        octets = _written(message, helo).as_bytes(policy=SMTP)
        client.send(_stuffed(octets) + b".\r\n")
        yield _step(f"({len(octets)} octets)", client.getreply())


def _stuffed(octets: bytes) -> bytes:
    stuffed = octets.replace(b"\r\n.", b"\r\n..")
    return b"." + stuffed if stuffed.startswith(b".") else stuffed


def _written(message: Message, helo: str) -> EmailMessage:
    made = EmailMessage()
    made["From"] = message.reverse_path or f"arrowslit@{helo}"
    made["To"] = ", ".join(message.recipients)
    made["Subject"] = message.subject
    made["Date"] = localtime()
    made["Message-ID"] = make_msgid(domain=helo)
    made.set_content(message.body)
    return made


def _step(said: str, answer: tuple[int, bytes]) -> Step:
    code, text = answer
    return Step(said, code, " ".join(text.decode("utf-8", "backslashreplace").split("\n")))
