"""The exit codes of every command."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a script may rely on. `explain` gives DONE whatever it says."""

    DONE = 0
    FAILED = 1
    WRONG_INPUT = 2
    ANSWER_IS_NO = 3
    """An expectation fails, or a finding is an error."""
    CHANGED_BY_OTHERS = 4
    NODE_UNREACHABLE = 5
    INTERRUPTED = 130
