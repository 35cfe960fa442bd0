"""A non-blocking stream socket under the event loop, plain or under TLS, with its own write buffer.

Terms: the *owner* is told of octets, of the end, and when a backlog has gone out. Octets are sent at once where the
kernel takes them; what it does not take waits here. TLS runs in memory (`gateway.tls`) and never owns the socket, so
that nothing can be lost or left over around STARTTLS (gateway-behaviour 4). Why not asyncio's transports:
docs/adr/0004-own-channel.md. Never interprets an octet.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from typing import Protocol

from arrowslit.gateway.tls import TlsError, TlsLayer

READ_OCTETS = 65_536


class ChannelOwner(Protocol):
    """Who is told what happens on a channel."""

    def received(self, data: bytes) -> None:
        """Octets came in, decrypted where TLS is on."""

    def lost(self, why: str) -> None:
        """The other end is gone; `why` is empty for an orderly end. The channel is closed. Told at most once."""

    def ended(self) -> bool:
        """The other end sends nothing more (it may still read). True to go on writing; else `lost` follows."""

    def tls_started(self, layer: TlsLayer) -> None:
        """The handshake is done."""

    def drained(self) -> None:
        """What `write` could not send at once has gone out."""


class Channel:
    """One connection. Every method is to be called from the loop's thread."""

    __slots__ = (
        "_backlog",
        "_closing",
        "_ended",
        "_ending",
        "_fd",
        "_loop",
        "_owner",
        "_reading",
        "_recv",
        "_send",
        "_sock",
        "_writing",
        "closed",
        "handshaking",
        "tls",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, owner: ChannelOwner) -> None:
        self._loop = loop
        self._sock = sock
        self._fd = sock.fileno()
        self._recv = sock.recv
        self._send = sock.send
        self._owner = owner
        self._backlog: deque[memoryview] = deque()
        self._writing = False
        self._reading = False
        self.handshaking = False
        self._closing = ""
        self._ended = False
        self._ending = False
        self.tls: TlsLayer | None = None
        self.closed = False

    @property
    def backlog(self) -> int:
        """Octets that wait to be sent."""
        return sum(map(len, self._backlog))

    def start_reading(self) -> None:
        """Tell the owner of octets from now on."""
        if not self._reading and not self.closed and not self._ended:
            self._reading = True
            self._loop.add_reader(self._fd, self._readable)

    def pause_reading(self) -> None:
        """Leave octets in the kernel, so that the other end has to wait."""
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._fd)

    def read_early(self) -> bytes:
        """What the other end has sent by now, without waiting; for whoever must not have spoken yet."""
        try:
            return self._recv(READ_OCTETS)
        except OSError:  # nothing yet; what is really wrong comes up again when it is read
            return b""

    def start_tls(self, layer: TlsLayer, first: bytes = b"") -> None:
        """From now on the octets are TLS; `first` were read already. `tls_started` or `lost` follows."""
        self.tls = layer
        self.handshaking = True
        self._shake(first)

    def write(self, data: bytes) -> None:
        """Send, now or as soon as the other end takes it. Silently nothing on a closed channel."""
        if self.closed or self._closing or not data:
            return
        if self.tls is not None:
            try:
                data = self.tls.encrypt(data)
            except TlsError as failure:
                self._loop.call_soon(self._fail, str(failure))  # never under the feet of whoever writes
                return
        self._write(data)

    def close(self, *, linger: bool = False) -> bool:
        """Close once everything is sent. `linger`: end our side first and wait for the other end's, so that a reply
        is not destroyed by the reset that unread octets cause (the owner bounds the wait and calls `abort`).
        Returns whether it is closed already.
        """
        if self.closed or self._closing:
            return self.closed
        self._closing = "linger" if linger else "close"
        if self.tls is not None and not self.handshaking:
            self._write(self.tls.close())
        if not self._backlog:
            self._finish()
        return self.closed

    def end_writing(self) -> None:
        """Once everything is sent, tell the other end that nothing more comes; it may go on (plain TCP only)."""
        self._ending = True
        if not self._backlog and not self.closed:
            self._end_our_side()

    def abort(self) -> None:
        """Close now. The owner is not told."""
        if self.closed:
            return
        self.closed = True
        self.pause_reading()
        if self._writing:
            self._loop.remove_writer(self._fd)
        self._backlog.clear()
        self._sock.close()

    def detach(self) -> socket.socket:
        """Give the socket away (splice); this channel is done with it."""
        self.pause_reading()
        self.closed = True
        return self._sock

    # --- inside -------------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        if self._closing == "linger":
            self._end_our_side()
            self.start_reading()
        else:
            self.abort()

    def _end_our_side(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def _end_of_input(self) -> None:
        """A client may have said all it has to say and now read only, as Exim does behind its last QUIT."""
        if self.closed:
            return
        self.pause_reading()
        self._ended = True
        if self._closing or self.handshaking or not self._owner.ended():
            self._fail("")

    def _fail(self, why: str) -> None:
        if not self.closed:
            self.abort()
            self._owner.lost(why)

    def _readable(self) -> None:
        try:
            data = self._recv(READ_OCTETS)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._fail(error.strerror or str(error))
            return
        if not data:
            self._end_of_input()
        elif self._closing:
            return
        elif self.tls is None:
            self._owner.received(data)
        elif self.handshaking:
            self._shake(data)
        else:
            self._decrypt(data)

    def _shake(self, data: bytes) -> None:
        layer = self.tls
        if layer is None:
            raise AssertionError("a handshake without a TLS layer")
        try:
            done = layer.handshake(data)
        except TlsError as failure:
            self._write(layer.pending_output())
            self._fail(str(failure))
            return
        self._write(layer.pending_output())
        if done and not self.closed:
            self.handshaking = False
            self._owner.tls_started(layer)
            if not self.closed:
                self._decrypt(b"")

    def _decrypt(self, data: bytes) -> None:
        layer = self.tls
        if layer is None:
            raise AssertionError("decrypting without a TLS layer")
        try:
            plain, ended = layer.decrypt(data)
        except TlsError as failure:
            self._fail(str(failure))
            return
        self._write(layer.pending_output())
        if plain:
            self._owner.received(plain)
        if ended:
            self._end_of_input()

    def _write(self, data: bytes) -> None:
        if not data or self.closed:
            return
        if self._backlog:
            self._backlog.append(memoryview(data))
            return
        try:
            sent = self._send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            self._loop.call_soon(self._fail, error.strerror or str(error))
            return
        if sent < len(data):
            self._backlog.append(memoryview(data)[sent:])
            self._writing = True
            self._loop.add_writer(self._fd, self._writable)

    def _writable(self) -> None:
        backlog = self._backlog
        try:
            while backlog:
                sent = self._send(backlog[0])
                if sent < len(backlog[0]):
                    backlog[0] = backlog[0][sent:]
                    return
                backlog.popleft()
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._fail(error.strerror or str(error))
            return
        self._writing = False
        self._loop.remove_writer(self._fd)
        if self._closing:
            self._finish()
        elif self._ending:
            self._end_our_side()
        else:
            self._owner.drained()
