"""The lines of one SMTP session in Exchange's protocol log: commands, replies and notes, each in its turn.

Terms: a *command* waits until its reply comes; with PIPELINING (RFC 2920) replies come after later commands, and
always in the order of the commands. The log leaves lines out, so a reply that says which command it is of (`2.1.5`,
`354`) passes over those that wait before it.

Trust: lines of the client are a stranger's words; replies and notes are the server's own. XPROXYFROM, by which the
front end names the true client, counts only where the server accepted it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from arrowslit.traffic.attempt import PERMITTED, REPLY, Attempt
from arrowslit.traffic.formats.exchange_session import (
    GONE,
    HELD,
    Session,
    attempt_of,
    begun,
    dropped,
    ended,
    first_of,
    opened,
    recipient_of,
    released,
)
from arrowslit.traffic.formats.smtp_text import address_of, told_by

_TEXT: Final = 2000

_AUTH: Final = frozenset({"AUTH", "X-EXPS"})
_TLS: Final = frozenset({"STARTTLS", "X-ANONYMOUSTLS"})
_HELLO: Final = frozenset({"EHLO", "HELO"})
_PROXY: Final = frozenset({"XPROXYFROM", "XPROXY", "XPROXYTO"})
_KINDS: Final[tuple[tuple[str, frozenset[str]], ...]] = (
    ("250 2.1.0", frozenset({"MAIL"})),
    ("250 2.1.5 Recipient", frozenset({"RCPT"})),
    ("250 2.6.0", frozenset({"BDAT", "END"})),
    ("250 2.0.0 Resetting", frozenset({"RSET"})),
    ("250 XProxy", _PROXY),
    ("354", frozenset({"DATA"})),
    ("221", frozenset({"QUIT"})),
    ("220 2.0.0", _TLS),
    ("334", _AUTH),
    ("235", _AUTH),
    ("535", _AUTH),
)
"""How a reply begins, and which commands it can only be of."""
_XTEXT: Final = re.compile(r"\+([0-9A-F]{2})")
_OCTETS: Final = re.compile(r"\] (\d{1,15}) bytes in ")


# --- lines of the client ------------------------------------------------------------------------------------------


def command(session: Session, text: str, time: float) -> list[Attempt]:
    """A line of the client."""
    verb = text[:20].partition(" ")[0].partition(":")[0].upper()
    if session.challenged and not (" " in text and verb in _ACTIONS):
        return []
    session.challenged = False
    attempts = dropped(session, session.pending.pop(0)) if len(session.pending) >= HELD else []
    if verb in _HELLO:
        session.helo = text[5:].strip()
        session.tls, session.handshake = session.handshake or session.tls, False
    session.pending.append([verb, text[:_TEXT], time])
    return attempts


# --- replies ------------------------------------------------------------------------------------------------------


def reply(session: Session, text: str, time: float) -> list[Attempt]:
    """A line of the server's answer; all but the last of an answer have a hyphen behind the number."""
    if not text[:3].isdigit():
        return []
    if text[3:4] == "-":
        session.said = session.said or text[:3] + " " + text[4:_TEXT]
        return []
    whole, session.said = session.said or text, ""
    attempts, found = _answered(session, whole)
    if found is not None:
        action = _ACTIONS.get(found[0], _other)
        attempts += action(session, found, whole)
    elif whole[0] in "45" and not session.refusal and not session.pending and not GONE.match(whole):
        session.refusal = [time, whole[:REPLY]]
    return attempts


def _answered(session: Session, text: str) -> tuple[list[Attempt], list[Any] | None]:
    """The command that `text` answers, and what the ones come to that were passed over."""
    pending = session.pending
    verbs = next((verbs for start, verbs in _KINDS if text.startswith(start)), None)
    place = next((at for at, one in enumerate(pending) if verbs is None or one[0] in verbs), None)
    if place is None:
        return [], None
    passed = [attempt for one in pending[:place] for attempt in dropped(session, one)]
    found = pending[place]
    del pending[: place + 1]
    return passed, found


def _other(session: Session, one: list[Any], text: str) -> list[Attempt]:
    if one[0] in _HELLO and text[0] in "45" and not session.refusal:
        session.refusal = [one[2], text[:REPLY]]
    return []


