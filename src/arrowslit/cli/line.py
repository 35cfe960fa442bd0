"""Over which line a command was given: what tells a confirmation over a new connection from one over the old.

An administrator who has cut himself off keeps his open session for a while, so only a connection that was made after
the change proves anything (gateway-behaviour 6). The identity of an SSH connection is what sshd says in
SSH_CONNECTION: both addresses and ports. `sudo` takes that out of the environment, so the parents' are looked at too.
Empty at the machine's own console, where nobody can cut himself off by a policy.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_NAME: Final = "SSH_CONNECTION"
_ANCESTORS: Final = 32


def connection() -> str:
    """The line's identity, empty where the command came over none."""
    own = os.environ.get(_NAME, "")
    return own or _of_ancestors(os.getppid())


def client_address() -> str:
    """The address that the administrator comes from, empty where he is at the machine."""
    return connection().partition(" ")[0]


def _of_ancestors(pid: int) -> str:
    for _ in range(_ANCESTORS):
        if pid <= 1:
            break
        found = _in_environment(pid)
        if found:
            return found
        pid = _parent(pid)
    return ""


def _in_environment(pid: int) -> str:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return ""
    for variable in environment.split(b"\0"):
        name, _, value = variable.partition(b"=")
        if name == _NAME.encode():
            return value.decode("utf-8", "replace")
    return ""


def _parent(pid: int) -> int:
    try:
        # The name in parentheses may hold anything, also parentheses.
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0
