"""Accepting connections on a listening socket that the parent holds and all workers share.

One connection is accepted each time the socket is readable, so that the workers share a burst. Stopping leaves the
queue to whoever else holds the socket. Never closes the parent's socket, and never decides more than whether there is
room for another session.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from ipaddress import IPv4Address

from arrowslit.mail.address import IPAddress, parse_address

_FULL = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_REST = 0.1

End = tuple[IPAddress, int]
Accepted = Callable[[socket.socket, End, End], None]


class Acceptor:
    """One listening socket in one worker."""

    __slots__ = ("_accepted", "_loop", "_on", "_sock")

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, accepted: Accepted) -> None:
        self._loop, self._sock, self._accepted = loop, sock, accepted
        self._on = False
        sock.setblocking(False)

    def start(self) -> None:
        """Accept from now on."""
        if not self._on:
            self._on = True
            self._loop.add_reader(self._sock.fileno(), self._readable)

    def stop(self) -> None:
        """Accept no more."""
        if self._on:
            self._on = False
            self._loop.remove_reader(self._sock.fileno())

    def close(self) -> None:
        """Stop, and let go of this process's copy of the socket."""
        self.stop()
        self._sock.close()

    def _readable(self) -> None:
        try:
            sock, peer = self._sock.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            if error.errno in _FULL:
                self.stop()
                self._loop.call_later(_REST, self.start)
            return
        sock.setblocking(False)
        if sock.family == socket.AF_UNIX:
            self._accepted(sock, (IPv4Address("127.0.0.1"), 0), (IPv4Address("127.0.0.1"), 0))
            return
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            own = sock.getsockname()
        except OSError:
            sock.close()  # the client was gone before it was looked at
            return
        self._accepted(sock, (parse_address(peer[0]), peer[1]), (parse_address(own[0]), own[1]))
