"""The commands of the server side: one line read, one event (RFC 5321 4.1, 4.3.2).

What is looked at, in this order: is it SMTP at all, is the verb known, is the line short enough, are its octets in
order, may the verb come now, is its argument right. Never answers anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from arrowslit.smtp import commands, replies, xclient
from arrowslit.smtp.conversation import LINE_OCTETS, Conversation
from arrowslit.smtp.events import AuthStart, BdatStart, Data, Event, Fault, Noop, Quit, Rset, StartTls
from arrowslit.smtp.states import State, Step

_DATA: Final = Data()
_BDAT_START: Final = BdatStart()
_START_TLS: Final = StartTls()
_SIMPLE: Final[dict[str, tuple[Event, Step]]] = {
    "RSET": (Rset(), Step.RSET),
    "QUIT": (Quit(), Step.QUIT),
    **{verb: (Noop(verb), Step.NOOP) for verb in ("NOOP", "VRFY", "EXPN", "HELP")},
}
_READY: Final = State.READY
_MAIL: Final = Step.MAIL
_RCPT: Final = Step.RCPT
_BARE: Final = frozenset(b"\r\n\0")
_TAKING_RCPT: Final = frozenset({State.MAIL, State.TRIED, State.RCPT})

_Read = Callable[[Conversation, str, bytes], Event | None]


def read_command(talk: Conversation) -> Event | None:
    """The next command's event, or None where its line is not complete."""
    if talk.drain and not talk.drained():
        return None
    buffer = talk.buffer
    octets = len(buffer)
    if talk.start >= octets:
        return None
    if not talk.start and 2 <= octets <= LINE_OCTETS and buffer.find(b"\r\n") == octets - 2 and not talk.overlong:
        talk.buffer = b""  # one command alone, as most come
        return _dispatch(talk, buffer[:-2])
    line = talk.read_line()
    if line is None:
        return talk.fault(replies.NOT_SMTP) if _cant_become_smtp(talk) else None
    return talk.fault(line) if isinstance(line, Fault) else _dispatch(talk, line)


def _dispatch(talk: Conversation, line: bytes) -> Event | None:
    verb, _, argument = line.partition(b" ")
    command = _COMMANDS.get(verb) or _COMMANDS.get(verb.upper())
    if command is None:
        return talk.fault(_unknown(talk, line, verb))
    name, allowance, read = command
    if len(line) + 2 > allowance + talk.settings.command_octets:
        return talk.fault(replies.COMMAND_TOO_LONG)
    if b"\r" in line or b"\n" in line or b"\0" in line:
        return talk.fault(replies.BARE_LINE_END_IN_COMMAND)
    return read(talk, name, argument.rstrip(b" ") if argument.endswith(b" ") else argument)


def _cant_become_smtp(talk: Conversation) -> bool:
    """True where an unfinished line starts with an octet that is no letter, a CR that LF may follow apart.

    Of an overlong line nothing but such a CR is kept.
    """
    if talk.buffer[talk.start : talk.start + 1].isalpha():
        return False
    return not b"\r\n".startswith(talk.buffer[talk.start :])


def _unknown(talk: Conversation, line: bytes, verb: bytes) -> Fault:
    if not line:
        return replies.EMPTY
    text = verb.decode("latin-1").upper()
    if not verb[:1].isalpha() or ":" in text or text in commands.HTTP_VERBS:
        return replies.NOT_SMTP
    if text == "PROXY":
        return replies.UNWANTED_PROXY
    if len(line) + 2 > talk.settings.command_octets:
        return replies.COMMAND_TOO_LONG
    return replies.BARE_LINE_END_IN_COMMAND if _BARE.intersection(line) else replies.UNRECOGNISED


def _hello(talk: Conversation, name: str, argument: bytes) -> Event:
    talk.asked_extended = name == "EHLO"
    return talk.emit(
        talk.out_of_sequence(name) or commands.hello(argument, talk.asked_extended),
        Step.HELLO,
    )


def _mail(talk: Conversation, name: str, argument: bytes) -> Event:
    if talk.state is not _READY:
        return talk.fault(talk.out_of_sequence(name) or replies.SEQUENCE)
    event = commands.mail(argument, talk.effective)
    if isinstance(event, Fault):
        return talk.fault(event)
    talk.utf8 = event.smtputf8
    talk.awaited = _MAIL
    return event


