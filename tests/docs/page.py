"""What a page says is to be done, in its order: files it shows, changes it asks for, and commands with what they print.

- A block ```console has `$ arrowslit ...` lines and what they print below. `...` stands for anything, and `# exit N`
  behind a command for its exit code where that is not 0. `console node` needs a running node, and
  `console no-run` is not run; a comment above it says why, or `not there yet` for commands that are to come.
- A block ```toml FILE or ```text FILE is a whole file; the next commands find it.
- A comment `<!-- FILE: OLD => NEW -->` is a change of a file that the text asks for; `\\n` in NEW is a line end.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = r"^ *```(?P<kind>console|toml|text)(?P<how>[^\n]*)\n(?P<body>.*?)^ *```"
_CHANGE = r"<!-- (?P<file>[\w.]+): (?P<old>.+?) => (?P<new>.+?) -->"
_PART = re.compile(f"{_FENCE}|{_CHANGE}", re.DOTALL | re.MULTILINE)
_EXIT = re.compile(r"\s+# exit (?P<code>\d+)$")
_COMMENT = re.compile(r"<!--(?P<why>(?:(?!-->).)*)-->\s*$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a page, what it is to print, and its exit code."""

    command: str
    output: str
    code: int
    node: bool


@dataclass(frozen=True, slots=True)
class File:
    """A file that the page shows whole."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a file that the text asks for."""

    name: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class NotRun:
    """Commands that are not run, and why."""

    commands: tuple[str, ...]
    why: str


def parts(text: str) -> Iterator[Command | File | Change | NotRun]:
    """All of that, in the order of the page."""
    for found in _PART.finditer(text):
        if found["file"]:
            yield Change(found["file"], found["old"], found["new"].replace("\\n", "\n"))
            continue
        body, how = textwrap.dedent(found["body"]), found["how"].split()
        if found["kind"] != "console":
            yield from [File(how[0], body)] if how else []
        elif "no-run" in how:
            above = _COMMENT.search(text[: found.start()])
            commands = tuple(line[2:] for line in body.splitlines() if line.startswith("$ "))
            yield NotRun(commands, above["why"].strip() if above else "")
        else:
            yield from _commands(body, node="node" in how)


def _commands(body: str, *, node: bool) -> Iterator[Command]:
    for part in body.removeprefix("$ ").split("\n$ "):
        command, _, output = part.partition("\n")
        found = _EXIT.search(command)
        yield Command(_EXIT.sub("", command), output.strip("\n"), int(found["code"]) if found else 0, node)


def fits(wanted: str, got: str) -> bool:
    """Whether the output has these lines one behind the other, where `...` is anything."""
    pattern = ".*".join(re.escape(part) for part in wanted.split("..."))
    return re.search(pattern, got, re.DOTALL) is not None


def pages(root: Path) -> list[Path]:
    """The pages that are read: those that show a command or a file."""
    every = [root / "README.md", *sorted((root / "docs").rglob("*.md"))]
    return [path for path in every if any(parts(path.read_text("utf-8")))]
