"""Memory of a worker: what a session that idles costs it, and what a large message adds."""

from __future__ import annotations

import json
import resource
import subprocess
import time
from dataclasses import dataclass

from tests.peers.process import PeerError

from bench import processes
from bench.loads import Load, generator_argv, root, send
from bench.ways import Way

IDLE_SESSIONS = 5_000
IDLE_GOAL = 30 * 1024
LARGE_MESSAGE = 50_000_000
LARGE_GOAL = 2 * 2**20
_OPEN_FILES = IDLE_SESSIONS + 1_000
_STAND_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Idle:
    """Octets of resident memory of the worker for each session that has said EHLO, and how many there were."""

    sessions: int
    plain: float
    tls: float


def raise_limit() -> None:
    """Allow as many open files as the measurements need; nodes that are started later inherit it.

    Raises ValueError where this user may not.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < _OPEN_FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, max(hard, _OPEN_FILES)))


def idle(way: Way, tls_way: Way, sessions: int) -> Idle:
    """Open sessions at two nodes of one worker each, and look what they cost."""
    return Idle(sessions, _idle(way, sessions, "off"), _idle(tls_way, sessions, "starttls"))


def _idle(way: Way, sessions: int, tls: str) -> float:
    (worker,) = way.workers()
    place = way.place(tls=tls != "off")
    if place is None:
        raise ValueError(f"{way.name} has no TLS")
    argv = generator_argv("idle", place, _STAND_SECONDS, "--tls", tls, sessions=sessions)
    before = processes.rss(worker)
    # Our own interpreter and module.
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root()) as generator:  # noqa: S603
        said = generator.stdout.readline() if generator.stdout else b""
        standing = json.loads(said or b"{}").get("done")
        time.sleep(1.5)
        after = processes.rss(worker)
        generator.communicate()
    if generator.returncode or standing != sessions:
        raise PeerError(f"{sessions} idle sessions: {said.decode()}")
    return (after - before) / sessions


def large_message(way: Way) -> int:
    """Octets that a message of 50 MB adds to the worker's peak of resident memory."""
    (worker,) = way.workers()
    send(way, Load(4096, True, False), messages=200, seconds=0)
    processes.forget_peak(worker)
    before = processes.rss(worker)
    send(way, Load(LARGE_MESSAGE, True, False), messages=1, seconds=0)
    return processes.peak_rss(worker) - before
