"""Runs the `apply` of a compiled script in /bin/sh, with functions in place of the cloud's command line."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

RECORD = r"""
record() {
	printf '%s\n' "$@" >>"$CALLS"
	printf '\036\n' >>"$CALLS"
}
"""


def called(fake: str, text: str, environment: Mapping[str, str], *, say: str = "apply") -> list[list[str]]:
    """Every call of the fake, as words. Raises ValueError where the script fails."""
    with tempfile.TemporaryDirectory() as folder:
        calls, script = Path(folder, "calls"), Path(folder, "script")
        calls.touch()
        script.write_text(RECORD + fake + text)
        done = subprocess.run(
            ["sh", str(script), say],
            cwd=folder,
            env={"PATH": "/usr/bin:/bin", "CALLS": str(calls), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
            check=False,
        )
        if done.returncode:
            raise ValueError(done.stderr.decode())
        return [call.strip("\n").split("\n") for call in calls.read_text().split("\036\n") if call]


def words(call: list[str], name: str) -> list[str]:
    """The words behind an option, up to the next one."""
    if name not in call:
        return []
    found = []
    for word in call[call.index(name) + 1 :]:
        if word.startswith("--"):
            break
        found.append(word)
    return found


def option(call: list[str], name: str) -> str:
    """The only word behind an option."""
    (found,) = words(call, name)
    return found
