"""What the parent process is told to run, as values. Made by `app` from the settings; never reads a file."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

DRAIN_SECONDS: Final = 660.0
"""How long sessions may take to end (gateway-behaviour 6: longer than the 600 s wait for the final reply)."""


@dataclass(frozen=True, slots=True)
class ListenerPlan:
    """One listener. `address` is "HOST:PORT", IPv6 in brackets, "[::]:25" for both families.

    `settings` is JSON and for the workers.
    """

    address: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PolicySource:
    """The policy to run: `path` is what workers load (the store's active revision, on local disk).

    `file` is the `policy.toml` that people edit and `file_sha256` the digest (hex) that it had when it became the
    revision; both None where there is no such file.
    """

    path: Path
    revision: int
    file: Path | None = None
    file_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class NodePlan:
    """One node. `settings` is JSON and goes to the workers as it is."""

    name: str
    listeners: tuple[ListenerPlan, ...]
    policy: PolicySource
    state_directory: Path
    workers: int = 1
    settings: Mapping[str, Any] = field(default_factory=dict)
    metrics_address: str | None = None
    decision_log: Path | None = None
    mail_log: str | None = None
    """"stderr", "syslog", or the path of a file; None for no Postfix-shaped log."""
    drain_seconds: float = DRAIN_SECONDS
    worker_argv: tuple[str, ...] = (sys.executable, "-m", "arrowslit.gateway.worker")
    upgrade_argv: tuple[str, ...] | None = None
    """How to start the next parent on SIGUSR2; None: the way this one was started."""

    @property
    def control_socket(self) -> Path:
        """Where `arrowslit status` and the other commands reach the node."""
        return self.state_directory / "control.sock"
