"""A real node for tests: `arrowslit serve` in a folder of its own, on loopback or in a network namespace."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.peers.process import free_port

_STARTED = 20.0
LOGS = 'decisions = "decisions.jsonl"\nmail = "mail.log"\n'


@dataclass(slots=True)
class RunningNode:
    """The node and where it listens, by the listener's place in the settings."""

    folder: Path
    process: subprocess.Popen[bytes]
    ports: list[int]
    address: str = "127.0.0.1"

    @property
    def at(self) -> tuple[str, int]:
        """The first listener."""
        return self.address, self.ports[0]

    @property
    def log(self) -> str:
        """What the node said on stderr."""
        return (self.folder / "stderr").read_text(errors="replace")

    def records(self, **wanted: object) -> list[dict[str, Any]]:
        """The records so far that have these values, after the node had time to write them."""
        time.sleep(0.3)
        path = self.folder / "decisions.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]

    def wait_for(self, seconds: float = 15.0, **wanted: object) -> dict[str, Any]:
        """The first record with these values, as soon as there is one."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = self.records(**wanted)
            if found:
                return found[0]
        raise AssertionError(f"no record with {wanted} in {self.records()}; the node said:\n{self.log}")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of ours, with the node's settings."""
        argv = [sys.executable, "-m", "arrowslit.cli.main", *arguments, "-c", str(self.folder / "arrowslit.toml")]
        return subprocess.run(argv, capture_output=True, text=True, check=False, env=os.environ | {"NO_COLOR": "1"})

    def policy(self, text: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Apply another policy; returns once the node has it, or has refused it."""
        (self.folder / "policy.toml").write_text(text)
        return self.run("policy", "apply", *options)

    def reload(self) -> None:
        """Take up changed settings; returns once the node says so."""
        before = self.log.count("reloaded")
        self.process.send_signal(signal.SIGHUP)
        until = time.monotonic() + _STARTED
        while self.log.count("reloaded") == before:
            assert time.monotonic() < until, self.log
            time.sleep(0.02)

    def workers(self) -> list[int]:
        """The process ids of the workers."""
        return self._children(b"gateway.worker")

    def beside(self) -> list[int]:
        """The process id of the one beside them."""
        return self._children(b"arrowslit.upkeep")

    def _children(self, what: bytes) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(child) for child in children if what in Path(f"/proc/{child}/cmdline").read_bytes()]

    def stop(self) -> int:
        """End it in order; its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.terminate()
                self.process.wait(10)
        return self.process.returncode


def settings_text(
    listeners: list[str],
    more: str = "",
    workers: int = 1,
    *,
    state: str = "state",
    logs: str = LOGS,
    name: str = "mx.arrowslit.test",
    store: str = "",
) -> str:
    """An arrowslit.toml; `listeners` are the bodies of [[listeners]] tables, `logs` is that of [log]."""
    tables = "".join(f"[[listeners]]\n{body}\n" for body in listeners)
    tables = (f'store = "{store}"\n' if store else "") + tables
    return f'[node]\nname = "{name}"\nstate = "{state}"\nworkers = {workers}\n{tables}[log]\n{logs}{more}'


@contextmanager
def serving(
    folder: Path,
    policy: str,
    listeners: list[str] | None = None,
    more: str = "",
    *,
    prefix: tuple[str, ...] = (),
    address: str = "127.0.0.1",
    workers: int = 1,
    state: str = "state",
    logs: str = LOGS,
    name: str = "mx.arrowslit.test",
    store: str = "",
) -> Iterator[RunningNode]:
    """Run a node. A listener's body may say `{port}`; each gets a free one. `prefix` runs it in a namespace."""
    bodies = listeners or [f'address = "{address}:{{port}}"']
    ports = [free_port() for _ in bodies]
    texts = [body.replace("{port}", str(port)) for body, port in zip(bodies, ports, strict=True)]
    folder.mkdir(parents=True, exist_ok=True)
    settings = settings_text(texts, more, workers, state=state, logs=logs, name=name, store=store)
    (folder / "arrowslit.toml").write_text(settings)
    (folder / "policy.toml").write_text(policy)
    argv = [*prefix, sys.executable, "-m", "arrowslit.cli.main", "serve", "-c", str(folder / "arrowslit.toml")]
    with (folder / "stderr").open("wb") as errors:
        process = subprocess.Popen(argv, stdout=errors, stderr=errors, env=os.environ | {"NO_COLOR": "1"})
    node = RunningNode(folder, process, ports, address)
    try:
        _wait_until_ready(node)
        yield node
    finally:
        node.stop()


def _wait_until_ready(node: RunningNode) -> None:
    until = time.monotonic() + _STARTED
    while time.monotonic() < until:
        if node.process.poll() is not None:
            break
        if "listening on" in node.log.lower():
            return
        time.sleep(0.05)
    raise AssertionError(f"the node did not start (exit {node.process.poll()}):\n{node.log}")
