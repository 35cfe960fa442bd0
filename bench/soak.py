"""The same load for minutes: does a worker keep its pace, its memory and its files?"""

from __future__ import annotations

import time
from dataclasses import dataclass

from bench import processes
from bench.loads import Load, send
from bench.throughput import SMALL, Say
from bench.ways import Way

_TURN = 5.0


@dataclass(frozen=True, slots=True)
class Moment:
    """A minute's beginning: seconds since the start, messages a second, octets resident, open files of all workers."""

    at: float
    rate: float
    rss: int
    files: int


def measure(way: Way, seconds: float, say: Say) -> list[Moment]:
    """Send 4 KB messages, kept connections and not in turn, for that long; one `Moment` every few seconds."""
    moments: list[Moment] = []
    began = time.monotonic()
    pace = {keep: _pace(way, keep) for keep in (True, False)}
    keep = True
    while (at := time.monotonic() - began) < seconds:
        measured = send(way, Load(SMALL, keep, False), messages=int(pace[keep] * _TURN), seconds=_TURN)
        if measured is None:
            raise ValueError("plain mail was not measured")
        workers = way.below()
        # Rates of kept connections only, since the other rate is another figure.
        if keep:
            rss, files = sum(map(processes.rss, workers)), sum(map(processes.open_files, workers))
            moments.append(Moment(at, measured.rate, rss, files))
            say(f"after {at:.0f} s: {measured.rate:.0f} messages/s, {rss // 1024} KB, {files} open files")
        keep = not keep
    return moments


def _pace(way: Way, keep: bool) -> float:
    measured = send(way, Load(SMALL, keep, False), messages=1000, seconds=1.0)
    return measured.rate if measured else 0.0
