"""The command: `python -m bench [--quick] [--only PART ...] [--soak SECONDS] [--write PAGE]`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.peers import install, smtp_load
from tests.peers.certs import Authority

from bench import life, logs, lookups, memory, page, refusals, soak, targets, throughput
from bench.page import Results
from bench.ways import Way, all_ways, arrowslit

PARTS = ("throughput", "refused", "memory", "lookups", "life", "compiling", "logs")
_PEERS = ("postfix", "smtp-source", "haproxy", "postgresql", "pflogsumm")


class Bench:
    """One run; `folder` is for the nodes' files."""

    def __init__(self, folder: Path, *, quick: bool) -> None:
        self._folder, self._quick = folder, quick
        self._began = time.monotonic()
        self.results = Results()

    def say(self, line: str) -> None:
        """Progress, on stderr."""
        print(f"[{time.monotonic() - self._began:4.0f} s] {line}", file=sys.stderr, flush=True)

    def throughput(self) -> None:
        """All loads through all ways."""
        rounds, seconds = (2, 0.7) if self._quick else (5, 1.0)
        loads = [load for load in throughput.LOADS if not self._quick or not load.tls]
        with all_ways(self._folder / "ways") as ways:
            self.results.throughput = throughput.measure(ways, loads, rounds, seconds, self.say)

    def refused(self) -> None:
        """Strangers at the door."""
        rounds, seconds = (1, 1.0) if self._quick else (3, 2.0)
        certificate = Authority(self._folder / "certificates").issue("mx.arrowslit.test")
        with (
            smtp_load.sink() as sink,
            refusals.refusing(self._folder, (sink.address, sink.port), certificate) as ways,
        ):
            self.results.refused = refusals.measure(ways, rounds, seconds)
        self.say(
            "refused: " + ", ".join(f"{name} {all_[-1].rate:.0f}/s" for name, all_ in self.results.refused.items())
        )

    def memory(self) -> None:
        """Idle sessions and a large message, each at a fresh node."""
        sessions = 1000 if self._quick else memory.IDLE_SESSIONS
        with ExitStack() as stack:
            first, second, third = (self._node(stack, name) for name in ("idle", "idle-tls", "large"))
            self.results.idle = memory.idle(first, second, sessions)
            self.results.large = memory.large_message(third)
        idle = self.results.idle
        self.say(f"idle session {idle.plain / 1024:.1f} KB, under TLS {idle.tls / 1024:.1f} KB")
        self.say(f"a message of 50 MB adds {self.results.large / 2**20:.1f} MB")

    def lookups(self) -> None:
        """10 and 1,000,000 ranges."""
        found = self.results.look_ups = lookups.measure(self._folder / "lookups")
        few, many = found.decision[lookups.FEW], found.decision[lookups.MANY]
        self.say(f"decision {few:.2f} and {many:.2f} µs; load {found.load:.2f} s, {found.memory / 1e6:.1f} MB")

    def life(self) -> None:
        """Decisions into stores, and a million ranges under load."""
        rounds, seconds = (2, 0.7) if self._quick else (5, 1.5)
        self.results.life = life.decisions(self._folder / "life", rounds, seconds, self.say)
        found = life.ranges(self._folder / "ranges", self.say)
        self.results.life.pauses, self.results.life.took = found.pauses, found.took

    def compiling(self) -> None:
        """A policy to every target."""
        self.results.compiling = targets.measure(self.say)

    def logs(self) -> None:
        """Past logs into a rehearsal."""
        self.results.logs = logs.measure(self._folder / "logs", self.say, quick=self._quick)

    def soak(self, seconds: float) -> None:
        """The same load for long."""
        with ExitStack() as stack:
            self.results.soak = soak.measure(self._node(stack, "soak"), seconds, self.say)

    def _node(self, stack: ExitStack, name: str) -> Way:
        sink = stack.enter_context(smtp_load.sink())
        certificate = Authority(self._folder / f"{name}-certificates").issue("mx.arrowslit.test")
        return stack.enter_context(arrowslit(self._folder / name, (sink.address, sink.port), certificate))


def _told(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure Arrowslit beside HAProxy and Postfix."
    )
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, no TLS; under 2 minutes")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--soak", type=float, default=0.0, metavar="SECONDS", help="also run one load for that long")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the page of results there")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print the page; 1 where a peer is missing."""
    told = _told(arguments)
    absent = [reason for peer in _PEERS if (reason := install.missing(peer)) is not None]
    if absent:
        print("\n".join(absent), file=sys.stderr)
        return 1
    memory.raise_limit()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(Path(folder), quick=told.quick)
        parts: dict[str, Callable[[], None]] = {name: getattr(bench, name) for name in PARTS}
        for name in told.only:
            parts[name]()
        if told.soak:
            bench.soak(told.soak)
        text = page.page(bench.results)
    print(text)
    if told.write:
        told.write.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
