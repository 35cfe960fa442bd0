"""The duty that brings decision records from the journal into the store, and lets go of old ones.

Retention is by whole days (`store.decisions`). While the store is away the journal keeps what comes, up to its budget.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from arrowslit.observe.journal import waiting_octets
from arrowslit.observe.metrics import Metrics
from arrowslit.store.database import Database
from arrowslit.store.errors import StoreError
from arrowslit.store.values import JournalLine
from arrowslit.upkeep.channel import Channel
from arrowslit.upkeep.intake import Intake
from arrowslit.upkeep.watch import ExpectationWatch

_TURN: Final = 1.0
_AWAY: Final = 5.0
_PRUNE_SECONDS: Final = 3600.0


class DecisionKeeper:
    """One node's records. `keep_seconds` is how long they are kept, 0 for ever."""

    def __init__(
        self,
        folder: Path,
        database: Database,
        keep_seconds: float,
        channel: Channel,
        metrics: Metrics,
        watch: ExpectationWatch,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder, self._database, self._keep = folder, database, keep_seconds
        self._channel, self._metrics, self._clock = channel, metrics, clock
        self._watch = watch
        self._intake = Intake(folder, self._take)
        self._pruned = float("-inf")
        self._cut = 0

    def turn(self) -> float:
        """Take what waits; seconds until there may be more."""
        try:
            taken = self._intake.turn()
            self._prune()
        except StoreError as error:
            self._channel.alarm("decisions-wait", str(error))
            taken, wait = 0, _AWAY
        except OSError as error:
            self._channel.alarm("decisions-wait", f"{self._folder}: {error.strerror or error}")
            taken, wait = 0, _AWAY
        else:
            self._channel.over("decisions-wait")
            wait = 0.0 if taken else _TURN
        self._count()
        return wait

    def _take(self, lines: Sequence[JournalLine]) -> int:
        self._watch.see(lines)  # before the store, which may be away
        return self._database.decisions.take(lines)

    def _count(self) -> None:
        self._metrics.set("arrowslit_journal_bytes", (), waiting_octets(self._folder))
        if self._intake.cut > self._cut:
            self._metrics.add("arrowslit_records_cut", (), self._intake.cut - self._cut)
            self._cut = self._intake.cut

    def _prune(self) -> None:
        now = self._clock()
        if self._keep and abs(now - self._pruned) >= _PRUNE_SECONDS:
            self._database.decisions.prune(now - self._keep)
            self._pruned = now
