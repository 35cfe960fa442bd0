"""The words for a change: what the rehearsal found, and where a revision is active. Values in, lines and JSON out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from arrowslit.cli.client_table import group_lines, rehearsal_json
from arrowslit.cli.output import escaped
from arrowslit.traffic.rehearsal import GROUPS, NEWLY_PERMITTED, NEWLY_REFUSED

if TYPE_CHECKING:
    from arrowslit.store.values import Head, NodeState
    from arrowslit.traffic.rehearsal import Rehearsal

_SHOWN: Final = 10
_DAY: Final = 86_400.0


def rehearsal_lines(rehearsal: Rehearsal, whole: bool, now: float) -> list[str]:
    """Head line and the clients that would hear something else, the most frequent first."""
    days = 0.0 if rehearsal.first is None else max(now - rehearsal.first, 0.0) / _DAY
    if not rehearsal.attempts:
        return ["rehearsed  no mail is on record that it could be tried on"]
    reach = f"the last {days:.0f} days" if days >= 1 else "the last hours"
    stopped = "" if whole else " (the rest took too long)"
    lines = [
        f"rehearsed  {rehearsal.messages} messages of {reach}{stopped}: {rehearsal.counted(NEWLY_REFUSED)} newly "
        f"refused, {rehearsal.counted(NEWLY_PERMITTED)} newly permitted"
    ]
    for group in GROUPS:
        lines += group_lines(rehearsal, group, _SHOWN)
    return lines


def rehearsed(rehearsal: Rehearsal, whole: bool) -> dict[str, Any]:
    """The rehearsal as JSON."""
    return {"whole": whole, **rehearsal_json(rehearsal)}


def applied(head: Head, nodes: list[NodeState]) -> dict[str, Any]:
    """Where a revision is active, as JSON."""
    pending = head.pending
    return {
        "revision": head.revision,
        "generation": head.generation,
        "pending": None
        if pending is None
        else {"back_to": pending.back_to, "until": pending.since + pending.seconds, "seconds": pending.seconds},
        "nodes": [
            {
                "node": node.node,
                "revision": node.revision,
                "active": node.revision == head.revision,
                "problem": node.problem,
            }
            for node in nodes
        ],
    }


def applied_lines(head: Head, nodes: list[NodeState]) -> tuple[list[str], list[str]]:
    """What is said of it, and what somebody must know."""
    have = sum(node.revision == head.revision for node in nodes)
    where = (
        f"active on {have} of {len(nodes)} nodes" if nodes else "active; no node is running, the next start takes it"
    )
    line = f"revision {head.revision} {where}"
    if head.pending is not None:
        until = time.strftime("%H:%M:%S", time.localtime(head.pending.since + head.pending.seconds))
        line += f"; undone at {until} unless: arrowslit confirm"
    problems = [
        f"warning: node {escaped(node.node)} has revision {node.revision}"
        + (f": {escaped(node.problem)}" if node.problem else ", and has not answered yet")
        for node in nodes
        if node.revision != head.revision
    ]
    return [line], problems
