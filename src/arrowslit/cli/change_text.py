"""The words for a change: what the rehearsal found, and where a revision is active. Values in, lines and JSON out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from arrowslit.cli.output import escaped

if TYPE_CHECKING:
    from arrowslit.policy.rehearsal import Difference, Rehearsal
    from arrowslit.store.values import Head, NodeState

_SHOWN: Final = 10
_DAY: Final = 86_400.0


def rehearsal_lines(rehearsal: Rehearsal, whole: bool, now: float) -> list[str]:
    """Head line and the clients that would hear something else, the most frequent first."""
    days = 0.0 if rehearsal.since is None else max(now - rehearsal.since, 0.0) / _DAY
    if not rehearsal.looked_at:
        return ["rehearsed  no mail is on record that it could be tried on"]
    reach = f"the last {days:.0f} days" if days >= 1 else "the last hours"
    stopped = "" if whole else " (the rest took too long)"
    lines = [
        f"rehearsed  {rehearsal.looked_at} messages of {reach}{stopped}: {rehearsal.refused} newly refused, "
        f"{rehearsal.permitted} newly permitted"
    ]
    lines += _clients("refused", rehearsal.newly_refused)
    lines += _clients("permitted", rehearsal.newly_permitted)
    if rehearsal.uncertain:
        lines.append(f"uncertain  {rehearsal.uncertain} rest on what was not looked up then, such as client names")
    return lines


def _clients(what: str, found: dict[str, Difference]) -> list[str]:
    ordered = sorted(found.values(), key=lambda one: (-one.count, one.client))
    lines = [
        f"{what:<9}  {one.count:>6}  {one.client:<39}  {one.reason}  {_day(one.last)}  {escaped(one.recipient)}"
        for one in ordered[:_SHOWN]
    ]
    if len(ordered) > _SHOWN:
        lines.append(f"{what:<9}  and {len(ordered) - _SHOWN} more clients")
    return lines


def rehearsed(rehearsal: Rehearsal, whole: bool) -> dict[str, Any]:
    """The rehearsal as JSON."""
    return {
        "looked_at": rehearsal.looked_at,
        "whole": whole,
        "since": rehearsal.since,
        "uncertain": rehearsal.uncertain,
        "newly_refused": _json(rehearsal.newly_refused),
        "newly_permitted": _json(rehearsal.newly_permitted),
    }


def _json(found: dict[str, Difference]) -> list[dict[str, Any]]:
    ordered = sorted(found.values(), key=lambda one: (-one.count, one.client))
    return [
        {
            "client": one.client,
            "count": one.count,
            "reason": one.reason,
            "last": one.last,
            "recipient": one.recipient,
        }
        for one in ordered
    ]


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


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment))
