"""From a journal's line to a row of the table, and from a row back to the record.

A line that is no record still becomes a row, of kind "unreadable": it was kept for a reason, and it must hold up
neither the lines behind it nor a page that it stands on. Values that a column can't hold are left out of the column;
the record has them still.
"""

from __future__ import annotations

import json
import re
import socket
from functools import lru_cache
from math import isfinite
from typing import Any, Final, NamedTuple

from arrowslit.store.decision_table import ACTIONS, OTHER_ACTION, recipient_key
from arrowslit.store.moment import LATEST, moment_of
from arrowslit.store.text import plain
from arrowslit.store.values import JournalLine

UNREADABLE: Final = "unreadable"
_LONGEST: Final = 320
_INTEGER: Final = 2**31
_ACTIONS: Final = {name: number for number, name in enumerate(ACTIONS)}
_MAPPED: Final = bytes(10) + b"\xff\xff"
_STARTED: Final = re.compile(r"\d{20}(?=-)")


class Row(NamedTuple):
    """In the order of the columns of `decision_table`. `at` has the number 0 until it is stored."""

    at: int
    id: str | None
    action: int
    kind: str | None
    stage: str | None
    code: int | None
    reason: str | None
    rule: str | None
    would_be: str | None
    outcome: str | None
    virtual_server: str | None
    revision: int | None
    generation: int | None
    client: bytes | None
    recipient: str | None
    repeats: int
    observed: int | None
    record: str


def row_of(journal: JournalLine) -> Row:
    """The row for one line."""
    line = journal.line.strip()
    record = line.decode("ascii", "backslashreplace").replace("\0", "\\x00")
    try:
        found = json.loads(line)
        time = found["time"]
        if not (type(time) in (int, float) and isfinite(time) and 0 <= time <= LATEST):
            raise ValueError(time)  # noqa: TRY301
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return _unreadable(journal.segment, record)
    # Only an escape can bring what a database refuses into a text.
    text = _cleaned if b"\\u" in line or not line.isascii() else _text
    get = found.get
    recipient, would_be = text(get("forward_path")), text(get("would_be"))
    return Row(
        moment_of(time),
        text(get("id")),
        _action(get("action")),
        text(get("kind")),
        text(get("stage")),
        _integer(get("code")),
        text(get("reason")),
        text(get("rule")),
        would_be,
        text(get("outcome")),
        text(get("virtual_server")),
        _integer(get("revision")),
        _integer(get("generation")),
        _client(get("client_address")),
        None if recipient is None else recipient_key(recipient),
        _integer(get("count")) or 1,
        None if would_be is None else 1,
        record,
    )


def record_of(time: float, record: str) -> dict[str, Any]:
    """The record of a row; for an unreadable one its time and what the line was."""
    try:
        found = json.loads(record)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        return found
    return {"v": 1, "time": time, "id": "", "kind": UNREADABLE, "line": record}


def _unreadable(segment: str, record: str) -> Row:
    """Its time is when its segment was begun: the same each time that the line is offered."""
    begun = _STARTED.match(segment)
    time = int(begun.group()) / 1e9 if begun else 0.0
    empty = (None,) * 9
    return Row(moment_of(time), None, OTHER_ACTION, UNREADABLE, *empty, None, None, 1, None, record)


def _text(value: object) -> str | None:
    return value[:_LONGEST] if isinstance(value, str) else None


def _cleaned(value: object) -> str | None:
    return plain(value)[:_LONGEST] if isinstance(value, str) else None


def _integer(value: object) -> int | None:
    # `true` is an int to isinstance.
    return value if type(value) is int and 0 <= value < _INTEGER else None


def _action(value: object) -> int:
    return _ACTIONS.get(value, OTHER_ACTION) if isinstance(value, str) else OTHER_ACTION


def _client(value: object) -> bytes | None:
    return address_octets(value) if isinstance(value, str) and len(value) < 64 else None


@lru_cache(4096)
def address_octets(address: str) -> bytes | None:
    """16 octets, or None for what is no address. A zone behind `%` is left out."""
    try:
        if ":" in address:
            return socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
        return _MAPPED + socket.inet_pton(socket.AF_INET, address)
    except (OSError, ValueError):
        return None


def address_text(octets: bytes) -> str:
    """The address of `address_octets`."""
    if octets.startswith(_MAPPED):
        return socket.inet_ntop(socket.AF_INET, octets[12:])
    return socket.inet_ntop(socket.AF_INET6, octets)
