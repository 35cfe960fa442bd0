"""All workers of a node: kept alive, asked together, drained together.

Terms: a worker is *stale* when it was born under, or took up, another plan than the one in force. Never restarts a
worker that was told to go.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Final

from arrowslit.gateway.alarms import RaiseAlarm
from arrowslit.gateway.plan import NodePlan
from arrowslit.gateway.worker_link import Message
from arrowslit.gateway.workers import Backoff, Birth, Worker, WorkerFailedError

_ANSWER_SECONDS: Final = 120.0
_SILENT_SECONDS: Final = 60.0
_LATE_SECONDS: Final = 5.0
_GRACE_SECONDS: Final = 3.0

Deliver = Callable[[Worker, Message], None]


class WorkerPool:
    """`birth` makes what worker number n gets; `on_message` and `on_death` hear what workers say and how they end."""

    def __init__(
        self,
        plan: Callable[[], NodePlan],
        birth: Callable[[int], Birth],
        on_message: Deliver,
        on_death: Callable[[Worker, int], None],
        on_alarm: RaiseAlarm,
    ) -> None:
        self.workers: dict[int, Worker] = {}
        self.plans: dict[int, NodePlan] = {}
        self._closing = asyncio.Event()
        self._plan, self._birth = plan, birth
        self._on_message, self._on_death, self._on_alarm = on_message, on_death, on_alarm
        self._keepers: list[asyncio.Task[None]] = []
        self._looked = 0.0

    def start(self, size: int) -> None:
        """Start `size` workers and keep them alive."""
        self._looked = asyncio.get_running_loop().time()
        self._keepers = [asyncio.create_task(self._keep(number)) for number in range(size)]

    async def _keep(self, number: int) -> None:
        backoff = Backoff()
        loop = asyncio.get_running_loop()
        while not self._closing.is_set():
            born = loop.time()
            await self._live(number)
            delay = backoff.after(loop.time() - born)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), delay)

    async def _live(self, number: int) -> None:
        """One life of worker `number`."""
        try:
            self.plans[number] = self._plan()
            worker = self.workers[number] = Worker(number, self._birth(number), self._on_message)
        except OSError as error:
            self._on_alarm("worker-start", f"worker {number} could not be started: {error}")
            return
        code = await worker.exited
        self._on_death(worker, code)

    def ready(self) -> list[Worker]:
        """The workers that are at work."""
        return [worker for worker in self.workers.values() if worker.ready]

    def failures(self) -> list[str]:
        """Why workers don't get to work."""
        return [worker.failed for worker in self.workers.values() if worker.failed and not worker.ready]

    async def ask_all(self, message: Message, fds: Sequence[int] = ()) -> None:
        """Tell all workers that are at work, and wait until each has done it. Raises WorkerFailedError."""
        answers = [worker.ask(message, fds, _ANSWER_SECONDS) for worker in self.ready()]
        results = await asyncio.gather(*answers, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def put_back(self, message: Message, fds: Sequence[int] = ()) -> None:
        """Tell all workers to do again as before; who can't is killed, and starts again as before."""
        for worker in self.ready():
            try:
                await worker.ask(message, fds, _ANSWER_SECONDS)
            except WorkerFailedError:
                worker.kill()

    def mark(self, plan: NodePlan, asked: Sequence[Worker]) -> None:
        """These workers have taken up `plan`."""
        for worker in asked:
            self.plans[worker.number] = plan

    def took_up(self, plan: NodePlan) -> None:
        """`plan` is in force. Workers that have not taken it up start again."""
        for number, worker in self.workers.items():
            if self.plans.get(number) is not plan:
                worker.kill()

    def tell_all(self, message: Message) -> None:
        """Tell all workers something that wants no answer."""
        for worker in self.workers.values():
            worker.link.send(message)

    def watch(self, now: float) -> None:
        """End workers that hang: once a second. After a pause of this process itself nobody is blamed."""
        late, self._looked = now - self._looked > _LATE_SECONDS, now
        for worker in self.ready():
            if late:
                worker.heard = now
            elif now - worker.heard > _SILENT_SECONDS:
                self._on_alarm("worker-hangs", f"worker {worker.number} was silent for 60 s and was ended")
                worker.kill()

    async def drain(self, seconds: float, hurry: asyncio.Event) -> bool:
        """Let sessions end for `seconds` at most, or until `hurry`; whether all ended in time."""
        self._closing.set()
        self.tell_all({"do": "drain", "seconds": seconds})
        in_time = await self._ended(seconds + _GRACE_SECONDS, hurry)
        if not in_time:
            self.tell_all({"do": "stop"})
            if not await self._ended(_GRACE_SECONDS, asyncio.Event()):
                for worker in self.workers.values():
                    worker.kill()
        await asyncio.gather(*self._keepers)
        return in_time

    def _alive(self) -> list[Worker]:
        return [worker for worker in self.workers.values() if not worker.exited.done()]

    async def _ended(self, seconds: float, hurry: asyncio.Event) -> bool:
        """Whether all workers ended before that many seconds, or `hurry`."""
        waiter = asyncio.create_task(hurry.wait())
        deadline = asyncio.get_running_loop().time() + seconds
        while alive := self._alive():
            left = deadline - asyncio.get_running_loop().time()
            until: list[asyncio.Future[Any]] = [waiter, *(worker.exited for worker in alive)]
            await asyncio.wait(until, timeout=max(left, 0), return_when=asyncio.FIRST_COMPLETED)
            if hurry.is_set() or left <= 0:
                break
        waiter.cancel()
        return not self._alive()
