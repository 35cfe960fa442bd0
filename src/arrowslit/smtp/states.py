"""The states of the server side and what moves between them, as data (RFC 5321 4.1.4).

Terms: a *step* is a kind of event that awaits an answer; *success* is an answer in the step's range of codes. Never
holds behaviour: the engine looks things up here.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class State(IntEnum):
    """Where a connection stands. (IntEnum, since its hash is not written in Python.)"""

    PROXY = 0
    """A PROXY header has to come first."""
    GREETING = 1
    """Nothing was said yet."""
    REFUSED = 2
    """Greeted with 554 or 421: only QUIT is understood (3.1)."""
    GREETED = 3
    """Greeted, or reset by STARTTLS or XCLIENT: EHLO is due."""
    READY = 4
    """After EHLO or HELO, outside a transaction."""
    MAIL = 5
    """Reverse-path accepted."""
    TRIED = 6
    """As MAIL, and every recipient so far was refused."""
    RCPT = 7
    """At least one recipient accepted."""
    BODY = 8
    """The message after 354."""
    CHUNK = 9
    """The octets of a BDAT."""
    CHUNKS = 10
    """Between two BDATs of one message."""
    CHUNKS_REFUSED = 11
    """A BDAT was refused: the transaction can only be reset (RFC 3030)."""
    SASL = 12
    """A line of a SASL exchange is due."""
    HANDSHAKE = 13
    """220 was said to STARTTLS."""
    CLOSED = 14


class Step(IntEnum):
    """What awaits an answer."""

    NONE = 0
    HELLO = 1
    MAIL = 2
    RCPT = 3
    DATA = 4
    BDAT = 5
    BODY_END = 6
    RSET = 7
    NOOP = 8
    QUIT = 9
    STARTTLS = 10
    AUTH = 11
    CREDENTIALS = 12
    XCLIENT = 13
    FAULT = 14
    CLOSING_FAULT = 15


_GREETED: Final = (
    State.GREETED, State.READY, State.MAIL, State.TRIED, State.RCPT, State.CHUNKS, State.CHUNKS_REFUSED,
)  # fmt: skip
_BEYOND_HELLO: Final = _GREETED[1:]

_ALWAYS: Final = frozenset({"EHLO", "HELO", "RSET", "NOOP", "VRFY", "EXPN", "HELP", "QUIT"})
PERMITTED: Final[dict[State, frozenset[str]]] = {
    State.REFUSED: frozenset({"QUIT"}),
    State.GREETED: _ALWAYS | {"XCLIENT"},
    State.READY: _ALWAYS | {"MAIL", "STARTTLS", "AUTH", "XCLIENT"},
    State.MAIL: _ALWAYS | {"RCPT"},
    State.TRIED: _ALWAYS | {"RCPT"},
    State.RCPT: _ALWAYS | {"RCPT", "DATA", "BDAT"},
    State.CHUNKS: _ALWAYS | {"BDAT"},
    State.CHUNKS_REFUSED: _ALWAYS,
}
"""The verbs that may come in a state; any other known verb is out of sequence."""

SUCCESS: Final[dict[Step, range]] = {
    **{step: range(200, 300) for step in Step if Step.NONE < step < Step.FAULT},
    Step.DATA: range(354, 355),
    Step.STARTTLS: range(220, 221),
    Step.XCLIENT: range(220, 221),
    Step.CREDENTIALS: range(235, 236),
    Step.QUIT: range(200, 600),
}
"""The codes that are a success, by step."""

ON_SUCCESS: Final[dict[tuple[State, Step], State]] = {
    **{(state, Step.HELLO): State.READY for state in _GREETED},
    (State.READY, Step.MAIL): State.MAIL,
    (State.MAIL, Step.RCPT): State.RCPT,
    (State.TRIED, Step.RCPT): State.RCPT,
    (State.RCPT, Step.DATA): State.BODY,
    (State.RCPT, Step.BDAT): State.CHUNK,
    (State.BODY, Step.BODY_END): State.READY,
    (State.CHUNK, Step.BODY_END): State.READY,
    **{(state, Step.RSET): State.READY for state in _BEYOND_HELLO},
    (State.READY, Step.STARTTLS): State.HANDSHAKE,
    (State.GREETED, Step.XCLIENT): State.GREETED,
    (State.READY, Step.XCLIENT): State.GREETED,
    **{(state, Step.QUIT): State.CLOSED for state in (*_GREETED, State.REFUSED)},
}
"""The state after a success; a pair that is not here changes nothing."""

ON_REFUSAL: Final[dict[tuple[State, Step], State]] = {
    (State.MAIL, Step.RCPT): State.TRIED,
    (State.RCPT, Step.BDAT): State.CHUNKS_REFUSED,
    (State.BODY, Step.BODY_END): State.READY,
    (State.CHUNK, Step.BODY_END): State.READY,
}
"""The state after any other answer; a pair that is not here changes nothing."""

LAST_OF_GROUP: Final = frozenset({Step.HELLO, Step.DATA, Step.STARTTLS, Step.AUTH, Step.CREDENTIALS, Step.XCLIENT})
"""Steps that a client must wait for before it says more (RFC 2920 3.1, RFC 3207 4, RFC 4954 4, XCLIENT)."""
