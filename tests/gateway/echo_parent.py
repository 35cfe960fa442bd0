"""A parent of echo workers, made from a JSON file that is read again on reload."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from arrowslit.gateway.listeners import ListenerError
from arrowslit.gateway.plan import ListenerPlan, NodePlan, PolicySource
from arrowslit.gateway.supervisor import serve


def plan(file: Path) -> NodePlan:
    said = json.loads(file.read_text())
    folder = file.parent
    policy = PolicySource(folder / said["policy"], said["revision"], folder / said["policy"], said.get("sha256"))
    return NodePlan(
        name="mx.example.net",
        listeners=tuple(ListenerPlan(address, {"n": said.get("n", 0)}) for address in said["listeners"]),
        policy=policy,
        state_directory=folder,
        workers=said.get("workers", 2),
        settings=said.get("settings", {}),
        metrics_address=said.get("metrics"),
        decision_log=folder / "decisions.log",
        drain_seconds=said.get("drain", 5),
        worker_argv=(sys.executable, "-m", "tests.gateway.echo_worker"),
        upgrade_argv=tuple(said["upgrade"]) if "upgrade" in said else None,
    )


if __name__ == "__main__":
    path = Path(sys.argv[1])
    try:
        sys.exit(serve(plan(path), lambda _target: plan(path)))
    except ListenerError as error:
        sys.exit(f"error: {error}")
