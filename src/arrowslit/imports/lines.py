"""Text into lines, as editors count them: at LF and CR LF, and at CR only where there is no LF at all.

Never at other signs that may stand for the end of a line (U+2028 and the like): what a stranger wrote into a comment
would become a line of its own.
"""

from __future__ import annotations


def lines_of(text: str) -> list[str]:
    """The lines without their ends, in order; the first is line 1. A byte order mark is taken off."""
    text = text.removeprefix("\ufeff")
    if "\n" not in text:
        return text.split("\r")
    return [line.removesuffix("\r") for line in text.split("\n")]
