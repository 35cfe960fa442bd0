"""The one process that a node keeps beside its workers, for everything that may wait: store, networks, decisions.

It is a process like a worker: started by the parent, spoken to over a `WorkerLink`, started again when it ends. Mail
never waits for it, and goes on without it.

Parent to it:
  {"do": "start", "node", "settings", "policy", "active": {"revision", "generation"}, "undone": {...} or None, ...}
  {"do": "taken-up", "revision", "generation"}, {"do": "refused", "revision", "generation", "error"}
  {"do": "undone", "revision", "back_to"}     the timer ran out here
  {"do": "refresh", "network"}                look at the sources of a network now; without a name, of all
  {"do": "stop"}
It to the parent:
  {"is": "ready"}, {"is": "active", "revision", "generation", "pending": None or {"back_to", "seconds", "left"}},
  {"is": "undo", "why"}                       the pending policy refuses what an expectation permits
  {"is": "told", "revision"}                  the store knows of the undo
  {"is": "alarm", ...}, {"is": "over", ...}, {"is": "metrics", "metrics"} as workers do
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from arrowslit.gateway.worker_link import Message
from arrowslit.gateway.workers import Backoff, Birth, Worker

NUMBER: Final = -1
"""Its number among the workers."""

_STOP_SECONDS: Final = 5.0


class Beside:
    """Keeps it alive from `start` to `stop`. `died` is told how it ended, unless it was told to go."""

    def __init__(
        self,
        birth: Callable[[], Birth],
        heard: Callable[[Message], None],
        died: Callable[[str], None],
    ) -> None:
        self._birth, self._heard, self._died = birth, heard, died
        self._closing = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._process: Worker | None = None

    @property
    def pid(self) -> int | None:
        """The id of the process; None while there is none."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start it."""
        self._keeper = asyncio.create_task(self._keep())

    def tell(self, message: Message) -> None:
        """Say something; what is said while there is none is lost, since it is told all at its start."""
        if self._process is not None:
            self._process.link.send(message)

    def again(self) -> None:
        """End it, so that it starts with what now holds."""
        if self._process is not None:
            self._process.kill()

    async def stop(self) -> None:
        """Let it finish what it does, for a few seconds."""
        self._closing.set()
        self.tell({"do": "stop"})
        process = self._process
        if process is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(process.exited), _STOP_SECONDS)
            process.kill()
        if self._keeper is not None:
            await self._keeper

    async def _keep(self) -> None:
        backoff = Backoff()
        loop = asyncio.get_running_loop()
        while not self._closing.is_set():
            born = loop.time()
            await self._live()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), backoff.after(loop.time() - born))

    async def _live(self) -> None:
        try:
            self._process = Worker(NUMBER, self._birth(), lambda _, message: self._heard(message))
        except OSError as error:
            self._died(f"could not be started: {error}")
            return
        code = await self._process.exited
        self._process = None
        if not self._closing.is_set():
            self._died(f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}")
