"""What is known of one session of hMailServer: how its client signs in, and the addresses that he writes."""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import dataclass, field
from typing import Any, Final

_PATH: Final = re.compile(r' *(?:<((?:"(?:[^"\\]|\\.)*"|[^<>"])*)>|([^\s<>"]+))(?: |$)')
_USER: Final = 320


@dataclass(slots=True)
class Session:
    """One connection. `waiting` are commands without a reply: verb, what follows it, and when. `lost` is set where
    replies can't be matched any more. `user` is None where it is not told.
    """

    address: str = ""
    begun: bool = False
    lost: bool = False
    helo: str | None = None
    tls: bool | None = None
    user: str | None = None
    asked: str = ""
    """What the server waits for: the rest of AUTH, or a handshake."""
    name: str | None = None
    path: str | None = None
    transaction: int = 0
    recipients: int = 0
    waiting: list[list[Any]] = field(default_factory=list)


def path_of(text: str) -> str | None:
    """The address between angle brackets; None where it is not plain what it is."""
    found = _PATH.match(text)
    if found is None:
        return None
    return found[2] if found[1] is None else found[1]


def answered(session: Session, line: str) -> None:
    """What the client answers to 334: his name comes first, in base64."""
    if session.asked == "name":
        session.name = _name(line)
    session.asked = ""


def signing_in(session: Session, verb: str, rest: str, reply: str) -> None:
    """What the server's reply to a step of AUTH comes to. `verb` is "REST" for what followed a 334."""
    if verb != "REST":
        session.name = _name(rest) if verb == "AUTH LOGIN" and rest.strip() else None
    if reply.startswith("334"):
        session.asked = "name" if verb == "AUTH LOGIN" and session.name is None else "rest"
    elif reply.startswith("235"):
        session.user, session.name = session.name, None
    else:
        session.name = None


def _name(text: str) -> str | None:
    try:
        return b64decode(text.strip()[: 2 * _USER], validate=True).decode("utf-8")[:_USER] or None
    except ValueError:
        return None
