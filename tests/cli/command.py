"""Runs the real command in a process of its own, as a shell would."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
EXAMPLES = REPOSITORY / "examples"


@dataclass(frozen=True, slots=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str


def arrowslit(*arguments: str, cwd: Path, stdin: str = "", **environment: str) -> Result:
    """The result of `arrowslit ARGUMENTS` in the folder `cwd`, 80 columns wide."""
    done = subprocess.run(
        [sys.executable, "-m", "arrowslit.cli.main", *arguments],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), "COLUMNS": "80", **environment},
    )
    return Result(done.returncode, done.stdout, done.stderr)


@contextmanager
def watching(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command that goes on until it is interrupted, read through a pipe as `grep` would."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    process = subprocess.Popen(
        [sys.executable, "-m", "arrowslit.cli.main", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment, "PYTHONPATH": str(REPOSITORY / "src")},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()
