"""What is known of one SMTP session of Exchange's protocol log, and the attempts that it comes to.

An accepted recipient is *held* until the message is answered: a message that is refused as a whole was not let in.
What fills a session: `exchange_dialogue`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from arrowslit.traffic.attempt import NOT_TOLD, PERMITTED, REPLY, Attempt
from arrowslit.traffic.formats.smtp_text import argument_of, declared_size, is_loopback, path_in, told_by

HELD: Final = 1000
"""Commands that wait, and recipients that are held, of one session at most."""
GONE: Final = re.compile(r"4\d\d 4\.(?:7\.0 Timeout|4\.\d)")
"""The client said nothing more, or was gone: nobody was refused."""
_CHECKS: Final = ("healthmailbox", "inboundproxy@", "maildeliveryprobe@")


@dataclass(slots=True)
class Session:
    """What is known so far. `key` is the log's session id; `tls`, `user`, `certificate` are None until they are told,
    as they stay where the beginning is missing. `pending` holds [verb, text, time], `held` [time, path, reply, first].
    `of_front` is the session id of the front end where that named the client; `server` is told of another Exchange
    server of the organisation, `outgoing` of mail that it has the front end send.
    """

    key: str
    service: str | None
    address: str | None
    local: str
    helo: str | None = None
    tls: bool | None = None
    user: str | None = None
    certificate: str | None = None
    handshake: bool = False
    challenged: bool = False
    pending: list[list[Any]] = field(default_factory=list)
    said: str = ""
    last: str = ""
    noted: str = ""
    transaction: str = ""
    running: bool = False
    first: bool = True
    path: str | None = None
    size: int | None = None
    held: list[list[Any]] = field(default_factory=list)
    asked: bool = False
    refusal: list[Any] = field(default_factory=list)
    of_front: str = ""
    server: bool = False
    outgoing: bool = False


def opened(session: Session) -> None:
    """The log has its beginning: nobody signed in yet, and there is no TLS yet."""
    session.tls, session.user = False, ""


def begun(session: Session, text: str) -> list[Attempt]:
    """A MAIL was accepted; what was before it is over."""
    attempts = ended(session, "")
    path, parameters = path_in(argument_of(text) or "")
    session.asked, session.running, session.first = True, True, True
    session.path, session.size = path, declared_size(parameters)
    session.transaction, session.noted = session.noted, ""
    return attempts


def dropped(session: Session, one: list[Any]) -> list[Attempt]:
    """A command of which the log does not have the reply."""
    verb, text, time = one
    if verb == "MAIL":
        return begun(session, text)
    if verb == "RCPT" and session.running:
        return [attempt_of(session, time, NOT_TOLD, "", recipient_of(text), first=first_of(session))]
    return []


def closed(session: Session) -> list[Attempt]:
    """What is left of a session that is over, or of which the end is missing."""
    attempts = [attempt for one in session.pending for attempt in dropped(session, one)]
    session.pending = []
    attempts += ended(session, "")
    if session.refusal and not session.asked:
        time, text = session.refusal
        attempts.append(attempt_of(session, time, told_by(text), text, None, first=True))
    return attempts


def ended(session: Session, text: str) -> list[Attempt]:
    """A transaction is over; `text` is what its message was answered, "" where it came to none."""
    told = told_by(text) if text and not GONE.match(text) else PERMITTED
    attempts = released(session, told, "" if told == PERMITTED else text)
    session.running, session.path, session.size, session.transaction = False, None, None, ""
    return attempts


def released(session: Session, told: str, text: str) -> list[Attempt]:
    """What the recipients that are held come to."""
    held, session.held = session.held, []
    return [attempt_of(session, time, told, text or reply, path, first=first) for time, path, reply, first in held]


def first_of(session: Session) -> bool:
    """Whether this is the first recipient of the transaction."""
    was, session.first = session.first, False
    return was


def recipient_of(text: str) -> str | None:
    """The path in a command."""
    return path_in(argument_of(text) or "")[0]


def attempt_of(session: Session, time: float, told: str, text: str, recipient: str | None, *, first: bool) -> Attempt:
    """An attempt with all that is known of the session."""
    return Attempt(
        time,
        session.address,
        told,
        session.transaction or session.key,
        first,
        service=session.service,
        helo_name=session.helo,
        tls=session.tls,
        certificate=session.certificate,
        authenticated_as=session.user,
        reverse_path=session.path,
        forward_path=recipient or None,
        message_bytes=session.size,
        reply=text[:REPLY],
    )


def is_own(session: Session, attempt: Attempt) -> bool:
    """Whether Exchange made it itself: one server of the organisation for another, or a health check, which comes
    from the server itself and goes to mailboxes of its own.
    """
    if session.outgoing or (session.server and (attempt.authenticated_as or "").endswith("$")):
        return True
    if not (is_loopback(attempt.client_address) or attempt.client_address == session.local):
        return False
    ends = (attempt.forward_path or "", attempt.reverse_path or "")
    return any(end.casefold().startswith(_CHECKS) for end in ends)
