"""A worker process: accepts connections on the parent's sockets and carries their sessions.

Started by the parent (`gateway.supervisor`) and told everything over the link (`gateway.worker_link`). A policy that
does not load is refused and the old one stands. Never binds a socket and never reads a file that it was not told of.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from arrowslit.documents.settings_json import settings_from_json
from arrowslit.documents.site import Site, site_for_worker
from arrowslit.gateway.acceptor import Acceptor, End
from arrowslit.gateway.alarm_line import AlarmLine
from arrowslit.gateway.connection import Connection
from arrowslit.gateway.counters import CountersPlace, SharedCounters
from arrowslit.gateway.make_state import listener_parts, make_state, take_policy, take_settings
from arrowslit.gateway.sessions import described, leave
from arrowslit.gateway.state import ListenerParts, WorkerState
from arrowslit.gateway.worker_link import WorkerLink

_FLUSH = 0.1
_TURN = 1.0


class Worker:
    """One process's part of the node."""

    def __init__(self, loop: asyncio.AbstractEventLoop, link: WorkerLink) -> None:
        self._loop, self._link = loop, link
        self._alarms = AlarmLine(link.send)
        self._state: WorkerState | None = None
        self._acceptors: dict[str, Acceptor] = {}
        self._message: dict[str, Any] = {}
        self._draining_until = 0.0
        self._leaving: list[Connection] = []
        self._done = False

    def begin(self) -> None:
        """Listen to the parent; its death is the end."""
        self._link.start(self._loop, self._told, self.stop)

    def stop(self) -> None:
        """Exit now."""
        if self._done:
            return
        self._done = True
        state = self._state
        if state is not None:
            for connection in tuple(state.connections):
                connection.kill()
            state.hops.close_idle()
            state.flush()  # or the parent would take settled intents for outcomes that nobody knows
            state.writer.close(self._loop.time())
        self._loop.stop()

    # --- what the parent says -----------------------------------------------------------------------------------

    def _told(self, message: dict[str, Any]) -> None:
        handlers: dict[str, Callable[[dict[str, Any]], None]] = {
            "start": self._start,
            "policy": self._take_policy,
            "settings": self._take_settings,
            "listeners": self._take_listeners,
            "reopen": lambda _message: self._the_state().writer.reopen(),
            "sessions": self._sessions,
            "close": self._close,
            "drain": self._drain,
            "stop": lambda _message: self.stop(),
        }
        try:
            handlers[message["do"]](message)
        except Exception as error:
            self._link.send({"is": "failed", "error": f"{type(error).__name__}: {error}"})

    def _the_state(self) -> WorkerState:
        if self._state is None:
            raise RuntimeError("not started yet")
        return self._state

    def _start(self, message: dict[str, Any]) -> None:
        self._message = message
        site = _load(message["settings"], message["policy"])
        counters = SharedCounters(CountersPlace.from_message(message["counters"]), message["worker"])
        self._state = make_state(self._loop, message, site, counters, self._alarms.ring, self._alarms.over)
        for listener in message["listeners"]:
            self._open(listener, socket.socket(fileno=listener["fd"]))
        self._loop.call_later(_FLUSH, self._flush)
        self._loop.call_later(_TURN, self._turn)
        gc.collect()
        gc.freeze()
        self._link.send({"is": "ready"})

    def _take_policy(self, message: dict[str, Any]) -> None:
        state = self._the_state()
        settings = self._message["settings"]
        future = self._loop.run_in_executor(None, lambda: _load(settings, message))

        def loaded(done: asyncio.Future[Site]) -> None:
            error = done.exception()
            if error is not None:
                self._link.send({"is": "failed", "error": str(error)})
                return
            take_policy(state, done.result())
            self._link.send({"is": "policy", "revision": message["revision"]})

        future.add_done_callback(loaded)

    def _take_settings(self, message: dict[str, Any]) -> None:
        take_settings(self._the_state(), settings_from_json(message["settings"]["settings"]))
        self._message["settings"] = message["settings"]
        self._link.send({"is": "settings"})

    def _take_listeners(self, message: dict[str, Any]) -> None:
        for key in message["close"]:
            acceptor = self._acceptors.pop(key, None)
            if acceptor is not None:
                acceptor.close()
        for listener, fd in zip(message["open"], message.get("fds", ()), strict=True):
            self._open(listener, socket.socket(fileno=fd))
        self._link.send({"is": "listeners"})

    def _sessions(self, _message: dict[str, Any]) -> None:
        found = described(self._the_state().connections, self._loop.time())
        self._link.send({"is": "sessions", **found})

    def _close(self, message: dict[str, Any]) -> None:
        found = leave(tuple(self._the_state().connections), message["session"], at_once=message["at_once"])
        self._leaving += found
        self._link.send({"is": "close", "closed": len(found)})

    def _open(self, listener: dict[str, Any], sock: socket.socket) -> None:
        state = self._the_state()
        parts = listener_parts(state, listener)
        acceptor = Acceptor(self._loop, sock, lambda s, peer, own: self._accepted(parts, s, peer, own))
        self._acceptors[listener["key"]] = acceptor
        acceptor.start()

    def _drain(self, message: dict[str, Any]) -> None:
        state = self._the_state()
        for acceptor in self._acceptors.values():
            acceptor.close()
        self._acceptors.clear()
        state.node.draining = True
        self._draining_until = self._loop.time() + float(message["seconds"])
        for connection in tuple(state.connections):
            connection.drain()
        self._loop.call_soon(self._look_if_drained)

    def _look_if_drained(self) -> None:
        state = self._the_state()
        if self._done:
            return
        if not state.connections or self._loop.time() >= self._draining_until:
            self._link.send({"is": "drained"})
            self._loop.call_later(0.05, self.stop)
            return
        for connection in tuple(state.connections):
            connection.drain()
        self._loop.call_later(0.1, self._look_if_drained)

    # --- what happens by itself ---------------------------------------------------------------------------------

    def _accepted(self, parts: ListenerParts, sock: socket.socket, peer: End, own: End) -> None:
        state = self._the_state()
        state.tick()
        if parts.proxies is not None and not parts.proxies.contains(peer[0]):
            state.metrics.add("arrowslit_connections_refused", ("proxy-not-trusted",))
            sock.close()
            return
        if state.counters.node_sessions() >= state.settings.limits.sessions:
            state.metrics.add("arrowslit_connections_refused", ("too-many-sessions",))
            refuse_busy(sock, state.node.name)
            return
        try:
            connection = Connection(state, parts, sock, peer, own)
        except Exception as error:
            refuse_busy(sock, state.node.name)
            self._fault(error)
        else:
            connection.start()

    def _fault(self, error: Exception) -> None:
        """A mistake of ours: said, and life goes on."""
        self._alarms.ring("worker-fault", f"{type(error).__name__} in worker {os.getpid()}")
        self._loop.call_exception_handler({"message": "a fault of ours in a worker", "exception": error})

    def _flush(self) -> None:
        try:
            self._the_state().flush()
        except Exception as error:
            self._fault(error)
        if not self._done:
            self._loop.call_later(_FLUSH, self._flush)

    def _turn(self) -> None:
        """Once a second, whatever happens: without it nothing ever runs out of time."""
        try:
            self._look_around(self._the_state())
        except Exception as error:
            self._fault(error)
        self._alarms.turn()
        if not self._done:
            self._loop.call_later(_TURN, self._turn)

    def _look_around(self, state: WorkerState) -> None:
        """Deadlines, what next hops offered, whether there is room, and the figures for the parent."""
        now = state.tick()
        state.deadlines.turn(now)
        state.hops.forget(now)
        limits = state.settings.limits
        state.node.spool_full = state.counters.spool_total() >= limits.spool_bytes
        state.node.overloaded = state.counters.node_sessions() * 10 >= limits.sessions * 9
        state.observe()
        self._leaving = [one for one in self._leaving if one in state.connections]
        for connection in self._leaving:
            connection.drain()
        for name, text in state.writer.problems().items():
            self._alarms.ring(name, text)
        self._link.send({"is": "metrics", "metrics": state.metrics.snapshot(), "sessions": len(state.connections)})


def refuse_busy(sock: socket.socket, name: str) -> None:
    """No room for another session: say so and close (RFC 5321 3.1, 421)."""
    with contextlib.suppress(OSError):  # where it is gone, that is as well
        sock.send(f"421 4.3.2 {name} has too many connections, please try again later\r\n".encode("ascii", "replace"))
    sock.close()


def _load(settings: dict[str, Any], policy: dict[str, Any]) -> Site:
    """The site as the parent judged it; raises ValueError where it does not load any more."""
    site = site_for_worker(settings, Path(policy["path"]), revision=int(policy["revision"]))
    if site.policy is None or site.settings is None:
        raise ValueError("; ".join(placed.finding.message for placed in site.errors))
    return site


def main() -> None:
    """Run until the parent says stop, or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    worker = Worker(loop, WorkerLink.inherited())
    loop.add_signal_handler(signal.SIGTERM, worker.stop)
    worker.begin()
    loop.run_forever()


if __name__ == "__main__":
    main()
