"""What is known of a connection to Postfix's smtpd and of a message in its queue, until both have ended."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from arrowslit.traffic.attempt import PERMITTED, Attempt

_STATISTICS: Final = re.compile(r"disconnect from [^\s\[\]]+\[[^\]]+\](?P<counts>(?: [a-z]+=\d+(?:/\d+)?)*)$")


@dataclass(slots=True)
class Session:
    """One connection to smtpd. `tls` and `user` are None until they are told, at its end at the latest: so what came
    of it waits. `messages` are the queue ids of its messages, `refused` its refusals as plain values.
    """

    address: str
    name: str
    service: str
    tls: bool | None = None
    user: str | None = None
    messages: list[str] = field(default_factory=list)
    refused: list[list[Any]] = field(default_factory=list)


@dataclass(slots=True)
class Message:
    """One queue id, from `client=` on. `session` is the key of its smtpd's connection."""

    session: str
    address: str
    name: str
    service: str
    time: float
    user: str
    tls: bool | None = None
    open: bool = True
    path: str | None = None
    size: int | None = None
    recipients: dict[str, None] = field(default_factory=dict)
    done: float = 0.0


def learn(session: Session, message: str) -> None:
    """What the counts of `disconnect` tell of TLS and signing in (Postfix 3.0 and later have them)."""
    found = _STATISTICS.match(message)
    if found is None or "commands=" not in found["counts"]:
        return
    if session.tls is None:
        session.tls = " starttls=1" in found["counts"]
    if session.user is None and (" auth=" not in found["counts"] or " auth=0/" in found["counts"]):
        session.user = ""


def known_name(name: str | None) -> str | None:
    """The client's name; None where Postfix says unknown, for whatever reason."""
    return None if name is None or name == "unknown" else name


def attempts(queue_id: str, message: Message) -> list[Attempt]:
    """What a message comes to: its recipients were let in, whatever became of it later."""
    name = known_name(message.name)
    recipients = list(message.recipients)
    first = Attempt(
        message.time,
        message.address,
        PERMITTED,
        queue_id.partition(" ")[0],
        service=None if message.user and message.service == "smtpd" else message.service,
        client_name=name,
        reverse_name=name,
        tls=message.tls,
        authenticated_as=message.user,
        reverse_path=message.path,
        forward_path=recipients[0] if recipients else None,
        message_bytes=message.size,
    )
    return [first, *(first._replace(first=False, forward_path=one) for one in recipients[1:])]
