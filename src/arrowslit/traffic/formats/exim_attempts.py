"""What becomes of Exim's lines as attempts: messages with their recipients, refusals with their class."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from arrowslit.traffic.attempt import PERMITTED, REFUSED, REFUSED_OTHERWISE, REFUSED_UNSAID, REPLY, Attempt
from arrowslit.traffic.formats.exim_lines import Client, GivenUp, Refused, stage_and_path

_ACCESS: Final = re.compile(
    r"relay|not permitted|access denied|not (?:allowed|authori[sz]ed)|unauthori[sz]ed|blocked host"
    r"|authenticat|sign in|log in first|encrypt|starttls|\btls\b|certificate|\b5\.7\.1\b.*\bonly\b",
    re.IGNORECASE,
)
_OTHERWISE: Final = re.compile(
    r"unrouteable|unknown user|user unknown|no such|verify failed|sender verif|greylist|try again later|spam|virus"
    r"|black ?list|dnsbl|listed (?:at|in)|spamhaus|too many|too big|quota|syntax|malformed|helo",
    re.IGNORECASE,
)
_CONTENT: Final = ("after DATA", "by ", "during ", "DATA")
_TURNED_AWAY: Final = re.compile(
    r"(?:refused connection from (?:[^\s()]+ )?\[(?P<host>[0-9A-Fa-f.:]+)\](?::[0-9]+)?(?: I=\S+)? "
    r"\((?:host_reject_connection|tcp wrappers)\)"
    r"|Connection from \[(?P<many>[0-9A-Fa-f.:]+)\](?::[0-9]+)?(?: I=\S+)? refused: .*)",
)


@dataclass(slots=True)
class Message:
    """One message id. `to` is what `for` had, `delivered` what the deliveries had; `time` 0 before it arrived."""

    time: float = 0.0
    address: str | None = None
    name: str | None = None
    helo: str | None = None
    listener: str | None = None
    reverse: str | None = None
    tls: bool | None = None
    user: str | None = None
    size: int | None = None
    to: list[str] | None = None
    delivered: list[str] = field(default_factory=list)


def of_message(key: str, message: Message) -> Iterator[Attempt]:
    """What a message comes to: its recipients were let in, whatever became of it later."""
    if not message.time:
        return
    client = Client(message.address, message.name, message.helo, message.listener)
    made = _attempt(message.time, client, PERMITTED, key)
    made = made._replace(
        tls=message.tls, authenticated_as=message.user, reverse_path=message.reverse, message_bytes=message.size
    )
    yield from _each(made, _recipients(message))


def of_given_up(found: GivenUp, time: float, key: str) -> Iterator[Attempt]:
    """The recipients that were accepted in a transaction that came to no message."""
    made = _attempt(time, found.client, PERMITTED, key)
    yield from _each(made._replace(reverse_path=found.reverse), found.to or [])


def of_refusal(found: Refused, time: float, key: str) -> Attempt:
    """A refusal of a recipient, or of all that a client wanted."""
    stage, path = stage_and_path(found.what)
    made = _attempt(time, found.client, _class(found.what), key)
    return made._replace(
        tls=found.tls,
        authenticated_as=found.user,
        reverse_path=path if stage == "MAIL" else found.reverse,
        forward_path=path if stage == "RCPT" else None,
        reply=found.what[:REPLY],
    )


def of_turned_away(text: str, time: float, key: str) -> Attempt | None:
    """A connection that was refused before it came to a session; None where the line is none of that."""
    found = _TURNED_AWAY.fullmatch(text)
    if found is None:
        return None
    told = REFUSED if found["host"] else REFUSED_OTHERWISE
    return Attempt(time, found["host"] or found["many"], told, key, reply=text[:REPLY])


def _attempt(time: float, client: Client, told: str, key: str) -> Attempt:
    return Attempt(
        time,
        client.address,
        told,
        key,
        service=None if client.listener is None else f":{client.listener}",
        client_name=client.name,
        reverse_name=client.name,
        helo_name=client.helo,
    )


def _each(made: Attempt, recipients: list[str]) -> Iterator[Attempt]:
    paths: list[str] | list[None] = recipients or [None]
    for number, path in enumerate(paths):
        yield made._replace(first=number == 0, forward_path=path)


def _recipients(message: Message) -> list[str]:
    """Those of `for`. Those of the deliveries where there is no `for`, or it has others: a Message-ID can look so."""
    if message.to is None:
        return message.delivered
    listed = {one.lower() for one in message.to}
    return message.to if all(one.lower() in listed for one in message.delivered) else message.delivered


def _class(what: str) -> str:
    """Whether it was refused for access. An ACL may refuse without a word: then it is not told why."""
    if what.startswith(_CONTENT):
        return REFUSED_OTHERWISE
    stage, path = stage_and_path(what)
    words = what if path is None else what[what.find(f"<{path}>") + len(path) + 2 :]
    if stage and not words.strip(" :"):
        return REFUSED_UNSAID
    if _OTHERWISE.search(words):
        return REFUSED_OTHERWISE
    if what.startswith("connection in ") or _ACCESS.search(words):
        return REFUSED
    return REFUSED_OTHERWISE
