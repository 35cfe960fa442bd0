"""The line between the parent and one worker: messages both ways, and open sockets with them.

Terms: a *frame* is four octets of length and a JSON object; `fds` in a message are file descriptors that travel
beside it (SCM_RIGHTS) and bear new numbers on the other side.

Parent to worker:
  {"do": "start", ...}                        see `gateway.workers`
  {"do": "policy", "path", "revision"}        take up a policy; answer {"is": "policy", "revision"}
  {"do": "settings", "settings"}              take up settings; answer {"is": "settings"}
  {"do": "listeners", "open", "close"}        `open`: listeners as in start, `close`: their keys;
                                              answer {"is": "listeners"}
  {"do": "sessions"}                          answer {"is": "sessions", "sessions": [...], "open"} (`gateway.sessions`)
  {"do": "close", "session", "at_once"}       end a session by its id; answer {"is": "close", "closed": how many}
  {"do": "reopen"}                            open log files anew (they were rotated)
  {"do": "drain", "seconds"}                  stop accepting, end sessions when idle, say {"is": "drained"}, exit
  {"do": "stop"}                              exit now
Worker to parent:
  {"is": "ready"}, {"is": "failed", "error"} (instead of an answer), {"is": "metrics", "metrics": {...}} each second,
  {"is": "alarm", "name", "text", "subject", "count"}, {"is": "over", "name", "subject"} (its cause is gone),
  {"is": "drained"}

Works on any event loop that has `add_reader`. Never blocks: what the other side does not read is kept up to a limit.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

ENVIRONMENT: Final = "ARROWSLIT_LINK_FD"
"""The variable that tells a worker which file descriptor is its end."""

_LENGTH: Final = struct.Struct(">I")
_READ: Final = 65_536
_LARGEST: Final = 64 * 1024 * 1024
_BACKLOG: Final = 8 * 1024 * 1024
_DESCRIPTORS: Final = 250

Message = dict[str, Any]


class WorkerLink:
    """One end. `on_message` is called with each message, `on_closed` once when the other side is gone."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._on_message: Callable[[Message], None] = _nobody
        self._on_closed: Callable[[], None] = _nothing
        self._in = bytearray()
        self._in_fds: deque[int] = deque()
        self._out: deque[tuple[bytes, tuple[int, ...]]] = deque()
        self._out_octets = 0
        self._writing = False
        self.closed = False

    @staticmethod
    def pair() -> tuple[socket.socket, socket.socket]:
        """Both ends, unconnected to any loop."""
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)

    @staticmethod
    def inherited() -> WorkerLink:
        """The worker's end, as the parent left it. Raises RuntimeError when nobody did."""
        number = os.environ.pop(ENVIRONMENT, "")
        if not number.isdecimal():
            raise RuntimeError("a worker is started by `arrowslit serve`, not by hand")
        return WorkerLink(socket.socket(fileno=int(number)))

    def start(
        self,
        loop: asyncio.AbstractEventLoop,
        on_message: Callable[[Message], None],
        on_closed: Callable[[], None] | None = None,
    ) -> None:
        """Begin to read, and send what has been kept."""
        self._loop = loop
        self._on_message = on_message
        self._on_closed = on_closed or _nothing
        loop.add_reader(self._socket.fileno(), self._readable)
        self._flush()

    def send(self, message: Message, fds: Sequence[int] = ()) -> bool:
        """Send `message`; `fds` (which stay the caller's) go with it and stand under "fds" on the other side.

        False when the other side is gone, or has left too much unread.
        """
        if self.closed or self._out_octets > _BACKLOG:
            return False
        body = json.dumps({**message, "fds": len(fds)} if fds else message).encode()
        copies = tuple(os.dup(fd) for fd in fds)
        self._out.append((_LENGTH.pack(len(body)) + body, copies))
        self._out_octets += len(body)
        if self._loop is not None and not self._writing:
            self._flush()
        return not self.closed

    def drain_input(self) -> None:
        """Read what the other side said before it died; `on_closed` is called where the end is reached."""
        while not self.closed and self._readable():
            pass

    def close(self) -> None:
        """Hang up; `on_closed` is not called."""
        if self.closed:
            return
        self.closed = True
        if self._loop is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._loop.remove_writer(self._socket.fileno())
        self._socket.close()
        for fd in [fd for _, fds in self._out for fd in fds] + list(self._in_fds):
            os.close(fd)
        self._out.clear()
        self._in_fds.clear()

    # --- writing ------------------------------------------------------------------------------------------------

    def _flush(self) -> None:
        while self._out and not self.closed:
            octets, fds = self._out[0]
            try:
                sent = socket.send_fds(self._socket, [octets], fds) if fds else self._socket.send(octets)
            except BlockingIOError:
                break
            except OSError:
                self._lost()
                return
            for fd in fds:
                os.close(fd)
            self._out_octets -= sent
            self._out.popleft()
            if sent < len(octets):
                self._out.appendleft((octets[sent:], ()))
        self._want_writer(bool(self._out))

    def _want_writer(self, wanted: bool) -> None:
        if self._loop is None or self.closed or wanted == self._writing:
            return
        self._writing = wanted
        if wanted:
            self._loop.add_writer(self._socket.fileno(), self._flush)
        else:
            self._loop.remove_writer(self._socket.fileno())

    # --- reading ------------------------------------------------------------------------------------------------

    def _readable(self) -> bool:
        """Read once; whether there was something."""
        try:
            data, fds, _flags, _address = socket.recv_fds(self._socket, _READ, _DESCRIPTORS)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            self._lost()
            return False
        for fd in fds:
            os.set_inheritable(fd, False)
        self._in_fds.extend(fds)
        if not data:
            self._lost()
            return False
        self._in += data
        self._take_frames()
        return True

    def _take_frames(self) -> None:
        while not self.closed and len(self._in) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._in)
            end = _LENGTH.size + length
            if length > _LARGEST:
                self._lost()
                return
            if len(self._in) < end:
                return
            message = json.loads(self._in[_LENGTH.size : end])
            del self._in[:end]
            if "fds" in message:
                message["fds"] = [self._in_fds.popleft() for _ in range(message["fds"])]
            self._deliver(message)

    def _deliver(self, message: Message) -> None:
        """Hand a message over; what goes wrong with one must not hold up the next."""
        try:
            self._on_message(message)
        except Exception as error:
            assert self._loop is not None  # noqa: S101  frames are only read after `start`
            self._loop.call_exception_handler({"message": "a message to a worker or its parent", "exception": error})

    def _lost(self) -> None:
        if not self.closed:
            self.close()
            self._on_closed()


def _nobody(message: Message) -> None:
    raise AssertionError(f"nobody reads {message}")


def _nothing() -> None:
    pass
