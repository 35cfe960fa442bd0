"""The process beside the workers: one loop for its link to the parent, threads for what blocks.

Terms: a *duty* is something done again and again in a thread of its own, so that a slow one (a batch of decisions)
keeps none of the others (the active revision) waiting. A duty's fault is told as an alarm and the duty goes on. Ends
when the parent says so or is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from arrowslit.documents.local_copy import LocalCopies, Target
from arrowslit.gateway.undo_timer import Undo
from arrowslit.gateway.worker_link import Message, WorkerLink
from arrowslit.observe.metrics import Metrics
from arrowslit.store.database import open_database
from arrowslit.upkeep.channel import Channel
from arrowslit.upkeep.decisions import DecisionKeeper
from arrowslit.upkeep.head import HeadFollower, Taken
from arrowslit.upkeep.networks import NetworkKeeper
from arrowslit.upkeep.watch import ExpectationWatch

_TURN: Final = 1.0

Turn = Callable[[], float]
"""One turn of a duty; gives the seconds until the next."""


class Upkeep:
    """The process. `begin` listens to the parent."""

    def __init__(self, loop: asyncio.AbstractEventLoop, link: WorkerLink) -> None:
        self._loop, self._link = loop, link
        self._channel = Channel(lambda message: self._loop.call_soon_threadsafe(self._link.send, message))
        self._metrics = Metrics()
        self._duties: list[asyncio.Task[None]] = []
        self._threads: list[ThreadPoolExecutor] = []
        self._wakes: dict[str, asyncio.Event] = {}
        self._follower: HeadFollower | None = None
        self._networks: NetworkKeeper | None = None
        self._closing = False

    def begin(self) -> None:
        """Listen to the parent; its death is the end."""
        self._link.start(self._loop, self._told, self.stop)

    def stop(self) -> None:
        """Finish the turns that are under way, and end."""
        if not self._closing:
            self._closing = True
            self._loop.create_task(self._finish())

    async def _finish(self) -> None:
        for wake in self._wakes.values():
            wake.set()
        await asyncio.gather(*self._duties, return_exceptions=True)
        for thread in self._threads:
            thread.shutdown()
        self._loop.stop()

    # --- what the parent says -----------------------------------------------------------------------------------

    def _told(self, message: Message) -> None:
        what = message["do"]
        if what == "start":
            self._start(message)
        elif what == "stop":
            self.stop()
        elif self._follower is not None:
            self._news(what, message, self._follower)

    def _news(self, what: str, message: Message, follower: HeadFollower) -> None:
        if what in ("taken-up", "refused"):
            target = Target(int(message["revision"]), int(message["generation"]))
            if what == "taken-up":
                follower.taken = Taken(target)
            else:
                follower.taken = Taken(follower.taken.target, f"revision {target.revision}: {message['error']}")
            follower.report()
        elif what == "undone":
            follower.undone = Undo(int(message["revision"]), int(message["back_to"]))
        elif what == "refresh":
            follower.again()
            if self._networks is not None:
                self._networks.refresh(message.get("network"))
                self._wakes["networks"].set()
        self._wakes["head"].set()

    def _start(self, message: Message) -> None:
        state = Path(message["state"])
        active = message["active"]
        taken = Taken(Target(int(active["revision"]), int(active["generation"])))
        database = open_database(message["store"], connect=False)
        watch = ExpectationWatch(self._channel)
        follower = HeadFollower(message["node"], database, LocalCopies(state), self._channel, taken, watch)
        undone = message["undone"]
        if undone is not None:
            follower.undone = Undo(int(undone["revision"]), int(undone["back_to"]))
        self._follower = follower
        keeper = DecisionKeeper(
            state / "journal", database, message["keep_seconds"], self._channel, self._metrics, watch
        )
        networks = NetworkKeeper(database, self._channel, tuple(message["dns"]), Path(message["base"]))
        self._networks = networks
        self._duty("head", follower.turn)
        self._duty("networks", networks.turn)
        self._duty("decisions", keeper.turn)
        self._loop.call_later(_TURN, self._count)
        self._link.send({"is": "ready"})

    def _count(self) -> None:
        self._channel.line.turn()
        self._channel.metrics(self._metrics.snapshot())
        if not self._closing:
            self._loop.call_later(_TURN, self._count)

    # --- duties -------------------------------------------------------------------------------------------------

    def _duty(self, name: str, turn: Turn) -> None:
        thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._threads.append(thread)
        self._wakes[name] = asyncio.Event()
        self._duties.append(self._loop.create_task(self._keep(name, turn, thread)))

    async def _keep(self, name: str, turn: Turn, thread: ThreadPoolExecutor) -> None:
        wake = self._wakes[name]
        while not self._closing:
            seconds = _TURN
            try:
                seconds = await self._loop.run_in_executor(thread, turn)
            except Exception as error:
                self._channel.alarm("store-fault", f"{name}: {type(error).__name__}: {error}")
                self._loop.call_exception_handler({"message": f"the duty {name}", "exception": error})
            wake_in = 0.0 if self._closing else seconds
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(wake.wait(), wake_in)
            if not self._closing:
                wake.clear()


def main() -> None:
    """Run until the parent says stop or is gone."""
    loop = asyncio.new_event_loop()
    Upkeep(loop, WorkerLink.inherited()).begin()
    loop.run_forever()
