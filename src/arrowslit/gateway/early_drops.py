"""What the kernel dropped before it came to this process, as decisions (the agent's followers count it).

The agent that changes the firewall has rights that this node has not; this asks its second socket, which only gives
numbers. One record stands for all packets since the last look: a kernel counts packets, and a client that hears nothing
sends several for one connection. Without an agent nothing is recorded; that one is away is told by its own service.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any, Final

from arrowslit.observe.metrics import Metrics
from arrowslit.observe.record import Record
from arrowslit.observe.writer import DecisionWriter
from arrowslit.policy.reasons import DROPPED_EARLY

_SECONDS: Final = 5.0
_LONGEST: Final = 1024 * 1024


class EarlyDrops:
    """Looks now and then. `name` is the node's."""

    def __init__(self, name: str, writer: DecisionWriter, metrics: Metrics) -> None:
        self._name, self._writer, self._metrics = name, writer, metrics
        self._seen: dict[str, int] = {}

    async def look(self, socket: Path, now: float) -> None:
        """Ask the agent at `socket`, and record what was dropped since the last time; `now` is Unix time."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, TimeoutError):
            async with asyncio.timeout(_SECONDS):
                answer = await _ask(socket)
            for point, counted in answer["points"].items():
                self._note(str(point), counted, now)

    def _note(self, point: str, counted: dict[str, Any], now: float) -> None:
        refused, before = int(counted["refused"]), self._seen.get(point)
        self._seen[point] = refused
        # The first look finds what was counted before this node began; a smaller number was begun anew.
        dropped = 0 if before is None else refused - before if refused >= before else refused
        if dropped <= 0:
            return
        self._metrics.add("arrowslit_dropped_early", (), dropped)
        self._writer.write(
            Record(
                node=self._name,
                virtual_server=str(counted["virtual_server"]),
                listener=point,
                action="drop",
                stage="connect",
                reason=DROPPED_EARLY,
                rule=str(counted["rule"]),
                revision=int(counted["revision"]),
                generation=int(counted["generation"]),
                repeats=dropped,
                time=now,
                id=f"{int(now * 1000):x}early",
            )
        )


async def _ask(socket: Path) -> dict[str, Any]:
    reader, writer = await asyncio.open_unix_connection(str(socket), limit=_LONGEST)
    try:
        writer.write(b'{"do":"counters"}\n')
        answer: dict[str, Any] = json.loads(await reader.readline())
    finally:
        writer.close()
    return answer
