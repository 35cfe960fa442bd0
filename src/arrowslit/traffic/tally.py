"""What became of the lines of a log: counted, and what was not understood named with its line.

Terms: a line is *used* where it went into an attempt or into what is known of a session; *skipped* where it is
understood and tells nothing about who delivers to us; *not understood* where it is neither. None is lost in silence.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

EXAMPLES: Final = 20
FAULTS: Final = 1000
_EXCERPT: Final = 200


@dataclass(frozen=True, slots=True)
class Problem:
    """What an administrator should know of one line. `line` counts from 1; 0 is the file as a whole."""

    file: str
    line: int
    says: str
    excerpt: str = ""
    """The beginning of the line, unescaped."""


@dataclass(slots=True)
class Tally:
    """Counts of one file, or of all. Every line that is read is used, skipped or not understood."""

    used: int = 0
    skipped: int = 0
    not_understood: int = 0
    problems: list[Problem] = field(default_factory=list)
    """What is wrong with files, up to FAULTS; then the first EXAMPLES of what was not understood or is doubtful."""
    faults: int = 0
    """How many of the problems, from the first one on, are about files."""
    more: int = 0
    """How many problems were left out."""

    @property
    def read(self) -> int:
        """All lines."""
        return self.used + self.skipped + self.not_understood

    def problem(self, file: str, line: int, says: str, text: str = "") -> None:
        """Put a problem of a line down."""
        if len(self.problems) - self.faults < EXAMPLES:
            self.problems.append(Problem(file, line, says, text[:_EXCERPT]))
        else:
            self.more += 1

    def fault(self, file: str, line: int, says: str, text: str = "") -> None:
        """Put down that a file, or a part of it, was not read: no number of odd lines may hide that."""
        if self.faults < FAULTS:
            self.problems.insert(self.faults, Problem(file, line, says, text[:_EXCERPT]))
            self.faults += 1
        else:
            self.more += 1

    def add(self, other: Tally) -> None:
        """Count `other` in."""
        self.used += other.used
        self.skipped += other.skipped
        self.not_understood += other.not_understood
        self.more += other.more
        for one in other.problems[: other.faults]:
            self.fault(one.file, one.line, one.says, one.excerpt)
        for one in other.problems[other.faults :]:
            self.problem(one.file, one.line, one.says, one.excerpt)
