"""The agent's process: the one that changes enforcement points on this machine, with the rights for that and no others.

It answers on a Unix socket of its own (`gateway.control`), that only its account and root can open, and looks at each
point once a turn. One thing is done at a time, apart from the loop that answers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from arrowslit.documents.settings import COUNTERS_SOCKET
from arrowslit.gateway.control import ControlServer
from arrowslit.rollout.agent import VERBS, Agent
from arrowslit.rollout.point import RolloutError

SOCKET: Final = "agent.sock"
_TURN: Final = 1.0
_COUNT_SECONDS: Final = 5.0


@dataclass(slots=True)
class AgentProcess:
    """Runs an agent."""

    agent: Agent
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _counted: dict[str, Any] = field(default_factory=dict)
    _count_again: float = 0.0

    async def run(self, ready: Callable[[], None], stop: asyncio.Event) -> None:
        """Answer and follow until `stop` is set. Raises OSError where the socket can't be made."""
        folder = self.agent.folder
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o711)  # the socket with the counters is everybody's, all else has rights of its own
        await self._each(self.agent.restore)
        server = ControlServer(folder / SOCKET, {name: self._verb(name) for name in VERBS})
        counters = ControlServer(folder / COUNTERS_SOCKET, {"counters": self._counters}, for_everybody=True)
        await server.start()
        await counters.start()
        ready()
        try:
            while not stop.is_set():
                await self._each(self.agent.follow)
                try:
                    await asyncio.wait_for(stop.wait(), _TURN)
                except TimeoutError:
                    continue
        finally:
            server.close()
            counters.close()

    async def _each(self, do: Callable[[str], None]) -> None:
        """Do it for every enforcement point; what goes wrong with one is said once and keeps no other back."""
        try:
            names = list(self.agent.in_force.settings().enforcement_points)
        except RolloutError as error:
            self.agent.tell("", str(error))
            return
        for name in names:
            async with self._lock:
                try:
                    await asyncio.to_thread(do, name)
                except RolloutError as error:
                    self.agent.tell(name, str(error))

    def _verb(self, name: str) -> Callable[[dict[str, Any]], Any]:
        async def verb(request: dict[str, Any]) -> dict[str, Any]:
            async with self._lock:
                return await asyncio.to_thread(self.agent.answer, name, request)

        return verb

    async def _counters(self, _request: dict[str, Any]) -> dict[str, Any]:
        """What the followers have counted; asked of the places every few seconds at most, since anybody may ask."""
        now = time.monotonic()
        if now >= self._count_again:
            self._count_again = now + _COUNT_SECONDS
            async with self._lock:
                self._counted = await asyncio.to_thread(self.agent.count)
        return {"points": self._counted}
