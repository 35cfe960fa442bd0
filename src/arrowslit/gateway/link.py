"""One connection to a next hop: a channel and a client engine joined, with its time-outs.

Terms: the link's *user* is told of outcomes; a link without a user is idle in the pool. Steps of setting up (connect,
PROXY header, TLS) happen here; what to say next is the user's. Never decides what an outcome means.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from arrowslit.documents.settings import NextHopSettings
from arrowslit.gateway.channel import Channel
from arrowslit.gateway.deadlines import Deadlines
from arrowslit.gateway.tls import MemoryTls, TlsLayer
from arrowslit.smtp.client import ClientEngine, ClientSettings
from arrowslit.smtp.offer import Capabilities
from arrowslit.smtp.outcomes import Broken, Fault, Outcome, Ready, StartHandshake, Step


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect: an address family with its socket address, and how to name it in records."""

    family: int
    target: tuple[str, int] | tuple[str, int, int, int] | str
    name: str


@dataclass(frozen=True, slots=True)
class TlsPlan:
    """How to do TLS with this next hop. `fingerprints`: one of them must be the server's, where any is given."""

    context: ssl.SSLContext | None = None
    server_name: str | None = None
    fingerprints: tuple[str, ...] = ()


class Link:
    """See the module. `used` counts transactions; `deadline` is looked after by the wheel."""

    __slots__ = (
        "_deadlines",
        "_loop",
        "_sock",
        "_tls",
        "capabilities",
        "channel",
        "closed",
        "deadline",
        "endpoint",
        "engine",
        "hop_name",
        "key",
        "on_drained",
        "on_end",
        "on_outcome",
        "opened_at",
        "preamble",
        "refusals",
        "times",
        "used",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        deadlines: Deadlines,
        endpoint: Endpoint,
        settings: ClientSettings,
        tls: TlsPlan,
        times: NextHopSettings,
        preamble: bytes = b"",
    ) -> None:
        self._loop, self._deadlines, self._tls = loop, deadlines, tls
        self.times = times
        self.endpoint, self.preamble = endpoint, preamble
        self.engine = ClientEngine(settings)
        self.channel: Channel | None = None
        self._sock: socket.socket | None = None
        self.on_outcome: Callable[[Outcome], None] | None = None
        self.on_drained: Callable[[], None] | None = None
        self.on_end: Callable[[Link], None] | None = None
        self.key: object = None
        self.hop_name = ""
        self.deadline = float("inf")
        self.opened_at = loop.time()
        self.used = 0
        self.refusals = 0
        self.capabilities = Capabilities()
        self.closed = False
        deadlines.watch(self)

    # --- connecting ---------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Begin to connect; `Ready` or `Broken` follows, never before this returns."""
        self.expect(self.times.connect)
        try:
            sock = socket.socket(self.endpoint.family, socket.SOCK_STREAM)
        except OSError as error:
            self._loop.call_soon(self._connect_failed, error)
            return
        self._sock = sock
        sock.setblocking(False)
        if self.endpoint.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            sock.connect(self.endpoint.target)
        except BlockingIOError:
            self._loop.add_writer(sock.fileno(), self._connected)
        except OSError as error:
            self._loop.call_soon(self._connect_failed, error)
        else:
            self._loop.call_soon(self._connected)

    def _connected(self) -> None:
        sock = self._sock
        if sock is None or self.closed:
            return
        self._loop.remove_writer(sock.fileno())
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._connect_failed(OSError(error, "connect"))
            return
        self._sock = None
        self.channel = Channel(self._loop, sock, self)
        self.channel.start_reading()
        self.expect(self.times.command)
        self.channel.write(self.preamble)
        self.engine.opened()
        self.flush()

    def _connect_failed(self, _error: OSError) -> None:
        if not self.closed:
            self._guard(lambda: self._tell(Broken(Step.CONNECT, Fault.LOST)))

    # --- what the channel says ----------------------------------------------------------------------------------

    def received(self, data: bytes) -> None:
        """Octets of the next hop."""
        self.engine.receive(data)
        self._guard(self.turn)

    def lost(self, why: str) -> None:
        """The next hop is gone."""
        self._guard(lambda: self._lost(why))

    def ended(self) -> bool:
        """A next hop that says nothing more is of no use."""
        return False

    def _lost(self, why: str) -> None:
        if why.startswith("TLS") and self.channel is not None and self.channel.handshaking:
            self._tell(Broken(Step.TLS, Fault.TLS_FAILED, detail=why))
            return
        self.engine.lost()
        self.turn()
        if not self.closed:
            self._tell(Broken(Step.IDLE, Fault.LOST))

    def tls_started(self, layer: TlsLayer) -> None:
        """The handshake is done."""
        self._guard(lambda: self._tls_started(layer))

    def _tls_started(self, layer: TlsLayer) -> None:
        """Compare the fingerprint where one is wanted."""
        wanted = self._tls.fingerprints
        shown = layer.peer_certificate
        if wanted and (shown is None or shown.fingerprint not in wanted):
            said = f"TLS: its certificate is {shown.fingerprint if shown else 'missing'}"
            self._tell(Broken(Step.TLS, Fault.TLS_FAILED, detail=said))
            return
        self.expect(self.times.command)
        self.engine.tls_started()
        self.turn()

    def drained(self) -> None:
        """A backlog has gone out."""
        if self.on_drained is not None:
            self._guard(self.on_drained)

    def expired(self) -> None:
        """The step took too long."""
        self._guard(self._expired)

    def _expired(self) -> None:
        if self.closed:
            return
        if self.on_outcome is None:
            self.end(polite=True)
            return
        if self.channel is None:
            self._tell(Broken(Step.CONNECT, Fault.TIMEOUT))
            return
        self.engine.timed_out()
        self.turn()

    def _guard(self, work: Callable[[], None]) -> None:
        """A mistake of ours ends this connection, and its user hears of a broken one, like any other."""
        try:
            work()
        except Exception as error:
            self._report(error)
            try:
                self._tell(Broken(Step.IDLE, Fault.UNEXPECTED))
            except Exception as again:
                self.end()
                self._report(again)

    def _report(self, error: Exception) -> None:
        context = {"message": "a next hop's connection was ended by a fault of ours", "exception": error}
        self._loop.call_exception_handler(context)

    # --- driving the engine -------------------------------------------------------------------------------------

    def expect(self, seconds: float) -> None:
        """An answer is awaited for that long at most."""
        self.deadline = self._loop.time() + seconds

    def go(self, seconds: float) -> None:
        """Send, and await the answer; a command that could not go out is told of, never before this returns."""
        self.expect(seconds)
        self.flush()
        if self.engine.failing:
            self._loop.call_soon(self._guard, self.turn)

    def flush(self) -> None:
        """Send what the engine has to say."""
        data = self.engine.data_to_send()
        if data and self.channel is not None:
            self.channel.write(data)

    def turn(self) -> None:
        """Hand outcomes to the user, then send what the engine has to say."""
        while not self.closed and (outcome := self.engine.next_outcome()) is not None:
            if isinstance(outcome, StartHandshake):
                self._handshake()
            else:
                self._tell(outcome)
        if not self.closed:
            self.flush()

    def _handshake(self) -> None:
        context = self._tls.context
        if context is None or self.channel is None:
            raise AssertionError("STARTTLS without a TLS context")
        self.flush()
        self.channel.start_tls(MemoryTls(context, server=False, server_name=self._tls.server_name))

    def _tell(self, outcome: Outcome) -> None:
        """A broken link is closed before its user hears of it; nobody listening means that it was idle."""
        if isinstance(outcome, Broken):
            self.end()
        elif isinstance(outcome, Ready):
            self.capabilities = outcome.capabilities
        if self.on_outcome is not None:
            self.on_outcome(outcome)

    def end(self, *, polite: bool = False) -> None:
        """Close; `polite` says QUIT first. Safe to call twice."""
        if self.closed:
            return
        self.closed = True
        self._deadlines.forget(self)
        if self.channel is not None:
            if polite:
                self.engine.quit()
                self.flush()
                self.channel.close()
            else:
                self.channel.abort()
        elif self._sock is not None:
            with contextlib.suppress(OSError, ValueError):
                self._loop.remove_writer(self._sock.fileno())
            self._sock.close()
        if self.on_end is not None:
            self.on_end(self)
