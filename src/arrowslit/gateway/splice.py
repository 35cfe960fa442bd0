"""Plain TCP both ways after connection control, where nothing may stand in the SMTP (hybrid Exchange).

A PROXY header, where one is wanted, and octets that were read already go first. Each side's end is passed on, and the
other may go on; both are closed when both have ended, when either breaks, or when nothing has moved for `IDLE` seconds.
A client whose server can't be reached gets a greeting that sends him away for now. Never looks at an octet.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from arrowslit.gateway.channel import Channel
from arrowslit.gateway.deadlines import Deadlines
from arrowslit.gateway.link import Endpoint
from arrowslit.gateway.tls import TlsLayer
from arrowslit.session import replies

IDLE: Final = 660.0
_CONNECT = 10.0
_WINDOW = 262_144


class _Side:
    """One of the two channels; what it reads goes to the other."""

    __slots__ = ("_splice", "channel", "has_ended")

    def __init__(self, splice: Splice, sock: socket.socket) -> None:
        self._splice = splice
        self.has_ended = False
        self.channel = Channel(splice.loop, sock, self)

    def received(self, data: bytes) -> None:
        """Pass it on, and stop reading while the other side is behind."""
        splice = self._splice
        splice.deadline = splice.loop.time() + IDLE
        other = splice.other(self)
        other.channel.write(data)
        if other.channel.backlog > _WINDOW:
            self.channel.pause_reading()

    def ended(self) -> bool:
        """Nothing more comes from this side, which may still read: the other side is told so."""
        self.has_ended = True
        return self._splice.half_ended(self)

    def lost(self, _why: str) -> None:
        """Where one side breaks, that is the end of the other, once all is sent."""
        self._splice.ended(self)

    def tls_started(self, layer: TlsLayer) -> None:
        """Never: TLS passes through."""
        raise AssertionError(layer)

    def drained(self) -> None:
        """Read on from the other side."""
        if self._splice.joined:
            self._splice.other(self).channel.start_reading()


class Splice:
    """See the module. `done` is called once, when both sides are closed."""

    __slots__ = (
        "_client",
        "_deadlines",
        "_done",
        "_first",
        "_refusing",
        "_server",
        "_sock",
        "_tell",
        "_to_try",
        "deadline",
        "loop",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        deadlines: Deadlines,
        client: socket.socket,
        first: bytes,
        done: Callable[[], None],
    ) -> None:
        self.loop, self._deadlines = loop, deadlines
        self._first, self._done = first, done
        self._client = _Side(self, client)
        self._server: _Side | None = None
        self._sock: socket.socket | None = None
        self._to_try: deque[Endpoint] = deque()
        self._tell: Callable[[bool], None] = lambda _up: None
        self._refusing = False
        self.deadline = loop.time() + _CONNECT
        deadlines.watch(self)

    def connect(self, endpoints: Sequence[Endpoint], tell: Callable[[bool], None]) -> None:
        """Try these in turn, and `tell` whether one answers. Octets flow once it does; else the client gets 421."""
        self._to_try, self._tell = deque(endpoints), tell
        self._try_next()

    def _try_next(self) -> None:
        self._drop_attempt()
        if not self._to_try:
            self._refuse()
            return
        endpoint = self._to_try.popleft()
        sock = self._sock = socket.socket(endpoint.family, socket.SOCK_STREAM)
        sock.setblocking(False)
        self.deadline = self.loop.time() + _CONNECT
        try:
            sock.connect(endpoint.target)
        except BlockingIOError:
            self.loop.add_writer(sock.fileno(), self._connected)
        except OSError:
            self._try_next()
        else:
            self._connected()

    def _connected(self) -> None:
        sock = self._sock
        if sock is None:
            return
        self.loop.remove_writer(sock.fileno())
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._try_next()
            return
        self._sock = None
        self._server = _Side(self, sock)
        self.deadline = self.loop.time() + IDLE
        self._tell(True)
        self._server.channel.write(self._first)
        self._server.channel.start_reading()
        self._client.channel.start_reading()

    def _drop_attempt(self) -> None:
        sock, self._sock = self._sock, None
        if sock is not None:
            self.loop.remove_writer(sock.fileno())
            sock.close()

    def _refuse(self) -> None:
        """Nobody has greeted the client yet: he is told to come again."""
        self._refusing = True
        self._tell(False)
        self.deadline = self.loop.time() + _CONNECT
        self._client.channel.write(replies.SPLICE_DOWN.encode())
        if self._client.channel.close(linger=True):
            self.close()

    @property
    def joined(self) -> bool:
        """Whether the server's side stands."""
        return self._server is not None

    def other(self, side: _Side) -> _Side:
        """The opposite side."""
        if self._server is None:
            raise AssertionError("octets before the connection stands")
        return self._server if side is self._client else self._client

    def half_ended(self, side: _Side) -> bool:
        """Pass on that one side sends nothing more; False where the other has ended too and all is over."""
        other = self.other(side)
        if other.has_ended:
            return False
        other.channel.end_writing()
        return True

    def ended(self, side: _Side) -> None:
        """One side is closed: send what the other still gets, then close that too."""
        other = self._server if side is self._client else self._client
        if other is None or other.channel.close():
            self.close()
        else:
            self.deadline = self.loop.time() + _CONNECT

    def expired(self) -> None:
        """Nothing moved for too long, or a connection was not made in time."""
        if self._server is not None or self._refusing:
            self.close()
        else:
            self._try_next()

    def close(self) -> None:
        """The end of both. Safe to call twice."""
        done, self._done = self._done, lambda: None
        self._deadlines.forget(self)
        self._client.channel.abort()
        if self._server is not None:
            self._server.channel.abort()
        self._drop_attempt()
        done()
