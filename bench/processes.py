"""What the kernel knows of processes: CPU time, memory, open files. Linux only (/proc)."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


def children(pid: int) -> list[int]:
    """The processes that `pid` has started and that live."""
    try:
        tasks = list((_PROC / str(pid) / "task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def tree(pid: int) -> list[int]:
    """`pid` and everything below it."""
    return [pid, *(one for child in children(pid) for one in tree(child))]


def cpu_seconds(pid: int) -> float:
    """CPU time that `pid`, everything below it and what they have seen end have used so far."""
    return sum(map(_own_and_reaped, tree(pid)))


def _own_and_reaped(pid: int) -> float:
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(int(field) for field in fields[11:15]) / _TICKS


def machine_busy_seconds() -> float:
    """CPU time that all processes of the machine have used since it started, over all cores."""
    user, nice, system, _idle, _iowait, irq, softirq, *_ = (_PROC / "stat").read_text().split("\n")[0].split()[1:]
    return sum(map(int, (user, nice, system, irq, softirq))) / _TICKS


def _kilobytes(pid: int, word: str) -> int:
    for line in (_PROC / str(pid) / "status").read_text().splitlines():
        if line.startswith(f"{word}:"):
            return int(line.split()[1])
    raise ValueError(f"the kernel does not tell {word} of process {pid}")


def rss(pid: int) -> int:
    """Resident memory in octets."""
    return _kilobytes(pid, "VmRSS") * 1024


def peak_rss(pid: int) -> int:
    """The most resident memory, in octets, since the start or the last `forget_peak`."""
    return _kilobytes(pid, "VmHWM") * 1024


def forget_peak(pid: int) -> None:
    """Begin to count the peak anew."""
    (_PROC / str(pid) / "clear_refs").write_text("5")


def open_files(pid: int) -> int:
    """The number of file descriptors."""
    return len(list((_PROC / str(pid) / "fd").iterdir()))
