"""A node follows the store: takes up the active revision, and takes it back where nobody confirms it.

Terms: `gateway.beside` tells what the store has, as local copies; `take_up` brings the workers to a copy or says why
not. The undo timer runs here, in the parent, and needs neither the store nor the process beside. After an undo the
revision that was undone is not taken up again, unless somebody did confirm it (decisions 22).

Never reads the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, Final

from arrowslit.documents.local_copy import LocalCopies, Target
from arrowslit.gateway.alarms import Alarms
from arrowslit.gateway.beside import NUMBER, Beside
from arrowslit.gateway.plan import NodePlan
from arrowslit.gateway.undo_timer import Undo, UndoTimer
from arrowslit.gateway.worker_link import Message
from arrowslit.gateway.workers import Birth
from arrowslit.observe.metrics import NodeMetrics

_AGAIN_SECONDS: Final = 5.0

TakeUp = Callable[[Target], Awaitable[str]]
"""Bring the node to that copy; says why it was refused, empty where it was not."""


class Following:
    """What binds one node to the store. `plan` gives the plan in force."""

    def __init__(
        self,
        plan: Callable[[], NodePlan],
        take_up: TakeUp,
        alarms: Alarms,
        metrics: NodeMetrics,
        alarm: Callable[[str, str, str, int], None],
        say: Callable[[str], None],
    ) -> None:
        self._plan, self._take_up = plan, take_up
        self._alarms, self._metrics, self._alarm, self._say = alarms, metrics, alarm, say
        self._copies = LocalCopies(plan().state_directory)
        self.timer = UndoTimer(plan().state_directory)
        self._beside = Beside(self._birth, self._heard, self._died)
        self._news: Message | None = None
        self._asked: Undo | None = None
        self._refused: Target | None = None
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # --- life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the process beside, and follow what it says."""
        if self.timer.problem:
            self._ring("undo-timer-lost", self.timer.problem)
        if self._plan().beside:
            self._beside.start()
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Stop following."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._beside.stop()

    def took_up(self, before: NodePlan, plan: NodePlan) -> None:
        """Another plan is in force: what the process beside was told may have changed."""
        self._refused = None
        if plan.beside != before.beside:
            self._beside.again()
        elif plan.policy == before.policy:  # a reload by hand: whatever is asked is asked again
            self.refresh(None)

    def refresh(self, network: str | None) -> None:
        """Let the sources of that network be asked now, or of all."""
        self._beside.tell({"do": "refresh", "network": network})

    def turn(self) -> None:
        """Once a second: is it time to undo?"""
        if self.timer.due() is not None:
            self._wake.set()

    def as_message(self) -> dict[str, Any] | None:
        """What is pending, for `arrowslit status`."""
        left = self.timer.left()
        return None if left is None else {"revision": self.timer.pending, "seconds_left": round(left, 1)}

    # --- following ----------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._step()
            except Exception as error:
                self._ring("store-fault", f"{type(error).__name__}: {error}")
                loop.call_exception_handler({"message": "following the store", "exception": error})
                await asyncio.sleep(_AGAIN_SECONDS)
                self._wake.set()

    async def _step(self) -> None:
        undo = self._asked or self.timer.due()
        self._asked = None
        if undo is not None and undo.revision == self.timer.pending:
            await self._undo(undo)
        news = self._news
        if news is not None:
            await self._active(news)  # kept where this fails, so that it is done again
            if self._news is news:
                self._news = None

    async def _active(self, news: Message) -> None:
        """The store's active revision is this."""
        target = Target(int(news["revision"]), int(news["generation"]))
        pending = news["pending"]
        undone = self.timer.undone()
        if undone is not None:
            if pending is not None and undone.revision == target.revision:
                return  # the store is still to be told
            self.timer.told()
        if pending is not None:
            self.timer.arm(target.revision, int(pending["back_to"]), float(pending["seconds"]), float(pending["left"]))
        if await self._bring(target) and pending is None:
            self.timer.disarm()

    async def _bring(self, target: Target) -> bool:
        current = self._plan().policy
        if (current.revision, current.generation) != (target.revision, target.generation):
            if target == self._refused:
                return False
            refused = await self._take_up(target)
            if refused:
                self._refused = target
                self._beside.tell({"do": "refused", **asdict(target), "error": refused})
                return False
        self._refused = None
        self._beside.tell({"do": "taken-up", **asdict(target)})
        return True

    async def _undo(self, undo: Undo) -> None:
        target = self._copies.newest(undo.back_to)
        refused = "there is no copy of it" if target is None else ""
        if target is not None:
            refused = await self._take_up(target)
        if refused:
            text = (
                f"revision {undo.revision} should be undone, but revision {undo.back_to} can't be taken up: {refused}"
            )
            self._ring("undo-failed", text)
            await asyncio.sleep(_AGAIN_SECONDS)
            return
        self.timer.fired(undo)
        self._alarms.over("undo-failed")
        text = f"revision {undo.revision} was not kept: the policy of revision {undo.back_to} is active again"
        self._ring("policy-undone", text)
        self._say(text)
        self._beside.tell({"do": "undone", **asdict(undo)})

    # --- the process beside -------------------------------------------------------------------------------------

    def _birth(self) -> Birth:
        plan, undone = self._plan(), self.timer.undone()
        message: Message = {
            "do": "start",
            "node": plan.name,
            "state": str(plan.state_directory),
            **plan.beside,
            "active": {"revision": plan.policy.revision, "generation": plan.policy.generation},
            "undone": None if undone is None else asdict(undone),
        }
        return Birth(plan.beside_argv, message, ())

    def _heard(self, message: Message) -> None:  # one branch for each word
        what = message.get("is")
        if what == "active":
            self._news = message
            self._wake.set()
        elif what == "undo" and self.timer.pending == int(message["revision"]):
            self._say(f"revision {message['revision']} refuses what it is expected to permit: {message['why']}")
            self._asked = Undo(int(message["revision"]), int(message["back_to"]))
            self._wake.set()
        elif what == "told":
            self.timer.told()
        elif what == "alarm":
            name, text, subject = (str(message[key]) for key in ("name", "text", "subject"))
            self._alarm(name, text, subject, int(message["count"]))
        elif what == "over":
            self._alarms.over(str(message["name"]), str(message["subject"]))
        elif what == "metrics":
            self._metrics.take(NUMBER, message["metrics"])

    def _ring(self, name: str, text: str) -> None:
        self._alarm(name, text, "", 1)

    def _died(self, how: str) -> None:
        self._metrics.retire(NUMBER)
        text = f"the process beside the workers {how}; it is started again, and mail goes on"
        self._ring("upkeep-died", text)
        self._say(text)
