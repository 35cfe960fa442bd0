"""Sendmail's log in syslog (log level 5 and up; 9 is usual): envelopes joined by queue id, TLS by process id.

What it tells: the client's address and its name, confirmed or not; reverse-path; recipients of what was taken by their
deliveries (maybe days later); refused ones; the daemon that took the connection (`MTA`, `MSA`). It doesn't tell the
HELO name. TLS and signing in have lines of their own, from log level 9 on: where the log has shown one of them, a
session without them had none. A refused recipient comes before the `from=` line of its envelope, and waits for it.

Source of the format: the log of Sendmail 8.17. See `sendmail_lines` for what strangers can write into a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Final

from arrowslit.traffic.attempt import NOT_TOLD, PERMITTED, REPLY, Attempt
from arrowslit.traffic.formats.sendmail_lines import (
    QUEUE_ID,
    From,
    Rejected,
    Relay,
    recipients,
    rejected,
    sender,
    session,
)
from arrowslit.traffic.formats.syslog_reader import EntryReader
from arrowslit.traffic.syslog import Entry

_HELD: Final = 1_000
"""Refusals of one envelope that wait, and recipients of it."""
_SESSIONS: Final = 50_000
_STALE: Final = 3_600.0
"""Seconds after which a process id may be another process."""


@dataclass(slots=True)
class Envelope:
    """One queue id. `number` is how many recipients were accepted; None before its `from=`."""

    process: str
    time: float
    address: str | None = None
    name: str | None = None
    confirmed: str | None = None
    service: str | None = None
    reverse: str | None = None
    size: int | None = None
    number: int | None = None
    tls: bool | None = None
    user: str | None = None
    to: list[str] = field(default_factory=list)
    refused: list[list[Any]] = field(default_factory=list)
    """Time, recipient, outcome, reply, reverse-path."""


@dataclass(slots=True)
class Connection:
    """What a process said of its client."""

    time: float
    address: str
    tls: bool = False
    user: str = ""


class SendmailReader(EntryReader[Envelope]):
    """Keeps envelopes by queue id, connections by process id."""

    kind = Envelope
    programs: ClassVar[re.Pattern[str]] = re.compile(r"sendmail|sm-mta(?:-[a-z0-9]+)?|sm-msp-queue")

    def __init__(self) -> None:
        super().__init__()
        self._connections: dict[str, Connection] = {}
        self._shows_tls = False
        self._shows_users = False

    def entry(self, entry: Entry, text: str) -> Iterator[Attempt]:
        """See `EntryReader`."""
        if entry.time is None:
            self.puzzled("there is no time in this line", text)
            return
        found = QUEUE_ID.fullmatch(entry.message)
        key, rest = ("", entry.message) if found is None else (found["id"], found["rest"])
        if rest.startswith("from="):
            yield from self._from(key, rest, entry.time, entry.pid, text)
        elif rest.startswith("to="):
            yield from self._to(key, rest)
        elif rest.startswith(("STARTTLS=server", "AUTH=server")):
            self._session(rest, entry.time, entry.pid)
        else:
            yield from self._other(key, rest, entry.time, entry.pid)

    # --- connections ----------------------------------------------------------------------------------------------

    def _session(self, rest: str, time: float, pid: str) -> None:
        found = session(rest)
        if found is None:
            self.tally.skipped += 1
            return
        self.tally.used += 1
        self._shows_tls = self._shows_users = True
        known = self._known(pid, found.relay.address, time) or Connection(time, found.relay.address)
        known.time = time
        if found.user is None:
            known.tls = True
        else:
            known.user = found.user
        self._connections.pop(pid, None)
        self._connections[pid] = known
        if len(self._connections) > _SESSIONS:
            del self._connections[next(iter(self._connections))]

    def _known(self, pid: str, address: str | None, time: float) -> Connection | None:
        known = self._connections.get(pid)
        if known is None or known.address != address or time - known.time > _STALE:
            return None
        known.time = time
        return known

    def _took(self, envelope: Envelope, relay: Relay, pid: str, protocol: str) -> None:
        """What is known of the client, put into the envelope."""
        envelope.address, envelope.name, envelope.confirmed = relay
        known = self._known(pid, relay.address, envelope.time)
        secure = protocol.upper() in {"ESMTPS", "ESMTPSA"}
        self._shows_tls |= secure
        if secure or (known is not None and known.tls):
            envelope.tls = True
        elif self._shows_tls:
            envelope.tls = False
        if known is not None and known.user:
            envelope.user = known.user
        elif self._shows_users and not protocol.upper().endswith("A"):
            envelope.user = ""

    # --- envelopes ------------------------------------------------------------------------------------------------

    def _from(self, key: str, rest: str, time: float, pid: str, line: str) -> Iterator[Attempt]:
        found = sender(rest)
        if found is None or not key:
            self.puzzled("this from= line is not understood", line)
            return
        envelope = self.open.pop(key, None) or Envelope(pid, time)
        if found.relay is None:
            # What the machine itself sends has no client.
            self.tally.skipped += 1
            return
        self.tally.used += 1
        self._close(envelope, found, found.relay, time, pid)
        yield from refusals(key, envelope)
        envelope.refused = []
        if found.number:
            yield from self.keep(key, envelope)

    def _close(self, envelope: Envelope, found: From, relay: Relay, time: float, pid: str) -> None:
        envelope.time = time
        self._took(envelope, relay, pid, found.protocol)
        envelope.reverse, envelope.service, envelope.number = found.reverse, found.daemon, found.number
        # 0 stands where no message followed.
        envelope.size = found.size or None

    def _to(self, key: str, rest: str) -> Iterator[Attempt]:
        envelope = self.open.get(key)
        if envelope is None or envelope.number is None:
            self.tally.skipped += 1
            return
        self.tally.used += 1
        for one in recipients(rest) or []:
            if one not in envelope.to and len(envelope.to) < _HELD:
                envelope.to.append(one)
        if len(envelope.to) >= envelope.number:
            del self.open[key]
            yield from self.give_up(key, envelope)

    def _other(self, key: str, rest: str, time: float, pid: str) -> Iterator[Attempt]:
        found = rejected(rest)
        if found is None:
            self.tally.skipped += 1
            return
        self.tally.used += 1
        if not key or key == "NOQUEUE":
            yield turned_away(found, time)
            return
        envelope = self.open.get(key)
        if envelope is None:
            envelope = Envelope(pid, time)
            yield from self.keep(key, envelope)
        if found.relay is not None and envelope.address is None:
            envelope.time = time
            self._took(envelope, found.relay, pid, "")
        if len(envelope.refused) < _HELD:
            to = found.path if found.stage == "rcpt" else None
            reverse = found.path if found.stage == "mail" else None
            envelope.refused.append([time, to, found.told or NOT_TOLD, found.reply[:REPLY], reverse])

    def give_up(self, key: str, session: Envelope) -> Iterator[Attempt]:
        """What an envelope comes to."""
        yield from refusals(key, session)
        if session.number:
            paths: list[str] | list[None] = session.to or [None]
            for number, one in enumerate(paths):
                yield _attempt(key, session, session.time, PERMITTED)._replace(
                    first=number == 0, forward_path=one, message_bytes=session.size
                )

    def state(self) -> dict[str, Any]:
        """See `Reader`."""
        return super().state() | {
            "connections": {key: asdict(one) for key, one in self._connections.items()},
            "shows": [self._shows_tls, self._shows_users],
        }

    def resume(self, state: dict[str, Any]) -> None:
        """See `Reader`."""
        super().resume(state)
        self._connections = {key: Connection(**one) for key, one in state["connections"].items()}
        self._shows_tls, self._shows_users = state["shows"]


def refusals(key: str, envelope: Envelope) -> Iterator[Attempt]:
    """The recipients of an envelope that were refused."""
    for number, (time, to, told, reply, reverse) in enumerate(envelope.refused):
        made = _attempt(key, envelope, time, told)
        yield made._replace(
            first=number == 0 and not envelope.number,
            forward_path=to,
            reverse_path=envelope.reverse if reverse is None else reverse,
            reply=reply,
        )


def turned_away(found: Rejected, time: float) -> Attempt:
    """A connection that was refused before it came to an envelope."""
    address, name, confirmed = (None, None, None) if found.relay is None else found.relay
    return Attempt(
        time,
        address,
        found.told or NOT_TOLD,
        client_name=confirmed,
        reverse_name=name,
        reply=found.reply[:REPLY],
    )


def _attempt(key: str, envelope: Envelope, time: float, told: str) -> Attempt:
    return Attempt(
        time,
        envelope.address,
        told,
        key,
        service=envelope.service,
        client_name=envelope.confirmed,
        reverse_name=envelope.name,
        tls=envelope.tls,
        authenticated_as=envelope.user,
        reverse_path=envelope.reverse,
    )
