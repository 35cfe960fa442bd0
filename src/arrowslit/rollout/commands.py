"""Runs the programs of this machine that make its firewall: words in, words out, bounded in time, in plain English."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from arrowslit.rollout.point import RolloutError

_SECONDS: Final = 120.0
_SHOWN: Final = 500


class FailedError(RolloutError):
    """A program ended with an error; the text is what it said. `code` is its exit code."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Commands:
    """`prefix` stands before each command where it works in another place, such as a network namespace."""

    prefix: Sequence[str] = ()
    seconds: float = _SECONDS

    def run(self, *argv: str, given: str = "") -> str:
        """Run a command to its end; what it wrote. Raises RolloutError, a FailedError where it began."""
        plain = {**os.environ, "LC_ALL": "C"}  # what is read must not be in the administrator's language
        try:
            done = subprocess.run(  # noqa: S603
                (*self.prefix, *argv),
                input=given.encode(),
                capture_output=True,
                timeout=self.seconds,
                env=plain,
                check=False,
            )
        except FileNotFoundError:
            raise RolloutError(f"{argv[0]} is not installed here") from None
        except subprocess.TimeoutExpired:
            raise RolloutError(f"{argv[0]} did not answer in {self.seconds:.0f} s") from None
        if done.returncode:
            raise FailedError(f"{argv[0]}: {_first_words(done.stderr or done.stdout)}", done.returncode)
        return done.stdout.decode("utf-8", "replace")


def _first_words(text: bytes) -> str:
    """What it says of the first error, in one line."""
    said = " ".join(text.decode("utf-8", "replace").split())
    return said[:_SHOWN] or "it failed without a word"
