"""What is known of a client from the lines of Windows' SMTP service, which name no session.

Sessions are told apart by client address, HELO name and service, and several of one name mix. As long as greetings and
QUITs say that there is one, a MAIL ends what was before it; where there may be more, a recipient's reverse-path is told
only if all messages that may be under way have the same.

Whether a 550 refuses the relay or the mailbox is not told either. A refusal of the relay repeats the recipient, so a
reply that is too short for that was none of it (`User unknown`); any other 550 counts as a refusal for access, rather
than be left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from arrowslit.traffic.attempt import PERMITTED, REFUSED, REFUSED_OTHERWISE, Attempt
from arrowslit.traffic.formats.iis_lines import Line, path_of

SILENCE: Final = 600.0
"""Seconds after which the service itself gives up a client."""
_LONG: Final = 3600.0
"""Seconds after which a session of which no QUIT came is taken as over."""
_SESSIONS: Final = 100
_RELAY: Final = len("550 5.7.1 Unable to relay for \r\n")
"""Octets of a refusal of the relay, without the recipient that it names."""
_MAIL_ACCESS: Final = frozenset((530, 535, 550))
_RCPT_ACCESS: Final = frozenset((530, 550, 551))


@dataclass(slots=True)
class Client:
    """What is known of one client's sessions. `starts` are when they greeted, `mails` [reverse-path, time] of messages
    that may be under way (the path is None where it isn't told), of which `ended` are over; `fresh` are those without
    a recipient so far. `again`: TLS was agreed on, so that it greets again.
    """

    time: float
    starts: list[float] = field(default_factory=list)
    again: bool = False
    mails: list[list[Any]] = field(default_factory=list)
    ended: int = 0
    fresh: int = 0


def mail(client: Client, line: Line) -> Iterator[Attempt]:
    """A line of MAIL."""
    path, told = path_of(line.rest)
    if not _accepted(line.status):
        if line.status != 503:
            for_access = line.status in _MAIL_ACCESS
            yield _attempt(line, REFUSED if for_access else REFUSED_OTHERWISE, path, None, first=True)
        return
    client.starts = [start for start in client.starts if line.time - start < _LONG]
    if len(client.starts) <= 1:
        client.mails, client.ended, client.fresh = [], 0, 0
    _age(client, line.time)
    client.mails.append([path if told else None, line.time])
    client.fresh += 1


def _age(client: Client, now: float) -> None:
    """No recipient comes for a message that began so long ago."""
    young = [one for one in client.mails if now - one[1] < SILENCE][-_SESSIONS:]
    client.ended = max(client.ended - (len(client.mails) - len(young)), 0)
    client.mails, client.fresh = young, min(client.fresh, len(young))


def rcpt(client: Client, line: Line) -> Attempt:
    """A line of RCPT."""
    recipient, _ = path_of(line.rest)
    _age(client, line.time)
    first, client.fresh = client.fresh > 0, max(client.fresh - 1, 0)
    paths = {path for path, _ in client.mails}
    path = paths.pop() if len(paths) == 1 else None
    return _attempt(line, _told(line, recipient), path, recipient or None, first=first)


def other(client: Client, line: Line) -> None:
    """A line of another command."""
    if line.verb in {"HELO", "EHLO"} and _accepted(line.status):
        if not client.again:
            client.starts = [*client.starts, line.time][-_SESSIONS:]
        client.again = False
    elif line.verb == "STARTTLS":
        client.again = _accepted(line.status)
    elif line.verb == "QUIT":
        del client.starts[:1]
    elif line.verb in {"DATA", "BDAT"} and line.status != 503:
        client.ended += 1
        if client.ended >= len(client.mails):
            client.mails, client.ended, client.fresh = [], 0, 0


def _told(line: Line, recipient: str | None) -> str:
    if _accepted(line.status):
        return PERMITTED
    if line.status not in _RCPT_ACCESS:
        return REFUSED_OTHERWISE
    short = line.status == 550 and line.octets is not None and line.octets < _RELAY + len(recipient or "")
    return REFUSED_OTHERWISE if short and line.octets else REFUSED


def _accepted(status: int) -> bool:
    return 200 <= status < 300


def _attempt(line: Line, told: str, path: str | None, recipient: str | None, *, first: bool) -> Attempt:
    return Attempt(
        line.time,
        line.client,
        told,
        first=first,
        service=line.site,
        helo_name=None if line.name in {"-", ""} else line.name,
        reverse_path=path,
        forward_path=recipient,
        reply=str(line.status),
    )
