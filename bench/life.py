"""What the life of a policy costs the mail: decisions into a store, and a million ranges taken up under load."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.peers import postgresql, process, smtp_load
from tests.peers.certs import Authority

from bench.loads import Load, Measured, median
from bench.throughput import SMALL, measure
from bench.ways import Way, arrowslit

WITHOUT, SQLITE, POSTGRESQL = "without a store", "SQLite", "PostgreSQL"
KEPT = Load(SMALL, True, False)
EACH = Load(SMALL, False, False)
RANGES = 1_000_000
MOST_LESS = 0.10
LONGEST_PAUSE = 0.010

Say = Callable[[str], None]


@dataclass(slots=True)
class Life:
    """`rounds`: load -> store -> one `Measured` a round; `pauses` in seconds, one a NOOP while ranges are taken up."""

    rounds: dict[Load, dict[str, list[Measured]]] = field(default_factory=dict)
    pauses: list[float] = field(default_factory=list)
    took: float = 0.0
    """Seconds from the changed file to the policy in force."""

    def less(self, load: Load, store: str) -> float:
        """The share of messages a second that the store costs."""
        here = self.rounds[load]
        ratios = [one.rate / other.rate for one, other in zip(here[store], here[WITHOUT], strict=True)]
        return 1 - median(ratios)

    @property
    def pause(self) -> float:
        """The 99th percentile of the pauses, in seconds."""
        return sorted(self.pauses)[int(len(self.pauses) * 0.99)]


def decisions(folder: Path, rounds: int, seconds: float, say: Say) -> Life:
    """The same node three times: without a store, with SQLite, with PostgreSQL."""
    with ExitStack() as stack:
        sink = stack.enter_context(smtp_load.sink())
        certificate = Authority(folder / "certificates").issue("mx.arrowslit.test")
        location = stack.enter_context(postgresql.server()).create("bench")
        to = (sink.address, sink.port)
        ways = []
        for name, options in ((WITHOUT, {"bare": True}), (SQLITE, {}), (POSTGRESQL, {"store": location})):
            way = stack.enter_context(arrowslit(folder / name.replace(" ", "-"), to, certificate, **options))
            way.name = name
            ways.append(way)
        found = measure(ways, [KEPT, EACH], rounds, seconds, say)
        return Life(found.rounds)


def ranges(folder: Path, say: Say) -> Life:
    """A node with a million ranges gets another million while sessions go on."""
    with ExitStack() as stack:
        sink = stack.enter_context(smtp_load.sink())
        certificate = Authority(folder / "certificates").issue("mx.arrowslit.test")
        inside = folder / "node"
        inside.mkdir(parents=True)
        _write(inside / "many.txt", 0)
        more = '[networks.many]\nfile = "many.txt"\ngrowth_held_above = "100%"\n'
        listed = '{ computer = "127.0.0.1" }, { network = "many" }'
        way = stack.enter_context(
            arrowslit(inside, (sink.address, sink.port), certificate, listed=listed, more=more, wait=120.0)
        )
        found = Life()
        with _noops(way, found):
            _write(inside / "many.txt", 1)
            begin = time.monotonic()
            active = inside / "state" / "revisions" / "active.json"
            before = active.read_bytes()
            if not process.until(lambda: active.read_bytes() != before, 180):
                raise RuntimeError("the ranges were not taken up")
            found.took = time.monotonic() - begin
        say(f"{RANGES} ranges taken up in {found.took:.1f} s; 99 of 100 NOOPs within {found.pause * 1000:.1f} ms")
        return found


def _write(path: Path, shift: int) -> None:
    """Every other address from 11.0.0.0 on, the last half of them moved by `shift`."""
    lines = []
    for number in range(RANGES):
        value = (11 << 24) + 2 * number + (shift if number >= RANGES // 2 else 0)
        lines.append(f"{value >> 24}.{value >> 16 & 255}.{value >> 8 & 255}.{value & 255}\n")
    path.write_text("".join(lines))


@contextmanager
def _noops(way: Way, found: Life) -> Iterator[None]:
    stop = threading.Event()

    def ask() -> None:
        with socket.create_connection(way.at, 10) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.recv(1000)
            sock.sendall(b"EHLO bench.test\r\n")
            sock.recv(1000)
            for number in range(1_000_000):
                if stop.is_set():
                    return
                # A hundred NOOPs are enough for a session (gateway-behaviour 5); granted clients are exempt.
                begin = time.monotonic()
                sock.sendall(b"NOOP\r\n")
                if not sock.recv(1000).startswith(b"250"):
                    raise RuntimeError(f"NOOP {number} was refused")
                found.pauses.append(time.monotonic() - begin)
                time.sleep(0.002)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)
