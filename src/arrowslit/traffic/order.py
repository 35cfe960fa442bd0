"""Files whose lines run backwards in time: what a page shows newest first and somebody copied, or `journalctl -r`.

Readers join lines in the order of the file, so such a file must be turned round before it is read. `runs_backwards`
says so from its first lines; `backwards` gives the lines of a file, of which blocks are read from its end, last one
first, without holding more than a block and a line.

The number of a line stays its place in the file: a reader that is given line by line with falling numbers names the
right ones in its problems.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from arrowslit.traffic.reader import decoded
from arrowslit.traffic.stamps import Clock
from arrowslit.traffic.syslog import parse

_ISO: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,9})?(?:Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_LOOKED_AT: Final = 2000
_LOOKED_INTO: Final = 200
"""Characters at the beginning of a line in which a stamp may stand."""
_TIE: Final = 3
"""A file of fewer steps than this in one direction may be out of order by chance."""
_WRAP: Final = 180 * 86_400.0
"""Without a year, the end of one lies before the beginning of the next by the better part of a year."""


def runs_backwards(lines: Sequence[bytes]) -> bool:
    """Whether the times in `lines` (the first some hundred of a file, without their ends) fall more than they rise.

    Lines without a time are passed over; so are steps of half a year and more, where a stamp has no year. A few lines
    that are out of order, as programs that write at once make them, decide nothing.
    """
    clock = Clock(4e9, datetime.UTC)
    times = [time for line in lines[:_LOOKED_AT] if (time := _time(line, clock)) is not None]
    steps = [later - earlier for earlier, later in pairwise(times) if later != earlier and abs(later - earlier) < _WRAP]
    falling = sum(step < 0 for step in steps)
    return falling >= min(_TIE, len(steps)) > 0 and falling > 0.8 * len(steps)


def backwards(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines, without their ends, of a file whose `blocks` come last one first; the last line is the first."""
    rest: list[bytes] = []
    ends = False
    for block in blocks:
        if not block:
            continue
        if not ends:
            ends = True
            block = block.removesuffix(b"\n")  # noqa: PLW2901
        first, found, after = block.partition(b"\n")
        if not found:
            rest.append(block)
            continue
        *between, last = after.split(b"\n")
        yield b"".join([last, *reversed(rest)]).removesuffix(b"\r")
        for line in reversed(between):
            yield line.removesuffix(b"\r")
        rest = [first]
    if ends:
        yield b"".join(reversed(rest)).removesuffix(b"\r")


def _time(line: bytes, clock: Clock) -> float | None:
    """The time that a line bears: in the frame of syslog, else the first date and time near its beginning."""
    if len(line) > 65_536:
        return None
    text = decoded(line)
    entry = parse(text, clock)
    if entry is not None:
        return entry.time
    found = _ISO.search(text[:_LOOKED_INTO])
    try:
        return None if found is None else clock.iso(found[0])
    except ValueError:
        return None
