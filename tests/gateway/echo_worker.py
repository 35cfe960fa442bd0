"""A worker without SMTP, to try the parent with: tells who it is, then echoes lines.

Lines that mean something: "intent" puts down an intent and leaves it; "alarm TEXT" rings one; "up N" says whether the
next hop is up; "hang" blocks the loop. A policy file that says "broken" is refused, one that says "deadly" kills.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

from arrowslit.gateway.counters import CountersPlace, SharedCounters
from arrowslit.gateway.intents import Intents
from arrowslit.gateway.worker_link import WorkerLink
from arrowslit.observe.metrics import Metrics
from arrowslit.observe.record import Record, to_intent


class EchoWorker:
    def __init__(self, link: WorkerLink) -> None:
        self.link = link
        self.metrics = Metrics()
        self.servers: dict[str, asyncio.Server] = {}
        self.open = 0
        self.done = asyncio.Event()
        self.revision = 0
        self.tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def told(self, message: dict[str, Any]) -> None:
        verb = message["do"]
        if verb == "start":
            self.spawn(self.start(message))
        elif verb == "policy":
            self.policy(message)
        elif verb == "settings":
            self.link.send({"is": "settings"})
        elif verb == "listeners":
            self.spawn(self.listeners(message))
        elif verb == "drain":
            self.spawn(self.drain(message["seconds"]))
        elif verb == "stop":
            self.done.set()

    async def start(self, message: dict[str, Any]) -> None:
        self.number = message["worker"]
        self.counters = SharedCounters(CountersPlace.from_message(message["counters"]), self.number)
        self.intents = Intents(Path(message["intents"]))
        self.settings = message["settings"]
        if not self.policy(message["policy"]):
            return
        for listener in message["listeners"]:
            await self.accept_on(listener["key"], listener["fd"])
        self.link.send({"is": "ready"})
        self.spawn(self.tell_metrics())

    def policy(self, message: dict[str, Any]) -> bool:
        text = Path(message["path"]).read_text()
        if "deadly" in text:
            os.kill(os.getpid(), signal.SIGKILL)
        if "broken" in text:
            self.link.send({"is": "failed", "error": f"{message['path']} is broken"})
            return False
        self.revision = message["revision"]
        self.link.send({"is": "policy", "revision": self.revision})
        return True

    async def listeners(self, message: dict[str, Any]) -> None:
        for key in message["close"]:
            self.servers.pop(key).close()
        for listener, fd in zip(message["open"], message.get("fds", ()), strict=True):
            await self.accept_on(listener["key"], fd)
        self.link.send({"is": "listeners"})

    async def accept_on(self, key: str, fd: int) -> None:
        self.servers[key] = await asyncio.start_server(self.serve, sock=socket.socket(fileno=fd))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.counters.session_opened()
        self.metrics.add("arrowslit_sessions")
        self.tell()
        writer.write(f"{os.getpid()} {self.revision}\n".encode())
        while line := await reader.readline():
            self.act(line.decode().split())
            writer.write(line)
        self.open -= 1
        self.counters.session_closed()
        writer.close()

    def act(self, words: list[str]) -> None:
        if words[0] == "intent":
            self.intents.put(to_intent(Record(id="T1", node="n", forward_path="bob@example.org", time=1.0)))
        elif words[0] == "alarm":
            self.link.send({"is": "alarm", "name": "test", "text": words[1], "subject": "", "count": 1})
        elif words[0] == "up":
            self.metrics.set("arrowslit_next_hop_up", ("exchange",), int(words[1]))
            self.tell()
        elif words[0] == "hang":
            time.sleep(30)

    def tell(self) -> None:
        self.link.send({"is": "metrics", "metrics": self.metrics.snapshot()})

    async def tell_metrics(self) -> None:
        while True:
            await asyncio.sleep(0.2)
            self.tell()

    async def drain(self, seconds: float) -> None:
        for server in self.servers.values():
            server.close()
        until = time.monotonic() + seconds
        while self.open and time.monotonic() < until:
            await asyncio.sleep(0.02)
        self.link.send({"is": "drained"})
        await asyncio.sleep(0.02)
        self.done.set()


async def main() -> None:
    worker = EchoWorker(WorkerLink.inherited())
    worker.link.start(asyncio.get_running_loop(), worker.told, worker.done.set)
    await worker.done.wait()
    os._exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(main())
