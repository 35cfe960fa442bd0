"""Sees that a pending policy does harm: what an expectation permits is being refused (decisions 22).

A policy that breaks an expectation is never applied, so this comes up where the world is not as the expectation says:
the filter has no TLS where its entry demands it, or comes from a network whose contents have changed. Only for what
is pending: a policy that was confirmed is not taken back by itself. Told once for each revision.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from arrowslit.documents.toml import parse
from arrowslit.mail.address import parse_address
from arrowslit.policy.decision import Action
from arrowslit.policy.document import load_policy
from arrowslit.policy.parts import Expectation
from arrowslit.store.values import Head, JournalLine
from arrowslit.upkeep.channel import Channel

_DECISION = b'"kind":"decision"'
_REJECT = b'"action":"reject"'


@dataclass(frozen=True, slots=True)
class _Watched:
    revision: int
    back_to: int
    expectations: tuple[Expectation, ...]


class ExpectationWatch:
    """`follow` and `see` may be called from different threads."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._watched: _Watched | None = None

    def follow(self, head: Head, text: str) -> None:
        """This is active; `text` is its policy."""
        pending = head.pending
        if pending is None:
            self._watched = None
        elif self._watched is None or self._watched.revision != head.revision:
            policy = load_policy(parse(text, "policy")).policy
            permits = (
                () if policy is None else tuple(one for one in policy.expectations if one.outcome is Action.PERMIT)
            )
            self._watched = _Watched(head.revision, pending.back_to, permits)

    def see(self, lines: Sequence[JournalLine]) -> None:
        """These decisions were made."""
        watched = self._watched
        if watched is None or not watched.expectations:
            return
        for line in lines:
            if _DECISION in line.line and _REJECT in line.line:
                broken = _broken(watched, line.line)
                if broken is not None:
                    self._watched = _Watched(watched.revision, watched.back_to, ())
                    self._channel.undo(watched.revision, watched.back_to, broken)
                    return


def _broken(watched: _Watched, line: bytes) -> str | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict) or record.get("revision") != watched.revision:
        return None
    for one in watched.expectations:
        if _speaks_of(one, record):
            return f'"{one.that}", but {one.from_} was told {record.get("code")} ({record.get("reason")})'
    return None


def _speaks_of(one: Expectation, record: dict[str, Any]) -> bool:
    """Whether the refusal in `record` is of what `one` says may come in."""
    if record.get("virtual_server") != one.virtual_server or record.get("authenticated_as") != one.authenticated_as:
        return False
    try:
        same = parse_address(str(record.get("client_address"))) == parse_address(one.from_)
    except ValueError:
        return False
    recipient = record.get("forward_path")
    return same and (one.to is None or recipient is None or str(recipient).lower() == one.to.lower())
