"""hMailServer's log (`hmailserver_yyyy-mm-dd.log`, and the one of SMTP alone): commands and replies, line by line.

Fields stand between tabs: kind, thread, session, time in local time, the client's address, and the text between quotes
that may have more quotes in it, so this is no CSV. Only `SMTPD` is mail that comes in; `SMTPC` goes out, and `TCPIP`,
`APPLICATION` and `DEBUG` have fewer fields. `[nl]` is the end of a line within a reply. Sessions are told apart by
their number, which begins anew when the service starts: so the server's greeting begins a session.

Replies answer commands in turn. TLS is told by STARTTLS, or by the line of a handshake that names the session; on a
port where TLS begins at once it may not be told. The name that signed in is only in the log of AUTH LOGIN, and counts
once the server says 235.

A stranger writes what stands behind `RECEIVED: `, and nothing before it.

Source: the log that hMailServer 5.x writes, in public samples; its manual, "Error messages".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from arrowslit.mail.address import parse_address
from arrowslit.traffic.attempt import NOT_TOLD, PERMITTED, REFUSED, REFUSED_OTHERWISE, REPLY, Attempt
from arrowslit.traffic.formats.hmailserver_session import Session, answered, path_of, signing_in
from arrowslit.traffic.reader import Format, SessionReader

_KIND: Final = re.compile(r'"[A-Z][A-Z0-9]{2,11}"\t')
_NUMBERS: Final = re.compile(r"-?[0-9]{1,10}")
_HANDSHAKE: Final = re.compile(r"handshake completed\. Session Id: ([0-9]{1,10}),")
_ACCESS: Final = re.compile(
    r"delivery is not allowed|authentication is required|must issue (?:a )?starttls|not allowed to (?:send|relay)"
    r"|relay(?:ing)? (?:access )?(?:denied|not (?:allowed|permitted))|access denied",
    re.IGNORECASE,
)
_COMMAND: Final = re.compile(
    r"(MAIL FROM:|RCPT TO:|(?:EHLO|HELO|DATA|RSET|STARTTLS|AUTH LOGIN|AUTH|QUIT)(?=\s|$))", re.IGNORECASE
)
_HELD: Final = 200
"""Commands of one session that wait for a reply."""


class HMailServerReader(SessionReader[Session]):
    """Joins lines by session number."""

    kind = Session

    def line(self, text: str) -> Iterator[Attempt]:
        """One line."""
        if not text.strip():
            self.tally.skipped += 1
            return
        if not text.startswith('"SMTPD"\t'):
            yield from self._other(text)
            return
        fields = text.split("\t", 5)
        try:
            address, time = _checked(fields), self.clock.iso(fields[3][1:-1])
        except (ValueError, OverflowError):
            self.puzzled("this line does not have the fields of hMailServer's SMTPD lines", text)
            return
        says = fields[5][1:-1]
        if says.startswith("RECEIVED: "):
            self.tally.used += 1
            yield from self._received(fields[2], address, time, says[10:])
        elif says.startswith("SENT: "):
            self.tally.used += 1
            yield from self._sent(fields[2], address, time, says[6:].partition("[nl]")[0])
        else:
            self.tally.skipped += 1

    def _other(self, text: str) -> Iterator[Attempt]:
        """Other kinds of lines: only that of a handshake tells something."""
        if _KIND.match(text) is None:
            self.puzzled("this line is none of hMailServer's log", text)
            return
        found = None if text.startswith('"SMTPC"') else _HANDSHAKE.search(text)
        if found is None:
            self.tally.skipped += 1
            return
        self.tally.used += 1
        session = self.open.get(found[1])
        if session is not None and session.asked == "handshake":
            self._secured(session)
        else:
            # TLS from the beginning: the greeting comes later.
            yield from self.keep(found[1], Session(tls=True))

    def _session(self, key: str, address: str) -> Iterator[Attempt]:
        """See to it that `key` is open, for this client."""
        known = self.open.get(key)
        if known is not None and known.address not in {"", address}:
            yield from self.give_up(key, self.open.pop(key))
            known = None
        if known is None:
            yield from self.keep(key, Session(address))
        elif not known.address:
            known.address = address

    def _received(self, key: str, address: str, time: float, command: str) -> Iterator[Attempt]:
        yield from self._session(key, address)
        session = self.open[key]
        if session.asked == "handshake":
            self._secured(session)
        if session.asked:
            answered(session, command)
            session.waiting.append(["REST", "", time])
            return
        found = _COMMAND.match(command)
        verb = "OTHER" if found is None else found[1].upper()
        rest = "" if found is None else command[found.end() :]
        if verb == "RCPT TO:" and session.lost:
            yield self._attempt(key, session, [verb, rest, time], NOT_TOLD, "")
        elif not session.lost:
            session.waiting.append([verb, rest, time])
        if len(session.waiting) > _HELD:
            session.lost = True
            yield from self._unanswered(key, session)

    def _sent(self, key: str, address: str, time: float, reply: str) -> Iterator[Attempt]:
        known = self.open.get(key)
        if known is not None and known.begun and not known.waiting and reply.startswith("220 ") and not known.lost:
            # The numbers of sessions have begun anew.
            yield from self.give_up(key, self.open.pop(key))
        yield from self._session(key, address)
        session = self.open[key]
        if session.waiting:
            yield from self._replied(key, session, session.waiting.pop(0), reply)
        elif not session.begun and session.helo is None and not session.transaction:
            yield from self._greeted(key, session, time, reply)
        session.begun = True
        if reply.startswith(("221", "421")):
            yield from self.give_up(key, self.open.pop(key))

    def _greeted(self, key: str, session: Session, time: float, reply: str) -> Iterator[Attempt]:
        if reply.startswith("220"):
            session.user = ""
        elif reply.startswith(("4", "5")):
            yield self._attempt(key, session, ["", "", time], _refused(reply), reply)

    def _replied(self, key: str, session: Session, command: list[Any], reply: str) -> Iterator[Attempt]:
        verb, rest, _ = command
        good = reply.startswith("2")
        if verb in {"EHLO", "HELO"} and good:
            session.helo, session.path = rest.strip(), None
        elif verb == "MAIL FROM:":
            session.path, session.transaction, session.recipients = path_of(rest), session.transaction + 1, 0
            if not good:
                yield self._attempt(key, session, [verb, "", command[2]], _refused(reply), reply)
        elif verb == "RCPT TO:":
            yield self._attempt(key, session, command, PERMITTED if good else _refused(reply), reply)
        elif verb == "RSET":
            session.path = None
        elif verb in {"AUTH", "AUTH LOGIN", "REST"}:
            signing_in(session, verb, rest, reply)
        elif verb == "STARTTLS" and reply.startswith("220"):
            session.asked = "handshake"

    def _secured(self, session: Session) -> None:
        """TLS begins, and the session anew (RFC 3207, 4.2)."""
        session.tls, session.asked, session.helo, session.path = True, "", None, None

    def _attempt(self, key: str, session: Session, command: list[Any], told: str, reply: str) -> Attempt:
        recipient = command[0] == "RCPT TO:"
        session.recipients += recipient
        return Attempt(
            command[2],
            session.address,
            told,
            f"{key}.{session.transaction}" if session.transaction else key,
            not recipient or session.recipients == 1,
            helo_name=session.helo,
            tls=session.tls,
            authenticated_as=session.user,
            reverse_path=session.path,
            forward_path=path_of(command[1]) if recipient else None,
            reply=reply[:REPLY],
        )

    def _unanswered(self, key: str, session: Session) -> Iterator[Attempt]:
        waiting, session.waiting = session.waiting, []
        for command in waiting:
            if command[0] == "RCPT TO:":
                yield self._attempt(key, session, command, NOT_TOLD, "")

    def give_up(self, key: str, session: Session) -> Iterator[Attempt]:
        """Recipients that the log has no reply to."""
        yield from self._unanswered(key, session)


def _checked(fields: Sequence[str]) -> str:
    """The client's address. Raises ValueError where the fields are not those of a line of SMTPD."""
    if len(fields) != 6 or not all(_NUMBERS.fullmatch(number) for number in fields[1:3]):
        raise ValueError("fields")
    if not all(len(quoted) >= 2 and quoted[0] == quoted[-1] == '"' for quoted in fields[3:]):
        raise ValueError("quotes")
    return str(parse_address(fields[4][1:-1]))


def _refused(reply: str) -> str:
    return REFUSED if _ACCESS.search(reply) else REFUSED_OTHERWISE


def _recognise(lines: Sequence[str]) -> int:
    return sum(_KIND.match(line) is not None for line in lines)


HMAILSERVER: Final = Format(
    "hmailserver",
    "hMailServer's log",
    _recognise,
    HMailServerReader,
    "the listener; TLS that begins with the connection; who signed in otherwise than by AUTH LOGIN",
)
