"""Commands start fast (150 ms, decisions 23): time is recorded, what must not be imported is asserted."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from tests.cli.command import EXAMPLES, REPOSITORY

HEAVY = {"argon2", "asyncio", "cryptography", "dns", "OpenSSL", "prometheus_client", "psycopg", "sqlalchemy", "ssl"}
COMMANDS = ["--help", "policy lint", "policy test", "explain 203.0.113.9", "user list", "help relay-open"]
COMMANDS += [
    f"{command} --help"
    for command in (
        *("decision list", "decision watch", "decision show", "session list", "session watch", "session close"),
        *("network list", "network refresh", "network accept", "store backup", "store migrate", "store prune"),
    )
]


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_heavy_is_imported(command: str, record_property: Callable[[str, object], None]) -> None:
    argv = [sys.executable, "-X", "importtime", "-m", "arrowslit.cli.main", *command.split()]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    started = time.perf_counter()
    done = subprocess.run(
        argv, cwd=EXAMPLES / "small-office", env=environment, capture_output=True, text=True, check=True
    )
    record_property("milliseconds", round((time.perf_counter() - started) * 1000))
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "click" in imported
    assert imported & HEAVY == set()
