"""`policy rehearse` as a shell runs it: interrupted at any moment, into a closed pipe, with hostile logs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.command import REPOSITORY, arrowslit
from tests.logs.test_reading import message, written

POLICY = """
version = 1
[next_hops.inner]
address = "smtp://192.0.2.25:25"
[accepted_domains."example.org"]
next_hop = "inner"
[virtual_servers.default]
connection_control = { only_listed = [ { computer = "192.0.2.1" } ] }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "policy.toml").write_text(POLICY)
    return tmp_path


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A rehearsal in a process group of its own, as in a terminal."""
    process = subprocess.Popen(
        [sys.executable, "-m", "arrowslit.cli.main", "policy", "rehearse", *arguments, "--policy", "policy.toml"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), "XDG_STATE_HOME": str(folder / "state")},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_children(process: subprocess.Popen[str], number: int) -> None:
    """Until it has started so many processes of its own."""
    while process.poll() is None:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        if len(children) >= number:
            return
        time.sleep(0.005)


@pytest.mark.parametrize(("children", "delay"), [(1, 0.0), (2, 0.0), (2, 0.1), (2, 0.4)])
def test_an_interrupt_stops_it_at_any_moment(folder: Path, children: int, delay: float) -> None:
    written(folder / "mail.log", "".join(map(message, range(40_000))))
    with running(folder, "mail.log") as process:
        wait_for_children(process, children)
        time.sleep(delay)
        os.killpg(process.pid, signal.SIGINT)
        _out, err = process.communicate(timeout=50)
    assert process.returncode == 1, err
    assert "stopped: this is what was read so far; the same command goes on" in err
    assert "Traceback" not in err
    done = arrowslit(
        "policy", "rehearse", "mail.log", "--policy", "policy.toml", cwd=folder, XDG_STATE_HOME=str(folder / "state")
    )
    assert "going on where it was stopped" in done.err
    assert done.out.startswith("40,000 messages to 40,000 recipients")
