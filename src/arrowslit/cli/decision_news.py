"""What has come into the store since the last look.

Records lie in the order of their time, not of their coming: each look goes back some seconds and leaves out what was
shown. A record that comes in later than that, because its node could not reach the store, is not shown.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from arrowslit.store.decisions import Decisions
    from arrowslit.store.query import Query

BACK: Final = 30.0
"""Seconds that each look goes back."""

_PAGE: Final = 1000
_PAGES: Final = 20


class News:
    """What fits `query` and was decided from `begin` (Unix seconds) on."""

    def __init__(self, decisions: Decisions, query: Query, begin: float) -> None:
        self._decisions, self._query, self._since = decisions, query, begin
        self._shown: dict[tuple[str, int], float] = {}
        self.cut = False
        """Whether there was more at the last look than one look takes: the older part of it was left out."""

    def look(self, now: float) -> list[dict[str, Any]]:
        """What is new at the time `now`, oldest first. Raises StoreError."""
        self._since = max(self._since, now - BACK)
        equal: Counter[str] = Counter()
        new = []
        for record in reversed(self._found()):
            text = json.dumps(record, sort_keys=True)
            key = text, equal[text]  # one of several that are equal in everything counts as well
            equal[text] += 1
            if key not in self._shown:
                self._shown[key] = now
                new.append(record)
        # What was first seen long ago lies behind `since` by now, unless a clock is ahead of ours.
        self._shown = {key: at for key, at in self._shown.items() if now - at < 4 * BACK or equal[key[0]]}
        return new

    def _found(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        query = replace(self._query, since=self._since, limit=_PAGE)
        for _ in range(_PAGES):
            page = self._decisions.search(query)
            found += page.records
            if page.cursor is None:
                self.cut = False
                return found
            query = replace(query, cursor=page.cursor)
        self.cut = True
        return found
