"""OpenSMTPD's log (6.4 and later), in syslog and as it writes it to a terminal or a container.

What it tells: the client's address and its reverse name, which it does not confirm; TLS and signing in; recipients of
what was taken with their reverse-path; refused recipients without it. It doesn't tell the HELO name, nor recipients
that were accepted where no message followed. "550 Invalid recipient" stands for relaying that is not permitted and for
an unknown mailbox alike: so it is not told which. Lines outside of syslog bear no time: then the time is that of the
file.

Strangers write command text, and quotes in it are not escaped: a line with a second `" result="` does not tell where
the command ends. What a command signs in with stands in the log too, and is never taken.

Source of the format: the log of OpenSMTPD 6.8.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from arrowslit.traffic.attempt import PERMITTED, REFUSED, REFUSED_OTHERWISE, REFUSED_UNSAID, REPLY, Attempt
from arrowslit.traffic.formats.syslog_reader import EntryReader
from arrowslit.traffic.formats.written import path
from arrowslit.traffic.reader import Format
from arrowslit.traffic.syslog import Entry

_LINE: Final = re.compile(r"(?P<id>[0-9a-f]{16}) (?P<part>[a-z]+) (?P<event>[a-z-]+)(?: (?P<rest>.*))?", re.DOTALL)
_CONNECTED: Final = re.compile(r"address=(?P<address>local|\S+) host=(?P<host>.*)", re.DOTALL)
_COMMAND: Final = re.compile(
    r'command="(?P<word>RCPT TO|MAIL FROM|DATA)(?::? ?(?P<rest>.*))?" result="(?P<reply>[245][0-9]{2} .*)"',
    re.DOTALL | re.IGNORECASE,
)
_PATH: Final = re.compile(rf"{path('path')}(?: .*)?", re.DOTALL)
_ENVELOPE: Final = re.compile(r"evpid=(?P<evpid>[0-9a-f]{16}) from=<(?P<reverse>[^<>]*)> to=<(?P<path>[^<>]*)>")
_MESSAGE: Final = re.compile(r"msgid=(?P<id>[0-9a-f]{8}) size=(?P<size>[0-9]+) ")
_SIGNED_IN: Final = re.compile(r"user=(?P<user>.*) result=(?P<result>[a-z]+)", re.DOTALL)
_ACCESS: Final = re.compile(r"must issue an? (?:AUTH|STARTTLS) command", re.IGNORECASE)
_NOTHING: Final = re.compile(
    r"(?:info|warn|debug|trace|fatal|smtp-in|smtp-out|dispatcher|control|pony|queue|scheduler|lookup|ca|klondike)\b"
)
_OPEN_EVENTS: Final = frozenset({"connected", "tls", "authentication", "message", "envelope", "failed-command"})


@dataclass(slots=True)
class Session:
    """One connection. `message` is the newest message id, `size` its size, `told` whether a recipient of it came."""

    address: str
    name: str | None
    tls: bool = False
    user: str = ""
    message: str = ""
    size: int | None = None
    told: bool = False


class OpenSMTPDReader(EntryReader[Session]):
    """Keeps sessions by their id until they end."""

    kind = Session
    programs: ClassVar[re.Pattern[str]] = re.compile(r"(?:open)?smtpd")

    def __init__(self) -> None:
        super().__init__()
        self._piece_named = ""

    def line(self, text: str) -> Iterator[Attempt]:
        """A line as it comes out of the program."""
        if self._piece_named != self.piece.name and _LINE.match(text) is not None:
            self._piece_named = self.piece.name
            says = "the lines of this file bear no time: that of the file is taken for all; give the log of syslog"
            self.tally.problem(self.piece.name, 0, says)
        yield from self._message(text, self.piece.reference, text)

    def entry(self, entry: Entry, text: str) -> Iterator[Attempt]:
        """See `EntryReader`."""
        if entry.time is None:
            self.puzzled("there is no time in this line", text)
        else:
            yield from self._message(entry.message, entry.time, text)

    def _message(self, text: str, time: float, line: str) -> Iterator[Attempt]:
        found = _LINE.fullmatch(text)
        if found is None:
            if not text.strip() or _NOTHING.match(text):
                self.tally.skipped += 1
            else:
                self.puzzled("this is no line of OpenSMTPD", line)
            return
        key, event, rest = found["id"], found["event"], found["rest"] or ""
        if found["part"] != "smtp" or event not in _OPEN_EVENTS:
            ended = found["part"] == "smtp" and event == "disconnected" and self.open.pop(key, None) is not None
            self.tally.used += ended
            self.tally.skipped += not ended
        elif event == "connected":
            yield from self._connected(key, rest, line)
        elif event == "failed-command":
            yield from self._refused(key, rest, time)
        elif event == "envelope":
            yield from self._envelope(key, rest, time, line)
        else:
            self._learn(key, event, rest)

    def _connected(self, key: str, rest: str, line: str) -> Iterator[Attempt]:
        found = _CONNECTED.fullmatch(rest)
        if found is None:
            self.puzzled("this connection is not understood", line)
            return
        self.tally.used += 1
        address, host = found["address"].strip("[]").removeprefix("IPv6:"), found["host"]
        # A program of the machine itself is no client.
        if address != "local":
            yield from self.keep(key, Session(address, None if host == "<unknown>" else host))

    def _learn(self, key: str, event: str, rest: str) -> None:
        session = self.open.get(key)
        if session is None:
            self.tally.skipped += 1
            return
        self.tally.used += 1
        if event == "tls":
            session.tls = True
        elif event == "authentication":
            found = _SIGNED_IN.fullmatch(rest)
            if found is not None and found["result"] == "ok":
                session.user = found["user"]
        else:
            message = _MESSAGE.match(rest)
            session.told = False
            session.message, session.size = (message["id"], int(message["size"])) if message else ("", None)

    def _envelope(self, key: str, rest: str, time: float, line: str) -> Iterator[Attempt]:
        found = _ENVELOPE.fullmatch(rest)
        if found is None:
            self.puzzled("this envelope is not understood", line)
            return
        session = self.open.get(key)
        if session is None:
            self.tally.skipped += 1
            return
        self.tally.used += 1
        message = found["evpid"][:8]
        first = not (session.told and session.message == message)
        size = session.size if session.message == message else None
        session.message, session.size, session.told = message, size, True
        made = _attempt(session, time, PERMITTED, message)
        yield made._replace(
            first=first, reverse_path=found["reverse"], forward_path=found["path"], message_bytes=session.size
        )

    def _refused(self, key: str, rest: str, time: float) -> Iterator[Attempt]:
        found = _COMMAND.fullmatch(rest)
        session = self.open.get(key)
        if found is None or session is None:
            self.tally.skipped += 1
            return
        self.tally.used += 1
        word = found["word"].upper()
        sure = rest.count('" result="') == 1
        written = _PATH.fullmatch(found["rest"] or "") if sure else None
        named = None if written is None or "\\" in written["path"] else written["path"]
        made = _attempt(session, time, _class(found["reply"]) if sure else REFUSED_UNSAID, key)
        yield made._replace(
            reverse_path=named if word == "MAIL FROM" else None,
            forward_path=named if word == "RCPT TO" else None,
            reply=found["reply"][:REPLY] if sure else "",
        )

    def give_up(self, key: str, session: Session) -> Iterator[Attempt]:
        """A session of which the log does not have the end: it has told all."""
        del key, session
        return iter(())

    def state(self) -> dict[str, Any]:
        """See `Reader`."""
        return super().state() | {"piece": self._piece_named}

    def resume(self, state: dict[str, Any]) -> None:
        """See `Reader`."""
        super().resume(state)
        self._piece_named = state["piece"]


def _attempt(session: Session, time: float, told: str, key: str) -> Attempt:
    return Attempt(
        time,
        session.address,
        told,
        key,
        reverse_name=session.name,
        tls=session.tls,
        authenticated_as=session.user,
    )


def _class(reply: str) -> str:
    if _ACCESS.search(reply):
        return REFUSED
    return REFUSED_UNSAID if reply.startswith("550 Invalid recipient") else REFUSED_OTHERWISE


def _recognise(lines: Sequence[str]) -> int:
    return sum((found := _LINE.match(line)) is not None and found["part"] in _PARTS for line in lines)


_PARTS: Final = frozenset({"smtp", "mta", "mda", "scheduler", "queue"})

OPENSMTPD: Final = Format(
    "opensmtpd",
    "OpenSMTPD's log without the frame of syslog",
    _recognise,
    OpenSMTPDReader,
    "HELO names, times, and whether a refused recipient was relay or an unknown mailbox",
)
