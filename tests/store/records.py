"""Lines of a journal, as the gateway writes them."""

from __future__ import annotations

from collections.abc import Iterable

from arrowslit.observe.record import Record, to_json
from arrowslit.store.values import JournalLine

DAY = 86_400.0
NOON = 20_000 * DAY + DAY / 2  # 2024-10-04
SEGMENT = "01728043200000000000-25-000000.jsonl"


def lines(records: Iterable[Record], segment: str = SEGMENT, start: int = 0) -> list[JournalLine]:
    """One segment with these records."""
    found, position = [], start
    for record in records:
        line = to_json(record)
        found.append(JournalLine(segment, position, line.rstrip(b"\n")))
        position += len(line)
    return found
