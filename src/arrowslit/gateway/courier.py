"""Brings notices to one place, and tries again for about an hour where that place does not take them.

A courier has a limited number of notices under way, gives the newest up where it has too many, and never waits for
one before it tries another. What it fails at is said once, as `alarm-not-sent`, which nobody sends on: so no failure
makes another notice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

PAUSES: Final = (60.0, 300.0, 900.0, 2700.0)
"""Seconds before the second try, the third and so on; after the last one it is given up."""
_MOST: Final = 50


class NotSentError(Exception):
    """It was not taken. `final`: it never will be. The text is for the log, and holds no secret."""

    def __init__(self, text: str, *, final: bool = False) -> None:
        super().__init__(text)
        self.final = final


Errand = Callable[[], Awaitable[None]]
"""One try. Raises NotSentError."""


@dataclass(slots=True)
class _Pending:
    errand: Errand
    due: float
    tries: int = 0


class Courier:
    """The way to one place; `name` is "mail", "webhook" or "syslog".

    `failed(text)` and `worked()` are told of each try, `say` of what was given up. Times are those of any clock that
    only goes forward, in seconds.
    """

    def __init__(
        self, name: str, failed: Callable[[str], None], worked: Callable[[], None], say: Callable[[str], None]
    ) -> None:
        self.name = name
        self._failed, self._worked, self._say = failed, worked, say
        self._pending: list[_Pending] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def pending(self) -> int:
        """How many notices are under way."""
        return len(self._pending) + len(self._tasks)

    def take(self, errand: Errand, now: float) -> None:
        """One more; it is tried at the next turn."""
        if self.pending >= _MOST:
            self._give_up("there are too many others to send")
            return
        self._pending.append(_Pending(errand, now))

    def turn(self, now: float) -> None:
        """Try what is due. To be called every second or so, on the loop."""
        due = [pending for pending in self._pending if pending.due <= now]
        self._pending = [pending for pending in self._pending if pending.due > now]
        for pending in due:
            task = asyncio.get_running_loop().create_task(self._try(pending, now))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Stop; what is under way is given up."""
        lost = self.pending
        for task in tuple(self._tasks):
            task.cancel()
        if lost:
            self._give_up(f"the node stops; {lost} were under way")
        self._pending.clear()

    async def _try(self, pending: _Pending, now: float) -> None:
        pending.tries += 1
        try:
            await pending.errand()
        except NotSentError as error:
            self._again(pending, now, str(error), final=error.final)
        except Exception as error:  # a mistake of ours in sending must not end the sending
            self._again(pending, now, type(error).__name__, final=False)
        else:
            self._worked()

    def _again(self, pending: _Pending, now: float, why: str, *, final: bool) -> None:
        self._failed(why)
        if final or pending.tries > len(PAUSES):
            self._give_up(why)
            return
        pending.due = now + PAUSES[pending.tries - 1]
        self._pending.append(pending)

    def _give_up(self, why: str) -> None:
        self._say(f"an alarm was not sent by {self.name}: {why}")
