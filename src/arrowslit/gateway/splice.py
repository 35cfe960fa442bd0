"""Plain TCP both ways after connection control, where nothing may stand in the SMTP (hybrid Exchange).

Octets that were read already go first. Each side's end is passed on, and the other may go on; both are closed when
both have ended, when either breaks, or when nothing has moved for `IDLE` seconds. Never looks at an octet.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from arrowslit.gateway.channel import Channel
from arrowslit.gateway.deadlines import Deadlines
from arrowslit.gateway.link import Endpoint
from arrowslit.gateway.tls import TlsLayer

IDLE = 660.0
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
        self._splice.other(self).channel.start_reading()


class Splice:
    """See the module. `done` is called once, when both sides are closed."""

    __slots__ = ("_client", "_deadlines", "_done", "_first", "_ready", "_server", "_sock", "deadline", "loop")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        deadlines: Deadlines,
        client: socket.socket,
        first: bytes,
        done: Callable[[str], None],
    ) -> None:
        self.loop, self._deadlines = loop, deadlines
        self._first, self._done = first, done
        self._client = _Side(self, client)
        self._server: _Side | None = None
        self._sock: socket.socket | None = None
        self._ready = False
        self.deadline = loop.time() + _CONNECT
        deadlines.watch(self)

    def connect(self, endpoint: Endpoint) -> None:
        """Begin; octets flow once the other end answers."""
        sock = socket.socket(endpoint.family, socket.SOCK_STREAM)
        sock.setblocking(False)
        self._sock = sock
        try:
            sock.connect(endpoint.target)
        except BlockingIOError:
            self.loop.add_writer(sock.fileno(), self._connected)
        except OSError:
            self.close("next-hop-down")
        else:
            self._connected()

    def _connected(self) -> None:
        sock = self._sock
        if sock is None:
            return
        self.loop.remove_writer(sock.fileno())
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.close("next-hop-down")
            return
        self._sock = None
        self._server = _Side(self, sock)
        self.deadline = self.loop.time() + IDLE
        self._server.channel.write(self._first)
        self._server.channel.start_reading()
        self._client.channel.start_reading()

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
            self.close("spliced")
        else:
            self.deadline = self.loop.time() + _CONNECT

    def expired(self) -> None:
        """Nothing moved for too long, or the connection was not made in time."""
        self.close("spliced" if self._server else "next-hop-down")

    def close(self, reason: str) -> None:
        """The end of both. Safe to call twice."""
        done, self._done = self._done, lambda _reason: None
        self._deadlines.forget(self)
        self._client.channel.abort()
        if self._server is not None:
            self._server.channel.abort()
        sock, self._sock = self._sock, None
        if sock is not None:
            self.loop.remove_writer(sock.fileno())
            sock.close()
        done(reason)
