"""Each command in README and docs/ is run: in its order, against a node where the block says `node`.

A block is ```console, with `$ arrowslit ...` lines and what they print below; `...` stands for anything, and
`# exit N` behind a command for its exit code where that is not 0. `no-run` marks what needs another machine.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.gateway.node import serving
from tests.gateway.policies import loopback

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    if "```console" in path.read_text("utf-8") and "adr" not in path.parts
)
_BLOCK = re.compile(r"^ *```console(?P<how>[^\n]*)\n(?P<body>.*?)^ *```", re.DOTALL | re.MULTILINE)
_EXIT = re.compile(r"\s+# exit (?P<code>\d+)$")
NETWORK = '[networks.filter]\naddresses = ["127.0.0.9"]\nfile = "filter.txt"\n'


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a page, what it is to print, and its exit code."""

    command: str
    output: str
    code: int
    node: bool


def steps(page: Path) -> Iterator[Step]:
    """The commands of a page that are run."""
    for block in _BLOCK.finditer(page.read_text("utf-8")):
        if "no-run" in block["how"]:
            continue
        for part in textwrap.dedent(block["body"]).removeprefix("$ ").split("\n$ "):
            command, _, output = part.partition("\n")
            found = _EXIT.search(command)
            yield Step(
                _EXIT.sub("", command), output.strip("\n"), int(found["code"]) if found else 0, "node" in block["how"]
            )


def fits(wanted: str, got: str) -> bool:
    """Whether the output is that, where `...` is anything."""
    pattern = ".*".join(re.escape(part) for part in wanted.split("..."))
    return re.search(pattern, got, re.DOTALL) is not None


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_commands_of_a_page(page: Path, tmp_path: Path) -> None:
    for file in (ROOT / "examples" / "small-office").iterdir() if page.name == "README.md" else ():
        shutil.copy(file, tmp_path)
    with ExitStack() as stack:
        started = False
        for step in steps(page):
            if step.node and not started:
                started = True
                _start(stack, tmp_path)
            _run(step, tmp_path)


def _start(stack: ExitStack, folder: Path) -> None:
    """A node: with the policy that the page has written, else with one of its own."""
    (folder / "filter.txt").write_text("127.0.0.1\n")
    written = folder / "policy.toml"
    text = written.read_text("utf-8") if written.exists() else ""
    if not text or "small-office" in text or "exchange" in text:
        text = loopback(9, more=NETWORK).replace('{ computer = "127.0.0.1" }', '{ network = "filter" }')
    stack.enter_context(serving(folder, text))


def _run(step: Step, folder: Path) -> None:
    words = shlex.split(step.command)
    assert words[0] == "arrowslit", step.command
    argv = [sys.executable, "-m", "arrowslit.cli.main", *words[1:]]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    said = f"{step.command}\n{done.stdout}{done.stderr}"
    assert done.returncode == step.code, said
    assert fits(step.output, done.stdout + done.stderr), said


def test_there_are_pages_and_blocks_are_read() -> None:
    assert len(PAGES) > 4
    assert sum(len(list(steps(page))) for page in PAGES) > 30
    assert shutil.which(sys.executable)
