"""Holds stored decision records against a policy, newest days first, for as long as there is time.

What a record leaves out was not looked at then: a client name is a fact that is not known, not one that is absent.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from arrowslit.policy.model import Policy
from arrowslit.store.decisions import Decisions
from arrowslit.traffic.attempt import Attempt
from arrowslit.traffic.formats.own import attempts_of
from arrowslit.traffic.rehearsal import Rehearsal, Rehearsing

DAY: Final = 86_400.0
DAYS: Final = 30


def rehearse(
    decisions: Decisions,
    policy: Policy,
    date: datetime.date,
    *,
    days: int = DAYS,
    seconds: float = 20.0,
    now: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[Rehearsal, bool]:
    """Hold the last `days` against `policy`, as of `date`; whether all of them could be looked at within `seconds`.

    Raises StoreError.
    """
    rehearsing = Rehearsing(policy, date)
    whole = feed(decisions, rehearsing.take, days=days, seconds=seconds, now=now, clock=clock)
    return rehearsing.result, whole


def feed(
    decisions: Decisions,
    take: Callable[[Iterable[Attempt]], None],
    *,
    days: int = DAYS,
    seconds: float = 20.0,
    now: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> bool:
    """Give the attempts of the last `days` to `take`; whether all of them could be looked at within `seconds`.

    Raises StoreError.
    """
    end = clock() + seconds
    until = time.time() if now is None else now
    for day in range(days):
        for record in decisions.scan(until - (day + 1) * DAY, until - day * DAY):
            take(readable(record))
            if clock() > end:
                return False
    return True


def readable(record: Mapping[str, Any]) -> Iterable[Attempt]:
    """The attempts of a record; none of one that can't be read, which must not hold up the others."""
    try:
        return attempts_of(record)
    except (KeyError, ValueError, TypeError):
        return ()
