"""Next hop and workers are killed at random while messages flow: nothing that was answered 250 is lost.

The senders are queues: they send a message again until it is answered 250. Afterwards every message is at the next
hop, and whatever is there twice has an `unknown` (or a client that was gone) in the log.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.gateway.node import RunningNode, serving
from tests.gateway.policies import loopback
from tests.gateway.wire import Wire
from tests.peers.process import free_port

SENDERS = 8
PACE = 0.04
"""Seconds between two messages of a sender, so that the killing falls among them."""


class Sink:
    """The next hop's process, killed and started again."""

    def __init__(self, port: int, file: Path) -> None:
        self.port, self.file = port, file
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        program = Path(__file__).with_name("crash_sink.py")
        return subprocess.Popen([sys.executable, str(program), str(self.port), str(self.file)])

    def kill_and_start(self) -> None:
        """As a power cut would."""
        self.stop()
        time.sleep(0.2)
        self.process = self._start()

    def stop(self) -> None:
        """The end of the process."""
        self.process.kill()
        self.process.wait()

    def numbers(self) -> Counter[int]:
        """How often each message is there."""
        return Counter(int(line) for line in self.file.read_text().split())


@contextmanager
def _sink(folder: Path) -> Iterator[Sink]:
    made = Sink(free_port(), folder / "sink")
    try:
        yield made
    finally:
        made.stop()


def _send_all(node: RunningNode, numbers: list[int], until: float) -> None:
    """One sender: a queue of its own, one connection after the other."""
    waiting = list(numbers)
    while waiting and time.monotonic() < until:
        with contextlib.suppress(OSError, AssertionError, ValueError), Wire(node.at) as wire:
            wire.sock.settimeout(10)
            wire.say("EHLO sender.test")
            while waiting:
                body = b"X-Number: %d\r\n\r\nhello\r\n" % waiting[-1]
                if wire.message("a@elsewhere.test", f"m{waiting[-1]}@example.org", body)[0] != 250:
                    break
                waiting.pop()
                time.sleep(PACE)
        time.sleep(0.05)
    assert not waiting, f"{len(waiting)} messages were never taken"


def _murder(node: RunningNode, sink: Sink, stop: threading.Event, dice: random.Random, killed: list[str]) -> None:
    while not stop.wait(dice.uniform(0.6, 1.4)):
        if dice.random() < 0.4:
            sink.kill_and_start()
            killed.append("sink")
        elif workers := node.workers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(dice.choice(workers), signal.SIGKILL)
                killed.append("worker")


def _crash(folder: Path, messages: int, seconds: float) -> None:
    dice = random.Random(20261125)
    with _sink(folder) as sink, serving(folder, loopback(sink.port), workers=2) as node:
        until = time.monotonic() + seconds
        shares = [list(range(start, messages, SENDERS)) for start in range(SENDERS)]
        senders = [threading.Thread(target=_send_all, args=(node, share, until)) for share in shares]
        stop = threading.Event()
        killed: list[str] = []
        murderer = threading.Thread(target=_murder, args=(node, sink, stop, dice, killed))
        for thread in (*senders, murderer):
            thread.start()
        for sender in senders:
            sender.join()
        stop.set()
        murderer.join()
        assert killed.count("sink") >= 1
        assert killed.count("worker") >= 3
        found = sink.numbers()
        assert set(found) == set(range(messages))
        excused = _excused(node)
        twice = {number for number, count in found.items() if count > 1}
        assert twice <= excused, f"twice without a word in the log: {sorted(twice - excused)[:10]}"
        assert node.process.poll() is None


def _excused(node: RunningNode) -> set[int]:
    records = [r for r in node.records() if r.get("outcome") in ("unknown", "delivered, client gone")]
    return {int(r["forward_path"].partition("@")[0][1:]) for r in records if r.get("forward_path")}


def test_nothing_is_lost_when_next_hop_and_workers_are_killed(tmp_path: Path) -> None:
    _crash(tmp_path, 1000, 100)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_ten_thousand_messages(tmp_path: Path) -> None:
    _crash(tmp_path, 10_000, 500)
