"""The worker processes: started, spoken to, watched, started again when they die.

The start message: {"do": "start", "node", "worker" (from 0), "workers", "parent" (process id), "listeners"
(`Listener.as_message`), "counters" (`CountersPlace.as_message`), "state_directory", "intents" (path), "policy":
{"path", "revision"}, "settings", "journal", "decision_log", "mail_log"}; the other messages: see `gateway.worker_link`.
Never speaks SMTP, and never decides when a worker has to go: the supervisor does.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from arrowslit.gateway.worker_link import ENVIRONMENT, Message, WorkerLink

_QUICK: Final = 2.0
_FIRST_DELAY: Final = 0.1
_LONGEST_DELAY: Final = 5.0


class WorkerFailedError(Exception):
    """A worker did not take up what it was told; the text says why."""


@dataclass(frozen=True, slots=True)
class Birth:
    """What a new worker gets: its command, the start message, and the file descriptors that it inherits."""

    argv: Sequence[str]
    message: Message
    fds: Sequence[int]


class Worker:
    """One process. Its `number` is its column in the counters and stays the same when it is started again."""

    def __init__(self, number: int, birth: Birth, on_message: Callable[[Worker, Message], None]) -> None:
        self.number = number
        self.ready = False
        self.failed = ""
        loop = asyncio.get_running_loop()
        self.started = self.heard = loop.time()
        self._on_message = on_message
        self._asked: dict[str, asyncio.Future[Message]] = {}
        ours, theirs = WorkerLink.pair()
        with theirs:
            environment = {**os.environ, ENVIRONMENT: str(theirs.fileno())}
            environment.pop("NOTIFY_SOCKET", None)
            self._process = subprocess.Popen(  # noqa: S603  our own interpreter and module, from the plan
                birth.argv,
                stdin=subprocess.DEVNULL,
                env=environment,
                pass_fds=[*birth.fds, theirs.fileno()],
                # Ctrl-C on a terminal is for the parent, which lets its workers drain.
                process_group=0,
            )
        self.pid = self._process.pid
        self.link = WorkerLink(ours)
        self.link.send(birth.message)
        self.link.start(loop, self._received)
        self.exited: asyncio.Future[int] = loop.create_future()
        self._pidfd = os.pidfd_open(self.pid)
        loop.add_reader(self._pidfd, self._gone)

    def _gone(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self.ready = False
        self.link.drain_input()
        self.link.close()
        for future in self._asked.values():
            if not future.done():
                future.set_exception(WorkerFailedError(f"worker {self.number} died"))
        self.exited.set_result(self._process.wait())

    def _received(self, message: Message) -> None:
        self.heard = asyncio.get_running_loop().time()
        what = message.get("is")
        for verb, future in self._asked.items():
            if what in (verb, "failed") and not future.done():
                future.set_result(message)
        if what == "ready":
            self.ready, self.failed = True, ""
        elif what == "failed" and not self.ready:
            self.failed = str(message.get("error", ""))
        self._on_message(self, message)

    async def ask(self, message: Message, fds: Sequence[int], seconds: float) -> Message:
        """Send `message` and wait for its answer, one at a time.

        Raises WorkerFailedError: refused, dead, or silent for too long.
        """
        verb = str(message["do"])
        future = self._asked[verb] = asyncio.get_running_loop().create_future()
        try:
            if not self.link.send(message, fds):
                raise WorkerFailedError(f"worker {self.number} does not listen")
            answer: Message = await asyncio.wait_for(future, seconds)
        except TimeoutError:
            raise WorkerFailedError(f"worker {self.number} did not answer within {seconds:g} s") from None
        finally:
            del self._asked[verb]
        if answer.get("is") == "failed":
            raise WorkerFailedError(str(answer.get("error", "")))
        return answer

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal, where the process still lives."""
        if not self.exited.done():
            self._process.send_signal(number)

    def as_message(self) -> dict[str, Any]:
        """For `arrowslit status`."""
        return {"worker": self.number, "pid": self.pid, "ready": self.ready, "failed": self.failed}


class Backoff:
    """How long to wait before the next start: nothing after a long life, up to 5 s after short ones."""

    def __init__(self) -> None:
        self._delay = 0.0

    def after(self, lived: float) -> float:
        """Seconds to wait, for a worker that lived that long."""
        quick = lived < _QUICK
        self._delay = min(self._delay * 2 or _FIRST_DELAY, _LONGEST_DELAY) if quick else 0.0
        return self._delay
