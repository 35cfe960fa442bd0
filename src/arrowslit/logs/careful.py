"""Lines to a reader, with care: what is too long is left out, and a fault of a reader of ours costs one line, no log.

Every line that goes in is counted, whatever becomes of it. Never reads a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from arrowslit.logs.lines import LONGEST, Lines
from arrowslit.logs.unpack import UnpackError
from arrowslit.traffic.attempt import Attempt
from arrowslit.traffic.reader import Reader, decoded

FAULTS: Final = 100
"""Lines of one block on which a reader may fail before the file is left."""
_FAULT: Final = "arrowslit failed on this line ({error}), which is left out: that is a fault of ours, please report it"
_EXCERPT: Final = 200


def read_lines(reader: Reader, some: Lines, name: str) -> Iterator[Attempt]:
    """What the lines tell. A line that was cut tells nothing that could be trusted. Raises UnpackError where the
    reader fails again and again.
    """
    start = 0
    for number in some.cut:
        at = number - some.number
        yield from _read(reader, some.lines[start:at], some.number + start, name)
        reader.tally.not_understood += 1
        says = f"this line is longer than {LONGEST} octets; it is left out"
        reader.tally.problem(name, number, says, decoded(some.lines[at][:_EXCERPT]))
        start = at + 1
    yield from _read(reader, some.lines[start:] if start else some.lines, some.number + start, name)


def ended(reader: Reader, name: str) -> Iterator[Attempt]:
    """What is still open at the end."""
    try:
        yield from reader.end()
    except Exception as error:
        reader.tally.fault(name, 0, _FAULT.format(error=type(error).__name__).replace("on this line", "at the end"))


def _read(reader: Reader, lines: Sequence[bytes], number: int, name: str) -> Iterator[Attempt]:
    at = faults = 0
    while at < len(lines):
        counted = reader.tally.read - at
        try:
            yield from reader.read(lines[at:] if at else lines, number + at)
        except MemoryError:
            raise
        except Exception as error:
            faults += 1
            if faults > FAULTS:
                raise UnpackError("arrowslit failed on too many of its lines; the rest is left out") from error
            at = max(getattr(reader, "number", 0) - number, at) + 1
            reader.tally.not_understood += max(counted + at - reader.tally.read, 0)
            says = _FAULT.format(error=type(error).__name__)
            reader.tally.fault(name, number + at - 1, says, decoded(lines[at - 1][:_EXCERPT]))
        else:
            return
