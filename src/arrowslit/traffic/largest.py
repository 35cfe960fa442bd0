"""Counts by a key of which the largest are kept: what strangers can make as many of as they like stays small.

A key that comes often is not lost for coming late: twice the limit is let in before the smaller half goes. What went
is counted under OTHERS, so that the sum is always right.
"""

from __future__ import annotations

from heapq import nlargest
from typing import Final

OTHERS: Final = ""


def count(counts: dict[str, int], key: str, number: int, limit: int) -> None:
    """Count `number` more of `key`."""
    known = counts.get(key)
    if known is not None:
        counts[key] = known + number
        return
    counts[key] = number
    if len(counts) > 2 * limit:
        thin(counts, limit)


def thin(counts: dict[str, int], limit: int) -> None:
    """Keep the `limit` largest; of equal ones those that came last, which may still grow."""
    rest = counts.pop(OTHERS, 0)
    numbered = [(number, at, key) for at, (key, number) in enumerate(counts.items())]
    kept = {key for _, _, key in nlargest(limit, numbered)}
    gone = [key for key in counts if key not in kept]
    rest += sum(counts.pop(key) for key in gone)
    if rest:
        counts[OTHERS] = rest


def add(counts: dict[str, int], others: dict[str, int], limit: int) -> None:
    """Count all of `others` in."""
    for key, number in others.items():
        count(counts, key, number, limit)
