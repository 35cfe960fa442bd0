"""What every reader of a log has in common: pieces and lines go in, attempts come out.

Terms: a *format* is one way in which logs are written, with a name, a way to recognise it and a reader; a *piece* is
one file of a log (logs are rotated), already unpacked and in UTF-8 or some other encoding that has ASCII in it. A
reader lives through all the pieces of its format in order, since a transaction can begin in one and end in the next.
What a reader knows of sessions that are still open can be saved and taken up again (`state`, `resume`), so that
reading can be stopped.

A reader never raises for what is in a file. It never guesses: a field that the log does not tell stays None.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar

from arrowslit.traffic.attempt import Attempt
from arrowslit.traffic.stamps import Clock
from arrowslit.traffic.tally import Tally

OPEN: Final = 200_000
"""Sessions that a reader keeps open at most: a log of which the ends are missing must not fill the memory."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One file. `reference` is when it was last written (Unix seconds); `zone` is for stamps that name none."""

    name: str
    reference: float
    zone: datetime.tzinfo = datetime.UTC

    def clock(self) -> Clock:
        """What reads its stamps."""
        return Clock(self.reference, self.zone)


class Reader(Protocol):
    """Reads one format."""

    tally: Tally

    def begin(self, piece: Piece) -> None:
        """The lines that follow are of this piece."""

    def read(self, lines: Sequence[bytes], number: int) -> Iterator[Attempt]:
        """Lines of the piece without their ends; `number` is that of the first one, from 1."""

    def end(self) -> Iterator[Attempt]:
        """There are no more pieces: what is still open ends here."""

    def state(self) -> dict[str, Any]:
        """All that has to be known to go on, in the types that JSON has."""

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from `state`, which the same version of this reader gave."""


@dataclass(frozen=True, slots=True)
class Format:
    """`recognise` says of the first lines of a file (at most some hundred) how many of them can only be of this
    format; `make` gives a fresh reader. `title` is for lists of formats; `tells` what such a log leaves out.
    """

    name: str
    title: str
    recognise: Callable[[Sequence[str]], int]
    make: Callable[[], Reader]
    leaves_out: str = ""


def decoded(line: bytes) -> str:
    """UTF-8, else Windows-1252, whose few holes become what `\\xNN` in Latin-1 is: no octet is lost."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("cp1252", "ignore") if _has_no_hole(line) else line.decode("latin-1")


def _has_no_hole(line: bytes) -> bool:
    return not any(hole in line for hole in (b"\x81", b"\x8d", b"\x8f", b"\x90", b"\x9d"))


class LineReader:
    """A reader that looks at one line at a time, as text. Subclasses write `line`, and where they join lines `end`."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.piece = Piece("", 0.0)
        self.clock = self.piece.clock()
        self.number = 0

    def begin(self, piece: Piece) -> None:
        """The lines that follow are of this piece."""
        self.piece, self.clock = piece, piece.clock()

    def read(self, lines: Sequence[bytes], number: int) -> Iterator[Attempt]:
        """See `Reader`."""
        for self.number, line in enumerate(lines, number):
            yield from self.line(decoded(line))

    def line(self, text: str) -> Iterable[Attempt]:
        """One line without its end: count it in `tally` (`used`, `skipped`, `puzzled`), and give what it ends."""
        raise NotImplementedError

    def end(self) -> Iterator[Attempt]:
        """See `Reader`."""
        return iter(())

    def state(self) -> dict[str, Any]:
        """See `Reader`."""
        return {}

    def resume(self, state: dict[str, Any]) -> None:
        """See `Reader`."""

    def puzzled(self, says: str, text: str) -> None:
        """Count a line that is not understood, and name it."""
        self.tally.not_understood += 1
        self.tally.problem(self.piece.name, self.number, says, text)


Open = TypeVar("Open")


class SessionReader(LineReader, Generic[Open]):
    """A line reader that keeps what it knows of open sessions (or transactions) by a key.

    `kind` is a dataclass of plain values (texts, numbers, lists and dictionaries of them). The oldest are closed by
    `give_up` where there are more than OPEN.
    """

    kind: ClassVar[type[Any]]

    def __init__(self) -> None:
        super().__init__()
        self.open: dict[str, Open] = {}

    def keep(self, key: str, session: Open) -> Iterator[Attempt]:
        """Remember `session`; give what the one comes to that has to make room for it."""
        self.open[key] = session
        if len(self.open) > OPEN:
            yield from self.close_oldest()

    def close_oldest(self) -> Iterator[Attempt]:
        """Make room."""
        oldest = next(iter(self.open))
        return self.give_up(oldest, self.open.pop(oldest))

    def give_up(self, key: str, session: Open) -> Iterator[Attempt]:
        """What a session comes to whose end the log does not have."""
        raise NotImplementedError

    def end(self) -> Iterator[Attempt]:
        """Close all that is open."""
        sessions, self.open = self.open, {}
        for key, session in sessions.items():
            yield from self.give_up(key, session)

    def state(self) -> dict[str, Any]:
        """The open sessions."""
        return {"open": {key: asdict(session) for key, session in self.open.items()}}  # type: ignore[call-overload]

    def resume(self, state: dict[str, Any]) -> None:
        """Take them up again."""
        known = {one.name for one in fields(self.kind)}
        self.open = {
            key: self.kind(**{name: value for name, value in session.items() if name in known})
            for key, session in state.get("open", {}).items()
        }
