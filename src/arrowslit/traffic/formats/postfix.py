"""Postfix's log (3.x and older): smtpd, postscreen, the queue manager and whoever delivers, joined by queue id.

What it tells: the client's address and its forward-confirmed name always; the recipients that were accepted only by
their deliveries, maybe days later (`orig_to` is what was written in RCPT); refused ones with reverse-path and HELO
name; TLS and signing in from the `client=` line and the counts behind `disconnect`. "unknown" as client name may mean
that there is no name, that it is not confirmed, or that DNS failed: so it tells nothing. The HELO name of accepted
mail is not told.

Strangers write HELO names, addresses and command text: the server's own fields come first in a line, so it is read
from the left, and where a line bears a mark (`from=<`, `to=<`) twice, what stands there is not taken.

A message that comes back from a content filter (`orig_client=`, or by the queue id that the filter's answer names)
is the same message, and counts once. postscreen hands whom it lets pass to smtpd, which logs him again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import chain
from typing import Any, ClassVar, Final

from arrowslit.traffic.attempt import REFUSED, REPLY, Attempt
from arrowslit.traffic.formats.postfix_parts import Message, Session, attempts, learn
from arrowslit.traffic.formats.postfix_refusals import REJECT, refusal
from arrowslit.traffic.formats.syslog_reader import EntryReader
from arrowslit.traffic.formats.written import path
from arrowslit.traffic.reader import OPEN
from arrowslit.traffic.syslog import Entry

_CLIENT: Final = re.compile(r"(?P<name>[^\s\[\]]+)\[(?P<address>[^\]]+)\](?::\d+)?")
_QUEUE_ID: Final = re.compile(r"(?P<id>[0-9A-F]{5,20}|[0-9A-Za-z]{10,25}): (?P<rest>.*)", re.DOTALL)
_SASL: Final = re.compile(r"sasl_username=(?P<user>\S+?)(?=, (?:sasl_sender|orig_queue_id|orig_client)=|$)")
_DELIVERY: Final = re.compile(rf"to={path('to')}, (?:orig_to={path('original')}, )?relay=")
_ARRIVAL: Final = re.compile(r"from=<(?P<path>.*)>, size=(?P<size>\d+), nrcpt=\d+ ")
_AGAIN: Final = re.compile(r"queued as (?P<id>[0-9A-Za-z]{5,25})\)?$")
_SCREENED: Final = re.compile(
    r"(?P<word>DENYLISTED|BLACKLISTED|PASS NEW|PASS OLD|DISCONNECT|HANGUP)\b.* ?\[(?P<address>[^\]]+)\]:(?P<port>\d+)$"
)
_LATER: Final = 60.0
"""Seconds of the log that mail from the machine itself waits, to see whether a filter has sent it back."""
_WHOLE: Final = frozenset({"DATA", "BDAT", "END-OF-MESSAGE"})
"""Stages at which the whole message is refused, and with it the recipients that were taken before."""
_BACK: Final = 10_000
_LONGEST: Final = 200
"""Characters of a program's name that is remembered."""
_HELD: Final = 200
"""Messages, and refusals, of one session that wait for its end."""
_DELIVERERS: Final = frozenset({"local", "smtp", "lmtp", "virtual", "pipe", "error", "discard", "relay", "retry"})
_LOOPBACK: Final = ("127.", "::1")


