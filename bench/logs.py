"""Reading past logs: `policy rehearse` on Postfix logs of 1 and of 10 million lines, beside pflogsumm on the smaller.

The log is what a busy server writes: of ten lines seven are of a message that is let in, three of a refusal. Memory is
the highest that both of our processes had at once, looked at ten times a second.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.peers import pflogsumm

from bench.processes import rss, tree

FEW, MANY = 1_000_000, 10_000_000
GOAL_SECONDS, GOAL_MEMORY = 60.0, 1e9
# ruff: noqa: E501
_MESSAGE = """\
{t} mx postfix/smtpd[{p}]: connect from mx{c}.example.net[198.51.{b}.{c}]
{t} mx postfix/smtpd[{p}]: {q}: client=mx{c}.example.net[198.51.{b}.{c}]
{t} mx postfix/cleanup[92]: {q}: message-id=<{q}@example.net>
{t} mx postfix/qmgr[80]: {q}: from=<a{u}@example.net>, size=4100, nrcpt=1 (queue active)
{t} mx postfix/smtpd[{p}]: disconnect from mx{c}.example.net[198.51.{b}.{c}] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5
{t} mx postfix/lmtp[95]: {q}: to=<bob{u}@example.org>, relay=192.168.0.5[192.168.0.5]:24, delay=0.1, delays=0.1/0/0/0, \
dsn=2.0.0, status=sent (250 2.0.0 ok)
{t} mx postfix/qmgr[80]: {q}: removed
{t} mx postfix/smtpd[{p}]: connect from unknown[203.0.113.{c}]
{t} mx postfix/smtpd[{p}]: NOQUEUE: reject: RCPT from unknown[203.0.113.{c}]: 554 5.7.1 <v{u}@elsewhere.example>: Relay \
access denied; from=<a@b.example> to=<v{u}@elsewhere.example> proto=ESMTP helo=<w>
{t} mx postfix/smtpd[{p}]: disconnect from unknown[203.0.113.{c}] ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4
"""
_LINES = 10
_POLICY = """\
version = 1
[next_hops.inner]
address = "smtp://192.168.0.5:25"
[accepted_domains."example.org"]
next_hop = "inner"
[virtual_servers.default.connection_control]
only_listed = [ { group = "198.51.0.0/22", note = "the filter" } ]
"""


@dataclass(frozen=True, slots=True)
class Reading:
    """One run: lines, seconds, the highest memory in octets."""

    lines: int
    seconds: float
    memory: int


@dataclass(frozen=True, slots=True)
class Logs:
    """Ours on both sizes, and pflogsumm on the smaller."""

    few: Reading
    many: Reading
    rival: Reading


def measure(folder: Path, say: Callable[[str], None], *, quick: bool) -> Logs:
    """Write the logs, read them, and remove them."""
    folder.mkdir()
    (folder / "policy.toml").write_text(_POLICY)
    few, many = (FEW // 10, MANY // 10) if quick else (FEW, MANY)
    small, large = written(folder / "small.log", few), written(folder / "large.log", many)
    say(f"wrote logs of {few} and {many} lines")
    found = Logs(_ours(folder, small, few), _ours(folder, large, many), _rival(small, few))
    large.unlink()
    for name, one in (("rehearse", found.few), ("rehearse", found.many), ("pflogsumm", found.rival)):
        say(f"{name}: {one.lines} lines in {one.seconds:.1f} s, {one.memory / 1e6:.0f} MB")
    return found


def written(path: Path, lines: int) -> Path:
    """A log of so many lines, over four weeks."""
    chance = random.Random(lines)  # noqa: S311 - the same log in every run
    messages = lines // _LINES
    with path.open("w") as file:
        for number in range(messages):
            minute = number * 28 * 24 * 60 // messages
            day, hour, minute = 1 + minute // 1440, minute // 60 % 24, minute % 60
            stamp = f"Mar {day:2} {hour:02}:{minute:02}:{number % 60:02}"
            who = {"c": chance.randrange(256), "b": chance.randrange(8), "u": chance.randrange(3000)}
            file.write(_MESSAGE.format(t=stamp, p=1000 + number % 5000, q=f"{number + (1 << 32):09X}", **who))
    return path


def _ours(folder: Path, log: Path, lines: int) -> Reading:
    argv = [sys.executable, "-m", "arrowslit.cli.main", "policy", "rehearse", str(log), "--zone", "UTC", "--afresh"]
    argv += ["--policy", str(folder / "policy.toml"), "--json"]
    return _timed(argv, os.environ | {"XDG_STATE_HOME": str(folder)}, lines)


def _rival(log: Path, lines: int) -> Reading:
    argv, environment = pflogsumm.command(log)
    return _timed(argv, os.environ | environment, lines)


def _timed(argv: list[str], environment: dict[str, str], lines: int) -> Reading:
    began = time.perf_counter()
    process = subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    highest = 0
    while process.poll() is None:
        highest = max(highest, _memory(process.pid))
        time.sleep(0.1)
    seconds = time.perf_counter() - began
    if process.returncode:
        raise RuntimeError(f"{argv[0]} ended with {process.returncode}")
    return Reading(lines, seconds, highest)


def _memory(pid: int) -> int:
    """Of a process and its children; what has just ended counts nothing."""
    total = 0
    for one in tree(pid):
        try:
            total += rss(one)
        except (OSError, ValueError):
            continue
    return total