def _rcpt(talk: Conversation, name: str, argument: bytes) -> Event:
    if talk.state not in _TAKING_RCPT:
        return talk.fault(talk.out_of_sequence(name) or replies.SEQUENCE)
    event = commands.rcpt(argument, talk.effective, talk.utf8)
    if isinstance(event, Fault):
        return talk.fault(event)
    talk.awaited = _RCPT
    return event


def _data(talk: Conversation, name: str, argument: bytes) -> Event:
    fault = talk.out_of_sequence(name) or (replies.NO_ARGUMENT if argument else None)
    if fault is not None and not talk.buffered:
        return talk.fault(fault)
    # What lies behind a DATA that is refused here is a message sent without waiting, and no commands.
    return talk.emit(_DATA, Step.DATA)


def _bdat(talk: Conversation, name: str, argument: bytes) -> Event | None:
    parsed = commands.bdat(argument)
    if isinstance(parsed, Fault):
        return talk.fault(parsed)
    fault = talk.out_of_sequence(name) if talk.effective.chunking else replies.NOT_IMPLEMENTED
    if fault is not None:
        talk.drain = parsed[0]
        return talk.fault(fault)
    talk.chunk_left, talk.chunk_last = parsed
    if talk.state is State.RCPT:
        return talk.emit(_BDAT_START, Step.BDAT)
    talk.state = State.CHUNK
    talk.progress = True
    return None


def _simple(talk: Conversation, name: str, _argument: bytes) -> Event:
    fault = talk.out_of_sequence(name)
    return talk.fault(fault) if fault is not None else talk.emit(*_SIMPLE[name])


def _starttls(talk: Conversation, name: str, argument: bytes) -> Event:
    if not talk.offer.starttls:
        return talk.fault(replies.TLS_ALREADY if talk.tls else replies.NOT_IMPLEMENTED)
    fault = _extension_fault(talk, name) or (replies.NO_ARGUMENT if argument else None)
    return talk.emit(fault or _START_TLS, Step.STARTTLS)


def _auth(talk: Conversation, name: str, argument: bytes) -> Event:
    if not talk.offer.auth:
        needs_tls = talk.offer.starttls and talk.offer.auth_after_tls
        return talk.fault(replies.AUTH_NEEDS_TLS if needs_tls else replies.NOT_IMPLEMENTED)
    fault = replies.AUTH_TWICE if talk.authenticated else _extension_fault(talk, name)
    if fault is not None:
        return talk.fault(fault)
    exchange = commands.auth(argument, talk.offer.auth)
    if isinstance(exchange, Fault):
        return talk.fault(exchange)
    talk.exchange = exchange
    return talk.emit(AuthStart(exchange.mechanism), Step.AUTH)


def _extension_fault(talk: Conversation, name: str) -> Fault | None:
    return talk.out_of_sequence(name) or (None if talk.extended else replies.HELLO_FIRST)


def _xclient(talk: Conversation, name: str, argument: bytes) -> Event:
    if not talk.offer.xclient:
        return talk.fault(replies.UNRECOGNISED)
    return talk.emit(talk.out_of_sequence(name) or xclient.parse(argument), Step.XCLIENT)


def _not_implemented(talk: Conversation, _name: str, _argument: bytes) -> Event:
    return talk.fault(replies.NOT_IMPLEMENTED)


_READ: Final[dict[str, _Read]] = {
    "EHLO": _hello,
    "HELO": _hello,
    "MAIL": _mail,
    "RCPT": _rcpt,
    "DATA": _data,
    "BDAT": _bdat,
    **dict.fromkeys(_SIMPLE, _simple),
    "STARTTLS": _starttls,
    "AUTH": _auth,
    "XCLIENT": _xclient,
    **dict.fromkeys(("ETRN", "TURN", "SEND", "SOML", "SAML"), _not_implemented),
}
_COMMANDS: Final = {verb.encode(): (verb, commands.ALLOWANCE.get(verb, 0), read) for verb, read in _READ.items()}
