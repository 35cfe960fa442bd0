"""Reads logs into a sink: one process reads, this one counts. It can be stopped, and goes on later.

What was read until a stop is kept (`saved`). It counts only for the same question and the same files, of which those
that were not read to their end may have grown meanwhile.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import marshal
import multiprocessing
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, Final

from arrowslit import __version__
from arrowslit.logs.child import ATTEMPTS, END, PIECE, Order, read_all, tally_of
from arrowslit.logs.pieces import Plan, Planned
from arrowslit.logs.saved import Saved
from arrowslit.logs.sink import Sink
from arrowslit.logs.twice import Twice
from arrowslit.traffic.attempt import Attempt
from arrowslit.traffic.tally import Tally

_VERSION: Final = 2
_END: Final = 5.0
"""Seconds that the reading process has to end, once it has said all."""
Progress = Callable[[int, int], None]


class ReadingFailedError(Exception):
    """The reading process ended before it was done; says so to an administrator."""


@dataclass(slots=True)
class Read:
    """What came of it. `tallies` by format; `twice` is how many attempts came again and were dropped."""

    whole: bool
    tallies: dict[str, Tally] = field(default_factory=dict)
    twice: int = 0
    twice_full: bool = False
    goes_on: bool = False
    """It was stopped, and the next run can go on from there."""

    @property
    def tally(self) -> Tally:
        """Of all formats."""
        total = Tally()
        for one in self.tallies.values():
            total.add(one)
        return total


class Reading:
    """One reading of a plan into a sink. `question` is what the sink asks (a policy's hash, ...)."""

    def __init__(
        self, plan: Plan, sink: Sink, question: str, zone: datetime.tzinfo, until: float | None = None
    ) -> None:
        self._plan, self._sink, self._zone, self._until = plan, sink, zone, until
        self._twice = Twice()
        self._saved = Saved(json.dumps([_VERSION, __version__, plan.named, question, str(zone), until]))
        self._state: dict[str, Any] | None = None
        self.changed = False
        """There was a stop, but the files are no longer the same."""

    def take_up(self) -> bool:
        """Go on where the same reading was stopped; False where it was not, or where the files have changed."""
        saved = self._saved.read()
        if saved is None:
            return False
        empty = self._sink.state()
        try:
            if not _fits(saved["plan"], saved["child"]["piece"], self._plan.pieces):
                self.changed = True
                return False
            self._sink.resume(saved["sink"])
            self._twice.resume(saved["twice"])
            self._state = saved["child"]
        except (ValueError, KeyError, TypeError, AttributeError):
            self._sink.resume(empty)
            self._twice = Twice()
            return False
        return True

    def run(self, progress: Progress) -> Read:
        """Read on. A KeyboardInterrupt stops it: what was read is saved, and counted in what is returned.

        Raises ReadingFailedError.
        """
        order = Order(self._plan.pieces, self._zone, self._until, self._state)
        with _interrupts() as interrupts:
            process, connection = _started(order)
            try:
                stopped, state = self._listen(process, connection, progress, interrupts)
            finally:
                connection.close()
                process.join(_END)
                process.kill()
                process.join()
        goes_on = False
        if stopped:
            goes_on = self._saved.write(
                {"plan": self._plan.key(), "child": state, "sink": self._sink.state(), "twice": self._twice.state()}
            )
        else:
            self._saved.remove()
        tallies = {name: tally_of(one) for name, one in state["tallies"].items()}
        return Read(not stopped, tallies, self._twice.dropped, self._twice.full, goes_on)

    def _listen(
        self, process: SpawnProcess, connection: Connection, progress: Progress, interrupts: list[int]
    ) -> tuple[bool, dict[str, Any]]:
        told = False
        while True:
            try:
                message = marshal.loads(connection.recv_bytes())  # noqa: S302  from our own process
            except (EOFError, OSError):
                process.join(_END)
                raise ReadingFailedError(_failed(process.exitcode, afresh=self._state is not None)) from None
            if message[0] == ATTEMPTS:
                self._sink.take(self._twice.only_new(map(Attempt._make, message[1])))
                progress(message[2], self._plan.size)
            elif message[0] == PIECE:
                self._piece(message[1], goes_on=message[2])
            elif message[0] == END:
                return message[1], message[2]
            if interrupts and not told:
                told = True
                with contextlib.suppress(OSError):  # it has just ended by itself
                    connection.send_bytes(b"stop")

    def _piece(self, at: int, *, goes_on: bool) -> None:
        later = [one.first_time for one in self._plan.pieces[at + 1 :]]
        self._twice.piece(later, goes_on=goes_on)


def _fits(before: list[list[Any]], at: int, pieces: tuple[Planned, ...]) -> bool:
    """Whether `pieces` can be read on from the piece `at` of those `before` (see `Plan.key`): what was read to its end
    is unchanged, and the others have the same beginning.
    """
    now = [one.key() for one in pieces]
    if len(before) != len(now) or before[:at] != now[:at]:
        return False
    return all(_has_grown(old, new) for old, new in zip(before[at:], now[at:], strict=True))


def _has_grown(old: list[Any], new: list[Any]) -> bool:
    """At its end, or not at all; a file that runs backwards grows at its beginning."""
    (*same, backwards, size, written), (*as_before, _, size_now, written_now) = old, new
    return same == as_before and (size <= size_now if not backwards else (size, written) == (size_now, written_now))


def _started(order: Order) -> tuple[SpawnProcess, Connection]:
    """The process that reads, and our end of the line to it. It never hears of an interrupt, not even as it begins."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=read_all, args=(theirs, order), daemon=True)
    resource_tracker.ensure_running()  # else it is started now, and lets interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    except BaseException:
        ours.close()
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
    return process, ours


def _failed(code: int | None, *, afresh: bool) -> str:
    """What is said of a reading process that is gone; a negative code is the signal that ended it."""
    why = ""
    if code is not None and code < 0:
        why = f": signal {-code} ended it"
        if code == -signal.SIGKILL:
            why += ", as a machine does that is short of memory"
    again = "; --afresh begins anew, where it was stopped before" if afresh else ""
    return f"the process that reads the files ended before it was done{why}{again}"


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Interrupts as they come, so that none falls in the middle of counting; the second one is an exception again."""
    seen: list[int] = []

    def taken(number: int, _frame: object) -> None:
        seen.append(number)
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, taken)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)
