"""Sends one load through one way, and says what came of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.peers import process, smtp_load
from tests.peers.process import PeerError

from bench import processes
from bench.ways import Way

SESSIONS = 20
_MOST_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent. `size` in octets."""

    size: int
    keep: bool
    tls: bool

    @property
    def name(self) -> str:
        """For tables."""
        size = f"{self.size // 1024} KB" if self.size < 2**20 else f"{self.size // 2**20} MB"
        return (
            f"{size}, {'kept connections' if self.keep else 'a connection a message'}, {'TLS' if self.tls else 'plain'}"
        )


@dataclass(frozen=True, slots=True)
class Measured:
    """What a way did with a load. `cpu` are microseconds of its own CPU time for each message or connection.

    `others` is the share of the machine's cores that programs outside of the bench used meanwhile.
    """

    rate: float
    cpu: float
    others: float


class Clock:
    """Wall time, a way's CPU time and what the rest of the machine did, from its making to `stop`."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._cpu = way.cpu_seconds()
        self._ours, self._all = processes.cpu_seconds(os.getpid()), processes.machine_busy_seconds()
        self._began = time.monotonic()

    def stop(self, done: int, seconds: float = 0.0) -> Measured:
        """The figures for `done` messages; `seconds` where the generator knows better how long it took."""
        wall = time.monotonic() - self._began
        busy = processes.machine_busy_seconds() - self._all - (processes.cpu_seconds(os.getpid()) - self._ours)
        cpu = (self._way.cpu_seconds() - self._cpu) / max(done, 1) * 1e6
        return Measured(done / (seconds or wall), cpu, max(busy, 0.0) / wall / (os.cpu_count() or 1))


def send(way: Way, load: Load, *, messages: int, seconds: float) -> Measured | None:
    """Send about that many messages (plain) or for about that long (TLS); None where the way has no TLS."""
    place = way.place(tls=load.tls)
    if place is None:
        return None
    if load.tls:
        return _under_tls(way, place, load, seconds)
    clock = Clock(way)
    smtp_load.source(place, messages=messages, sessions=SESSIONS, size=load.size, keep=load.keep, seconds=_MOST_SECONDS)
    _drain(way)
    return clock.stop(messages)


def _under_tls(way: Way, place: tuple[str, int], load: Load, seconds: float) -> Measured:
    options = ["--size", str(load.size), "--tls", way.tls, *(["--keep"] if load.keep else [])]
    clock = Clock(way)
    told = generate("mail", place, seconds, *options)
    _drain(way)
    return clock.stop(int(told["done"]), 0.0 if way.drained else float(told["seconds"]))


def _drain(way: Way) -> None:
    """A queue is done when it is empty: what it still holds is work that the others have done already."""
    if way.drained and not process.until(way.drained, _MOST_SECONDS):
        raise PeerError(f"{way.name} does not get its queue empty")


def generator_argv(kind: str, place: tuple[str, int], seconds: float, *options: str, sessions: int) -> list[str]:
    """The command of the bench's own generator."""
    more = ["--sessions", str(sessions), "--seconds", str(seconds), *options]
    return [sys.executable, "-m", "bench.generator", kind, place[0], str(place[1]), *more]


def generate(
    kind: str, place: tuple[str, int], seconds: float, *options: str, sessions: int = SESSIONS
) -> dict[str, Any]:
    """Run the own generator to its end; raises PeerError where the other end did not do what it should."""
    argv = generator_argv(kind, place, seconds, *options, sessions=sessions)
    # Our own interpreter and module.
    done = subprocess.run(argv, capture_output=True, timeout=_MOST_SECONDS, check=False, cwd=root())  # noqa: S603
    if done.returncode:
        raise PeerError(f"{kind} at port {place[1]}: {done.stdout.decode()} {done.stderr.decode()[-500:]}")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def root() -> Path:
    """The top of the repository."""
    return Path(__file__).parents[1]


def median(values: Sequence[float]) -> float:
    """The middle value."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
