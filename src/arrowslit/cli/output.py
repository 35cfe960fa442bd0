"""How commands print: data to stdout, everything else to stderr; JSON with a version; colour only on a terminal.

Nothing here decides what to say. Whatever comes from a file, a client or the command line is escaped before it is
shown, so that no control character reaches the terminal.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from enum import Enum
from typing import TextIO

JSON_VERSION = 1


class Style(Enum):
    """Colours of a terminal by their meaning; words say the same, so nothing is lost without them."""

    GOOD = "32"
    BAD = "31"
    CAUTION = "33"
    STRONG = "1"


def escaped(text: str) -> str:
    """`text` with control characters and others that cannot be seen as `\\xNN` or `\\uNNNN`."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _code(ord(c)) for c in text)


def escaped_lines(text: str) -> str:
    """The same for a text of several lines, whose line ends and tabs stay."""
    return "\n".join("\t".join(escaped(part) for part in line.split("\t")) for line in text.split("\n"))


def _code(point: int) -> str:
    if point < 0x100:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


@dataclass(frozen=True, slots=True)
class Output:
    """Where a command's words go. `as_json`: data is one JSON object. `quiet`: only data and errors."""

    as_json: bool = False
    quiet: bool = False

    def data(self, text: str) -> None:
        """What was asked for."""
        print(text, file=sys.stdout)

    def json(self, **members: object) -> None:
        """What was asked for, as one JSON object with its version."""
        made = json.dumps({"version": JSON_VERSION, **members}, indent=2 if sys.stdout.isatty() else None)
        print(made, file=sys.stdout)

    def flush(self) -> None:
        """Hand over what was said so far: whoever reads through a pipe waits for it."""
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """What is good to know; left out when quiet."""
        if not self.quiet:
            print(text, file=sys.stderr)

    def problem(self, text: str) -> None:
        """What somebody must know; never left out."""
        print(text, file=sys.stderr)


def painted(text: str, style: Style, stream: TextIO) -> str:
    """`text` in colour where `stream` is a terminal and NO_COLOR is not set (no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty():
        return text
    return f"\x1b[{style.value}m{text}\x1b[0m"
