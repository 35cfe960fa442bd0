"""What a running node says of itself: for `arrowslit status` and for /ready. May be called from any thread."""

from __future__ import annotations

import hashlib
import os
import time
from typing import TYPE_CHECKING, Any

from arrowslit.gateway.plan import PolicySource

if TYPE_CHECKING:
    from arrowslit.gateway.supervisor import Supervisor


def status(node: Supervisor) -> dict[str, Any]:
    """The node in one JSON object: name, process, listeners, workers, revision, alarms, certificates, counts."""
    plan = node.plan
    sessions = node.counters.sessions()
    workers = [
        {**worker.as_message(), "sessions": sessions[number]} for number, worker in sorted(node.pool.workers.items())
    ]
    return {
        "node": plan.name,
        "pid": os.getpid(),
        "since": node.since,
        "draining": node.draining,
        "ready": unready(node) == [],
        "not_ready": unready(node),
        "listeners": [{"address": at.plan.address, "bound": at.bound} for at in list(node.listeners.open.values())],
        "workers": workers,
        "sessions": sum(sessions),
        "revision": plan.policy.revision,
        "generation": plan.policy.generation,
        "pending": node.following.as_message(),
        "policy_file": None if plan.policy.file is None else str(plan.policy.file),
        "policy_file_differs": policy_file_differs(plan.policy),
        "alarms": node.alarms.as_message(),
        "certificates": node.certificates.as_message(time.time()),
        "counts": {
            "decisions": _by_first_label(node, "arrowslit_decisions"),
            "deliveries": _by_first_label(node, "arrowslit_deliveries"),
            "spool_bytes": node.counters.spool_total(),
        },
    }


def unready(node: Supervisor) -> list[str]:
    """Why the node can't take mail now; empty when it can."""
    if node.draining:
        return ["the node is stopping"]
    if not node.pool.ready():
        return [f"no worker is ready: {why}" for why in node.pool.failures()] or ["no worker is ready"]
    next_hops = node.metrics.values("arrowslit_next_hop_up")
    if next_hops and not any(next_hops.values()):
        return ["no next hop is up"]
    return []


def policy_file_differs(policy: PolicySource) -> bool | None:
    """Whether the file that people edit is another than the active revision (decisions 21); None: there is none."""
    if policy.file is None or policy.file_sha256 is None:
        return None
    try:
        text = policy.file.read_bytes()
    except OSError:
        return True
    # Line ends are not part of what a policy says.
    return policy.file_sha256 not in {hashlib.sha256(form).hexdigest() for form in (text, text.replace(b"\r\n", b"\n"))}


def _by_first_label(node: Supervisor, family: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for labels, number in node.metrics.values(family).items():
        counts[labels[0]] = counts.get(labels[0], 0) + int(number)
    return counts
