"""What is read in each state of the server side: a PROXY header, a command, a message, a chunk, a SASL line.

Each reader takes from the conversation's buffer and gives the next event, or None where more octets are needed (or
where `progress` says that there may be another). Never answers anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from arrowslit.smtp import commands, proxy, replies
from arrowslit.smtp.bdat import BdatReader
from arrowslit.smtp.conversation import Conversation
from arrowslit.smtp.events import BodyChunk, BodyEnd, Event, Fault
from arrowslit.smtp.message import DataReader
from arrowslit.smtp.states import PERMITTED, State, Step
from arrowslit.smtp.verbs import read_command


def _nothing(_talk: Conversation) -> Event | None:
    return None


def _proxy(talk: Conversation) -> Event | None:
    if not talk.buffer:
        return None
    try:
        parsed = proxy.parse(talk.buffer)
    except ValueError:
        talk.end()
        return replies.BAD_PROXY
    if parsed is None:
        return None
    talk.state = State.GREETING
    talk.consume(parsed[1])
    return parsed[0]


def _body(talk: Conversation) -> Event | None:
    reader = talk.reader
    data = talk.buffer
    if not data or not isinstance(reader, DataReader):
        return None
    if talk.start:
        data = data[talk.start :]
        talk.start = 0
    chunk, behind = reader.feed(data)
    talk.buffer = data[-behind:] if behind > 0 else b""
    if behind >= 0:
        talk.queued = BodyEnd(reader.octets, reader.eight_bit, reader.fault())
        talk.progress = True
    return BodyChunk(chunk) if chunk else None


def _chunk(talk: Conversation) -> Event | None:
    reader = talk.reader
    data = talk.buffer[talk.start : talk.start + talk.chunk_left]
    if not isinstance(reader, BdatReader) or (talk.chunk_left and not data):
        return None
    talk.consume(talk.start + len(data))
    talk.chunk_left -= len(data)
    passed_on = reader.feed(data)
    if not talk.chunk_left:
        passed_on += _end_chunk(talk, reader)
    return BodyChunk(passed_on) if passed_on else None


def _end_chunk(talk: Conversation, reader: BdatReader) -> bytes:
    talk.progress = True
    if not talk.chunk_last:
        talk.state = State.CHUNKS
        talk.output += replies.CHUNK_TAKEN.encode()
        return b""
    missing = reader.finish()
    talk.queued = BodyEnd(reader.octets, reader.eight_bit, reader.fault())
    return missing


def _sasl(talk: Conversation) -> Event | None:
    line = talk.read_line()
    exchange = talk.exchange
    if line is None or exchange is None:
        return None
    if isinstance(line, Fault) or len(line) + 2 > commands.AUTH_OCTETS:
        talk.state = State.READY
        return talk.fault(replies.SASL_TOO_LONG)
    result = exchange.line(line)
    if not isinstance(result, bytes):
        talk.state = State.READY
        talk.exchange = None
        return talk.emit(result, Step.CREDENTIALS)
    if talk.buffered:
        return talk.fault(replies.PIPELINING)
    talk.output += result
    return None


READERS: Final[dict[State, Callable[[Conversation], Event | None]]] = {
    **dict.fromkeys(PERMITTED, read_command),
    State.PROXY: _proxy,
    State.GREETING: _nothing,
    State.BODY: _body,
    State.CHUNK: _chunk,
    State.SASL: _sasl,
    State.HANDSHAKE: _nothing,
    State.CLOSED: _nothing,
}
