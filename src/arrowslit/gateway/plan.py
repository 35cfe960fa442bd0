"""What the parent process is told to run, as values. Made by `app` from the settings; never reads a file."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from arrowslit.documents.alarm_routes import MailRoute
from arrowslit.documents.certificates import CertificateUse
from arrowslit.documents.endpoint import Endpoint
from arrowslit.documents.settings import NextHopSettings

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

    `generation` counts the changes of what the policy names. `file` is the `policy.toml` that people edit and
    `file_sha256` the digest (hex) that it had when it became the revision; both None where there is no such file.
    """

    path: Path
    revision: int
    file: Path | None = None
    file_sha256: str | None = None
    generation: int = 1


@dataclass(frozen=True, slots=True)
class AlarmPlan:
    """Whom to tell of alarms. `folder` is what files of next hops are relative to; `passwords` are by next hop.

    `syslog` is a socket of the machine or a log server.
    """

    mail: tuple[MailRoute, ...] = ()
    webhook: str = field(default="", repr=False)
    syslog: Path | Endpoint | None = None
    folder: Path = Path()
    times: NextHopSettings = field(default_factory=NextHopSettings)
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)


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
    journal: Path | None = None
    """The folder in which decisions wait for the store; None where there is none."""
    beside: Mapping[str, Any] = field(default_factory=dict)
    """What the process beside the workers is told (`gateway.beside`), JSON; empty for none."""
    beside_argv: tuple[str, ...] = (sys.executable, "-m", "arrowslit.upkeep")
    worker_argv: tuple[str, ...] = (sys.executable, "-m", "arrowslit.gateway.worker")
    upgrade_argv: tuple[str, ...] | None = None
    """How to start the next parent on SIGUSR2; None: the way this one was started."""
    alarms: AlarmPlan = field(default_factory=AlarmPlan)
    certificates: tuple[CertificateUse, ...] = ()
    agent_counters: Path | None = None
    """Where the agent tells what the kernel dropped; None where nothing follows the policy there."""

    @property
    def control_socket(self) -> Path:
        """Where `arrowslit status` and the other commands reach the node."""
        return self.state_directory / "control.sock"
