"""Starts one program, waits until it answers, keeps its log, and stops it by its own process id.

A program is started as the leader of a session of its own, so that whatever it forks ends with it. Its
log outlives it in `journal`, from where a failed test's report takes it.
"""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.peers import install
from tests.peers.netns import Host

START_SECONDS = 20.0
STOP_SECONDS = 5.0
_numbers = itertools.count(1)

# Name of an instance -> the last lines of its log. Emptied before each test.
journal: dict[str, Callable[[], str]] = {}


class PeerError(Exception):
    """A peer did not start, or a command of a peer failed."""


@dataclass(slots=True)
class Running:
    """A started program."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    more_logs: list[Path] = field(default_factory=list)

    def log_text(self) -> str:
        """Return all that it has written so far."""
        logs = [self.log, *self.more_logs]
        return "".join(log.read_text(errors="replace") for log in logs if log.exists())

    def stop(self) -> None:
        """End it: politely, then surely, then what it may have left in its process group."""
        if self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(STOP_SECONDS)


def unique(kind: str) -> str:
    """Return a name for an instance that no other on this machine has."""
    return f"{kind}-{os.getpid()}-{next(_numbers)}"


def free_port(host: Host | None = None, address: str = "127.0.0.1") -> int:
    """Return a port that is free at this moment."""

    def ask() -> int:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family) as probe:
            probe.bind((address, 0))
            return int(probe.getsockname()[1])

    return host.call(ask) if host else ask()


def by_loader(peer: str, program: str, *arguments: str) -> list[str]:
    """Return the command that starts a program of a peer's root with the libraries of that root."""
    root = install.root(peer)
    loader = next(root.glob("lib/*/ld-linux*.so.*"))
    folders = [*root.glob("lib/*-linux-gnu"), *root.glob("usr/lib/*-linux-gnu"), root / "usr/lib/postfix"]
    return [str(loader), "--library-path", ":".join(map(str, folders)), str(root / program), *arguments]


def in_chroot(peer: str, program: str, *arguments: str) -> list[str]:
    """Return the command that starts a program inside a peer's root."""
    return ["chroot", str(install.root(peer)), "/" + program, *arguments]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what every peer's environment is: nothing of the caller's but PATH."""
    return {"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), "LC_ALL": "C", **(extra or {})}


def answers(address: str, port: int, first: bytes = b"", host: Host | None = None) -> Callable[[], bool]:
    """Return a check: is there a listener that says `first` (or needs to say nothing)?"""

    def check() -> bool:
        with suppress(OSError), socket.create_connection((address, port), 2) as probe:
            return not first or probe.recv(len(first)) == first
        return False

    return (lambda: host.call(check)) if host else check


@contextmanager
def started(
    name: str,
    argv: Sequence[str],
    log: Path,
    ready: Callable[[], bool],
    *,
    host: Host | None = None,
    more_logs: Sequence[Path] = (),
    extra_environment: Mapping[str, str] | None = None,
    seconds: float = START_SECONDS,
) -> Iterator[Running]:
    """Run a program until the end of the block; inside it, it answers. It is waited for so many seconds."""
    command = [*(host.prefix if host else ()), *argv]
    with log.open("ab") as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment(extra_environment),
        )
    running = Running(name, process, log, [*more_logs])
    journal[name] = running.log_text
    try:
        _wait(running, ready, seconds)
        yield running
    finally:
        running.stop()
        text = running.log_text()[-20_000:]
        journal[name] = lambda: text


def _wait(running: Running, ready: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not ready():
        if running.process.poll() is not None:
            raise PeerError(f"{running.name} ended with {running.process.returncode}:\n{running.log_text()}")
        if time.monotonic() > until:
            raise PeerError(f"{running.name} did not answer in {seconds:g} s:\n{running.log_text()}")
        time.sleep(0.02)


def until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Wait for a condition; say whether it came true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def output(
    argv: Sequence[str],
    *,
    given: bytes = b"",
    host: Host | None = None,
    seconds: float = 30.0,
    extra_environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and return what it wrote; its exit code is the caller's to judge."""
    done = subprocess.run(
        [*(host.prefix if host else ()), *argv],
        input=given,
        capture_output=True,
        timeout=seconds,
        env=environment(extra_environment),
        check=False,
    )
    out, err = (stream.decode("utf-8", "replace") for stream in (done.stdout, done.stderr))
    return subprocess.CompletedProcess(done.args, done.returncode, out, err)
