"""Which program listens on a port, for an error that helps.

Reads /proc; where that tells nothing, neither does this. Never ends or asks that program.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

_LISTEN: Final = "0A"


def port_owner(port: int) -> str | None:
    """Like 'the program "master" (process 712)', or None when it can't be told."""
    inodes = {f"socket:[{inode}]" for table in ("tcp", "tcp6") for inode in _inodes(Path("/proc/net") / table, port)}
    if not inodes:
        return None
    for process in Path("/proc").glob("[0-9]*"):
        if _holds(process, inodes):
            return f'the program "{_name(process)}" (process {process.name})'
    return None


def _inodes(table: Path, port: int) -> list[str]:
    """The sockets that listen on the port, by inode."""
    wanted = f":{port:04X}"
    try:
        rows = [line.split() for line in table.read_text(encoding="ascii").splitlines()[1:]]
    except OSError:
        return []
    return [row[9] for row in rows if row[1].endswith(wanted) and row[3] == _LISTEN]


def _holds(process: Path, inodes: set[str]) -> bool:
    try:
        return any(str(link.readlink()) in inodes for link in (process / "fd").iterdir())
    except OSError:
        # Another user's process, or one that has just ended.
        return False


def _name(process: Path) -> str:
    try:
        text = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "?"
    return "".join(c if c.isprintable() else "?" for c in text)
