"""Notes and command lines of proposals: evidence in plain characters, words that any shell takes as they are.

A name in a log is strangers' text. It is shown in a terminal, pasted into a shell and written into a policy, so only
letters, digits and a few marks of ASCII are let through; whatever else there is becomes "?".
"""

from __future__ import annotations

import datetime
import re
import shlex
from collections.abc import Sequence
from typing import Final

_PLAIN: Final = re.compile(r"[^A-Za-z0-9 .,:@_+/()\[\]-]")
_NAME: Final = 60
_NAMES: Final = 2


def note_of(messages: int, days: int, first: float, last: float, names: Sequence[str], clients: int) -> str:
    """The evidence in one line. Names in quotes were said in HELO and nobody confirmed them."""
    since, until = _day(first), _day(last)
    seen = since if since == until else f"{since} to {until}"
    parts = [f"seen {seen}", _counted(messages, "message"), f"on {_counted(days, 'day')}"]
    parts += [f"from {clients} addresses"] if clients > 1 else []
    return ", ".join([*parts, *(_named(name) for name in names[:_NAMES])])


def _named(name: str) -> str:
    said = "HELO " if name.startswith('"') else ""
    return said + plain(name.strip('"')[:_NAME])


def plain(text: str) -> str:
    """`text` with nothing in it that a shell, a terminal or a reader could take for anything else."""
    return _PLAIN.sub("?", text)


def command(grant: str, kind: str, value: str, note: str, server: str = "default") -> str:
    """The command line that adds the entry."""
    where = [] if server == "default" else ["--virtual-server", server]
    words = ["arrowslit", "entry", "add", grant, f"{kind}:{value}", *where, "--note", plain(note)]
    return shlex.join(words)


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" + "s" * (number != 1)


def _day(moment: float) -> str:
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).date().isoformat()