class PostfixReader(EntryReader[Message]):
    """Joins the lines of all of Postfix's programs. `open` holds messages, `sessions` connections by process id."""

    kind = Message
    programs: ClassVar[re.Pattern[str]] = re.compile(r"(?:postfix[\w.-]*|haproxy)/(?:[\w.:\[\]-]+/)*[a-z-]+")

    def __init__(self) -> None:
        super().__init__()
        self.sessions: dict[str, Session] = {}
        self._programs: dict[str, tuple[str, str]] = {}
        self._later: dict[str, Message] = {}
        self._back: dict[str, None] = {}

    def entry(self, entry: Entry, text: str) -> Iterable[Attempt]:
        """See `EntryReader`."""
        if entry.time is None:
            self.puzzled("there is no time in this line", text)
            return ()
        daemon, service = self._programs.get(entry.program) or self._program(entry.program)
        made: Iterable[Attempt] = ()
        if daemon == "smtpd":
            made = self._smtpd(entry, entry.time, service)
        elif daemon == "qmgr":
            made = self._queue_manager(entry, entry.time)
        elif daemon in _DELIVERERS:
            self._delivery(entry)
        elif daemon == "postscreen":
            made = self._postscreen(entry, entry.time, service)
        elif daemon == "cleanup" and ": milter-reject: " in entry.message:
            made = self._rejected(entry, entry.time, service)
        else:
            self.tally.skipped += 1
        return chain(made, self._ripe(entry.time)) if self._later else made

    def _program(self, program: str) -> tuple[str, str]:
        parts = program.split("/")
        known = (parts[-1], "/".join(parts[1:]))
        if len(self._programs) < 10_000 and len(program) <= _LONGEST:
            self._programs[program] = known
        return known

    # --- smtpd ----------------------------------------------------------------------------------------------------

    def _smtpd(self, entry: Entry, time: float, service: str) -> Iterable[Attempt]:
        message = entry.message
        if message.startswith("disconnect from "):
            self.tally.used += 1
            return self._disconnected(_here(entry.pid, entry), message)
        if message.startswith("connect from "):
            found = _CLIENT.fullmatch(message, 13)
            if found is not None:
                self.tally.used += 1
                self._connected(_here(entry.pid, entry), found, service)
                return ()
        start = message[:60]
        if ": client=" in start:
            return self._client(entry, time, service)
        if "reject: " in start or ": warn: " in start:
            return self._rejected(entry, time, service)
        session = self.sessions.get(_here(entry.pid, entry)) if "TLS connection established from " in start else None
        if session is None:
            self.tally.skipped += 1
        else:
            self.tally.used += 1
            session.tls = True
        return ()

    def _connected(self, pid: str, found: re.Match[str], service: str) -> None:
        wrapped = True if service.startswith(("smtps", "submissions")) else None
        self.sessions[pid] = Session(found["address"], found["name"], service, tls=wrapped)
        if len(self.sessions) > 100_000:
            del self.sessions[next(iter(self.sessions))]

    def _client(self, entry: Entry, time: float, service: str) -> Iterable[Attempt]:
        found = _QUEUE_ID.fullmatch(entry.message)
        client = None if found is None else _CLIENT.match(found["rest"], 7)
        if found is None or client is None:
            self.puzzled("this client= line is not understood", entry.message)
            return ()
        self.tally.used += 1
        queue_id, pid = _here(found["id"], entry), _here(entry.pid, entry)
        if "orig_client=" in found["rest"] or "orig_queue_id=" in found["rest"] or queue_id in self._back:
            self._back.pop(queue_id, None)
            return ()
        user = _SASL.search(found["rest"], client.end())
        session = self.sessions.get(pid)
        known = session is not None and session.address == client["address"]
        if known and session is not None:
            session.user = user["user"] if user else session.user or ""
            session.messages.append(queue_id)
        message = Message(
            pid if known else "",
            client["address"],
            client["name"],
            service,
            time,
            user["user"] if user else "",
            session.tls if known and session is not None else None,
            open=known,
        )
        self.open[queue_id] = message
        if known and session is not None and len(session.messages) > _HELD:
            return self._ended(pid, session, _HELD // 2)
        return self.close_oldest() if len(self.open) > OPEN else ()

    def _disconnected(self, pid: str, message: str) -> Iterable[Attempt]:
        session = self.sessions.pop(pid, None)
        if session is None:
            return ()
        learn(session, message)
        if session.refused or session.messages:
            return self._ended(pid, session, len(session.messages))
        return ()

    def _ended(self, pid: str, session: Session, number: int) -> Iterator[Attempt]:
        """What waited for the end of a session, the first `number` messages of it."""
        for one in session.refused:
            refused = Attempt(*one)
            tls = session.tls if refused.tls is None else refused.tls
            user = refused.authenticated_as
            # Who signed in before the end may have done so after the refusal; who did not, did not before it either.
            yield refused._replace(tls=tls, authenticated_as=user if user is not None or session.user else session.user)
        session.refused = []
        ended, session.messages = session.messages[:number], session.messages[number:]
        for queue_id in ended:
            message = self.open.get(queue_id)
            if message is not None and message.session == pid:
                message.open = False
                message.tls = session.tls if message.tls is None else message.tls
                if message.done:
                    yield from self._whole(queue_id)

    def _rejected(self, entry: Entry, time: float, service: str) -> Iterable[Attempt]:
        queue_id, _, rest = entry.message.partition(": ")
        found = REJECT.fullmatch(rest)
        if found is None:
            self.puzzled("this refusal is not understood", entry.message)
            return ()
        if found["what"] not in {"reject", "milter-reject"} or found["stage"] in {"VRFY", "ETRN"}:
            self.tally.skipped += 1
            return ()
        self.tally.used += 1
        if found["stage"] in _WHOLE:
            self.open.pop(_here(queue_id, entry), None)
        session = self.sessions.get(_here(entry.pid, entry))
        if session is not None and session.address != found["address"]:
            session = None
        made = refusal(found, time, "" if queue_id == "NOQUEUE" else queue_id, entry.pid, service, session)
        made = made._replace(repeats=self.times)
        if session is None or len(session.refused) >= _HELD:
            return (made,)
        session.refused.append(list(made))
        return ()

    # --- the queue ------------------------------------------------------------------------------------------------

    def _queue_manager(self, entry: Entry, time: float) -> Iterable[Attempt]:
        queue_id, _, rest = entry.message.partition(": ")
        queue_id = _here(queue_id, entry)
        known = self.open.get(queue_id)
        if known is None:
            self.tally.skipped += 1
            return ()
        if rest == "removed":
            self.tally.used += 1
            known.done = time
            return () if known.open and known.session in self.sessions else self._whole(queue_id)
        found = _ARRIVAL.match(rest)
        if found is None:
            self.tally.skipped += 1
            return ()
        self.tally.used += 1
        known.path, known.size = found["path"], int(found["size"])
        return ()

    def _delivery(self, entry: Entry) -> None:
        queue_id, _, rest = entry.message.partition(": ")
        queue_id = _here(queue_id, entry)
        known = self.open.get(queue_id)
        found = _DELIVERY.match(rest)
        if found is None or (known is None and queue_id not in self._later):
            self.tally.skipped += 1
            return
        self.tally.used += 1
        if known is not None:
            known.recipients[found["to"] if found["original"] is None else found["original"]] = None
        again = _AGAIN.search(rest)
        if again is not None and "127.0.0.1" in rest:
            self._brought_back(_here(again["id"], entry))

    def _brought_back(self, queue_id: str) -> None:
        """What a content filter has sent back is the same message."""
        known = self.open.pop(queue_id, None) is not None
        if self._later.pop(queue_id, None) is None and not known:
            self._back[queue_id] = None
            if len(self._back) > _BACK:
                del self._back[next(iter(self._back))]

    def _whole(self, queue_id: str) -> Iterable[Attempt]:
        message = self.open.pop(queue_id)
        if message.address.startswith(_LOOPBACK):
            self._later[queue_id] = message
            return ()
        return attempts(queue_id, message)

    def _ripe(self, time: float) -> Iterator[Attempt]:
        while self._later:
            queue_id, message = next(iter(self._later.items()))
            if time - message.done <= _LATER and len(self._later) < 10_000:
                return
            del self._later[queue_id]
            yield from attempts(queue_id, message)

    # --- postscreen -----------------------------------------------------------------------------------------------

    def _postscreen(self, entry: Entry, time: float, service: str) -> Iterator[Attempt]:
        message = entry.message
        if "reject: " in message[:60]:
            found = REJECT.fullmatch(message.partition(": ")[2])
            if found is not None:
                self.tally.used += 1
                key = f"[{found['address']}]:{found['port']}"
                denied = self.sessions.pop(key, None)
                made = refusal(found, time, "", key, service, None, access=denied is not None)
                yield made._replace(repeats=self.times)
                return
        found = _SCREENED.match(message)
        if found is None or found["word"].startswith("PASS"):
            self.tally.skipped += 1
            return
        self.tally.used += 1
        key = f"[{found['address']}]:{found['port']}"
        if found["word"] in {"DENYLISTED", "BLACKLISTED"}:
            self.sessions[key] = Session(found["address"], "unknown", service)
        elif self.sessions.pop(key, None) is not None:
            yield Attempt(time, found["address"], REFUSED, key, service=service, reply=message[:REPLY])

    # --- the end --------------------------------------------------------------------------------------------------

    def give_up(self, key: str, session: Message) -> Iterator[Attempt]:
        """A message of which the log does not have the end."""
        yield from attempts(key, session)

    def end(self) -> Iterator[Attempt]:
        """See `Reader`."""
        for pid in list(self.sessions):
            yield from self._disconnected(pid, "")
        yield from super().end()
        for queue_id, message in self._later.items():
            yield from attempts(queue_id, message)
        self._later = {}

    def state(self) -> dict[str, Any]:
        """See `Reader`."""
        return super().state() | {
            "sessions": {key: asdict(one) for key, one in self.sessions.items()},
            "later": {key: asdict(one) for key, one in self._later.items()},
            "back": list(self._back),
        }

    def resume(self, state: dict[str, Any]) -> None:
        """See `Reader`."""
        super().resume(state)
        self.sessions = {key: Session(**one) for key, one in state["sessions"].items()}
        self._later = {key: Message(**one) for key, one in state["later"].items()}
        self._back = dict.fromkeys(state["back"])


def _here(name: str, entry: Entry) -> str:
    """A queue id or a process id, which several servers may have at once, with the server's own name."""
    return f"{name} {entry.host}"
