"""Postfix's log in every frame that syslog, journald and docker put around it: always the same attempts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from tests.traffic.formats.test_postfix import EXPECTED, LOG
from tests.traffic.reading import read, read_with_stops

_LINE = re.compile(r"Mar  2 (?P<clock>\S+) mx (?P<program>\S+)\[(?P<pid>\d+)\]: (?P<message>.*)")


def _journal(clock: str, program: str, pid: str, message: str) -> str:
    hours, minutes, seconds = (int(part) for part in clock.split(":"))
    micros = (1772409600 + 3600 * hours + 60 * minutes + seconds) * 1_000_000
    octets = list(message.encode()) if int(pid) % 2 else message
    return json.dumps(
        {"__REALTIME_TIMESTAMP": str(micros), "SYSLOG_IDENTIFIER": program, "SYSLOG_PID": pid, "MESSAGE": octets}
    )


def _docker(clock: str, program: str, pid: str, message: str) -> str:
    log = f"Mar  2 09:09:09 mx {program}[{pid}]: {message}\n"
    return json.dumps({"log": log, "stream": "stdout", "time": f"2026-03-02T{clock}.000000000Z"})


SHAPES: dict[str, Callable[[str, str, str, str], str]] = {
    "rfc3339": lambda clock, program, pid, message: f"2026-03-02T{clock}.000000+00:00 mx {program}[{pid}]: {message}",
    "another zone": lambda clock, program, pid, message: (
        f"2026-03-02T{int(clock[:2]) + 5:02}{clock[2:]}+05:00 mx {program}[{pid}]: {message}"
    ),
    "freebsd": lambda clock, program, pid, message: f"Mar  2 {clock} <mail.info> mx {program}[{pid}]: {message}",
    "busybox": lambda clock, program, pid, message: f"Mar  2 {clock} mx mail.info {program}[{pid}]: {message}",
    "no server": lambda clock, program, pid, message: f"Mar  2 {clock} {program}[{pid}]: {message}",
    "padded": lambda clock, program, pid, message: f"Mar 02 {clock} mx {program}[{pid}]: {message}",
    "compose": lambda clock, program, pid, message: (
        f"postfix-mailcow_1  | Mar  2 {clock} mx {program}[{pid}]: {message}"
    ),
    "docker -t": lambda clock, program, pid, message: (
        f"2026-03-02T{clock}.000000000Z Mar  2 09:09:09 mx {program}[{pid}]: {message}"
    ),
    "docker, no inner time": lambda clock, program, pid, message: f"2026-03-02T{clock}Z {program}[{pid}]: {message}",
    "docker json": _docker,
    "rfc5424": lambda clock, program, pid, message: f"<22>1 2026-03-02T{clock}Z mx {program} {pid} - - {message}",
    "priority": lambda clock, program, pid, message: f"<22>Mar  2 {clock} mx {program}[{pid}]: {message}",
    "journal": _journal,
}


def _in(shape: str) -> str:
    matches = [_LINE.fullmatch(line) for line in LOG.splitlines()]
    return "".join(
        SHAPES[shape](found["clock"], found["program"], found["pid"], found["message"]) + "\n"
        for found in matches
        if found is not None
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_in_every_frame(shape: str) -> None:
    attempts, tally = read(_in(shape))
    assert attempts == EXPECTED
    assert (tally.used, tally.skipped, tally.not_understood) == (12, 1, 0)
    assert read_with_stops(_in(shape).rstrip("\n"), "syslog") == EXPECTED


def test_frames_that_change_within_a_file() -> None:
    """A file that was begun before the system was upgraded."""
    old, new = LOG.splitlines(keepends=True), _in("rfc3339").splitlines(keepends=True)
    assert read("".join([*old[:5], *new[5:]]))[0] == EXPECTED


def test_without_any_time_each_line_is_named() -> None:
    log = re.sub(r"(?m)^Mar  2 \S+ mx ", "", LOG)
    attempts, tally = read(log)
    assert attempts == []
    assert tally.not_understood == 13
    assert {one.says for one in tally.problems} == {"there is no time in this line"}