def _mail(session: Session, one: list[Any], text: str) -> list[Attempt]:
    if text[0] == "2":
        return begun(session, one[1])
    if text.startswith("503") or GONE.match(text):
        return []
    session.asked = True
    refused = attempt_of(session, one[2], told_by(text), text, None, first=True)
    return [*ended(session, ""), refused._replace(reverse_path=recipient_of(one[1]))]


def _rcpt(session: Session, one: list[Any], text: str) -> list[Attempt]:
    if text.startswith("503"):
        return []
    if GONE.match(text):
        return dropped(session, one)
    path = recipient_of(one[1])
    if text[0] != "2":
        return [attempt_of(session, one[2], told_by(text), text, path, first=first_of(session))]
    attempts = released(session, PERMITTED, "") if len(session.held) >= HELD else []
    session.held.append([one[2], path, text[:REPLY], first_of(session)])
    return attempts


def _data(session: Session, one: list[Any], text: str) -> list[Attempt]:
    if text[0] == "3":
        session.pending.insert(0, ["END", "", one[2]])
        return []
    return _answer(session, text)


def _bdat(session: Session, one: list[Any], text: str) -> list[Attempt]:
    if text[0] == "2" and not one[1].upper().endswith(" LAST"):
        return []
    return _answer(session, text)


def _end(session: Session, _one: list[Any], text: str) -> list[Attempt]:
    return _answer(session, text)


def _answer(session: Session, text: str) -> list[Attempt]:
    """The message as a whole is answered."""
    if not session.held and text.startswith("503"):
        return []
    octets = _OCTETS.search(text)
    if octets is not None:
        session.size = int(octets[1])
    return ended(session, text)


def _reset(session: Session, _one: list[Any], _text: str) -> list[Attempt]:
    return ended(session, "")


def _auth(session: Session, one: list[Any], text: str) -> list[Attempt]:
    session.challenged = text[0] == "3"
    if text[0] == "3":
        session.pending.insert(0, one)
    elif text[0] == "2":
        session.user, session.server = session.user or None, one[0] == "X-EXPS"
    elif not session.refusal:
        session.refusal = [one[2], text[:REPLY]]
    return []


def _tls(session: Session, _one: list[Any], text: str) -> list[Attempt]:
    session.handshake = text[0] == "2"
    return []


def _proxy(session: Session, one: list[Any], text: str) -> list[Attempt]:
    if text[0] != "2":
        return []
    if one[0] == "XPROXYTO":
        session.outgoing = True
        return []
    said = dict(part.partition("=")[::2] for part in one[1].split(" ")[1:])
    session.of_front = said.get("SID", "")
    session.address = address_of(_plain(said.get("IP", "")))
    session.helo = _plain(said["DOMAIN"]) if said.get("DOMAIN") else None
    session.tls, session.certificate, session.server = None, None, False
    session.user = "" if said.get("AUTHSRC", "").casefold() == "anonymous" else None
    return []


def _plain(xtext: str) -> str:
    """RFC 3461, 4."""
    return _XTEXT.sub(lambda found: chr(int(found[1], 16)), xtext)


_ACTIONS: Final[dict[str, Callable[[Session, list[Any], str], list[Attempt]]]] = {
    "EHLO": _other,
    "HELO": _other,
    "MAIL": _mail,
    "RCPT": _rcpt,
    "DATA": _data,
    "BDAT": _bdat,
    "END": _end,
    "RSET": _reset,
    "AUTH": _auth,
    "X-EXPS": _auth,
    "STARTTLS": _tls,
    "X-ANONYMOUSTLS": _tls,
    "XPROXYFROM": _proxy,
    "XPROXY": _proxy,
    "XPROXYTO": _proxy,
}


# --- notes of the server ------------------------------------------------------------------------------------------


def note(session: Session, data: str, context: str) -> bool:
    """A line with a star; whether it told anything."""
    if context == "receiving message":
        if session.running and not session.transaction:
            session.transaction = data
        else:
            session.noted = data
    elif context == "authenticated":
        session.user = "" if data.upper().endswith("\\ANONYMOUS LOGON") else data
    elif "negotiation succeeded" in context and context.startswith("TLS protocol "):
        session.tls = True
    elif "EmptyCertificate" in context or "NoRemoteCertificate" in context:
        session.certificate = ""
    elif context == "Set Session Permissions" and not session.last:
        opened(session)
    else:
        return False
    return True
