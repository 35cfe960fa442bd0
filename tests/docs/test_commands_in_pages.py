"""Each command in README and docs/ is run, in the order of its page, in a folder of its own (see `page`).

A page finds the small office there. Its server is a next hop on loopback that takes everything; a node listens on a
free port in place of 127.0.0.1:2525.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
import pytest

from arrowslit.cli.main import arrowslit
from tests.docs.page import Change, Command, File, NotRun, fits, pages, parts
from tests.gateway.node import RunningNode, serving
from tests.gateway.scripted_hop import scripted
from tests.networks.dns_server import DnsServer
from tests.networks.dns_server import serving as answering

ROOT = Path(__file__).parents[2]
PAGES = pages(ROOT)
SMALL_OFFICE = ROOT / "examples" / "small-office"
SERVER = re.compile(r"smtp://192\.168\.0\.\d+:\d+")
LISTENER = "127.0.0.1:2525"
ENVIRONMENT = os.environ | {"NO_COLOR": "1", "PYTHONPATH": str(ROOT / "src")}
LONG_ENOUGH = 60.0
SOON = 10.0
LOOKING = {"decision", "network", "status"}
"""What a node has just done is in the store a moment later."""


class Reader:
    """Does what a page says. `hop` stands in for the mail server, `dns` for DNS."""

    def __init__(self, folder: Path, hop: str, dns: str, stack: ExitStack) -> None:
        self.folder, self.hop, self.dns, self.stack = folder, hop, dns, stack
        self.node: RunningNode | None = None

    def do(self, part: Command | File | Change | NotRun) -> None:
        if isinstance(part, File):
            self.write(part.name, part.text)
        elif isinstance(part, Change):
            text = (self.folder / part.name).read_text("utf-8")
            assert part.old in text, f"{part.name} has no {part.old!r}"
            self.write(part.name, text.replace(part.old, part.new, 1))
        elif isinstance(part, Command):
            self.run(part)

    def write(self, name: str, text: str) -> None:
        """A file of the site."""
        (self.folder / name).write_text(text, "utf-8")

    def start(self) -> RunningNode:
        """A node with the policy that lies there; its mail server becomes ours."""
        text = SERVER.sub(f"smtp://{self.hop}", (self.folder / "policy.toml").read_text("utf-8"))
        return self.stack.enter_context(serving(self.folder, text, more=f'[dns]\nservers = ["{self.dns}"]\n'))

    def run(self, step: Command) -> None:
        if step.node and self.node is None:
            self.node = self.start()
        at = LISTENER if self.node is None else f"127.0.0.1:{self.node.ports[0]}"
        words = shlex.split(step.command.replace(LISTENER, at))
        assert words[0] == "arrowslit", f"{step.command}: only commands of ours can be run; mark the block no-run"
        code, said = self.call(words[1:])
        until = time.monotonic() + SOON
        while words[1] in LOOKING and not fits(step.output, said) and time.monotonic() < until:
            time.sleep(0.3)
            code, said = self.call(words[1:])
        node = "" if self.node is None else f"\n--- the node\n{self.node.log}"
        told = f"{step.command}\n{said}\n--- wanted\n{step.output}{node}"
        assert code == step.code, told
        assert fits(step.output.replace(LISTENER, at), said), told

    def call(self, words: list[str]) -> tuple[int, str]:
        """The exit code of a command, and what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "arrowslit.cli.main", *words],
            cwd=self.folder,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=LONG_ENOUGH,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    with ExitStack() as stack:
        hop = stack.enter_context(scripted())
        found = Reader(tmp_path, f"{hop.at[0]}:{hop.at[1]}", stack.enter_context(_no_names()), stack)
        for file in SMALL_OFFICE.iterdir():
            found.write(file.name, file.read_text("utf-8"))
        yield found


@contextmanager
def _no_names() -> Iterator[str]:
    """The address of a DNS server that knows no name, so that nobody outside of this machine is asked."""
    server, ready, loop = DnsServer({}), threading.Event(), asyncio.new_event_loop()

    async def run() -> None:
        async with answering(server):
            ready.set()
            await asyncio.to_thread(over.wait)

    over = threading.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    try:
        assert ready.wait(5)
        yield server.address
    finally:
        over.set()
        thread.join(5)
        loop.close()


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_the_commands_of_a_page(page: Path, reader: Reader) -> None:
    for part in parts(page.read_text("utf-8")):
        reader.do(part)


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_what_is_not_run_says_why(page: Path) -> None:
    for part in parts(page.read_text("utf-8")):
        if isinstance(part, NotRun):
            assert part.why, f"{part.commands}: a comment above the block says why it is not run"
            if "not there yet" in part.why:
                known = [command for command in part.commands if _exists(command)]
                assert known == [], f"{known}: they are there now; let them be run"
            else:
                missing = [
                    command for command in part.commands if command.startswith("arrowslit") and not _exists(command)
                ]
                assert missing == [], f"{missing}: there is no such command"


def _exists(command: str) -> bool:
    """Whether the commands have the one that is named here."""
    found: click.Command | None = arrowslit
    context = click.Context(arrowslit)
    for word in shlex.split(command)[1:]:
        if not isinstance(found, click.Group) or word.startswith("-"):
            break
        found = found.get_command(context, word)
    return found is not None


def test_a_command_that_is_missing_is_known_for_missing() -> None:
    assert _exists("arrowslit policy apply --dry-run")
    assert not _exists("arrowslit target scan")
    assert not _exists("arrowslit policy frobnicate")


def test_there_are_pages_and_blocks_are_read() -> None:
    commands = [part for page in PAGES for part in parts(page.read_text("utf-8")) if isinstance(part, Command)]
    assert len(PAGES) > 12
    assert len(commands) > 40
    assert shutil.which(sys.executable)


def test_the_lines_of_an_output_are_compared() -> None:
    assert fits("kept ... filter\nkept", "kept    the filter\nkept    b\n")
    assert not fits("kept\nbroken", "kept\nkept\n")
    assert not fits("permit  at RCPT...", "reject  at connection")


@pytest.mark.parametrize(
    "untrue",
    [
        Command("arrowslit policy test", "broken  the filter delivers to us", 0, node=False),
        Command("arrowslit policy test", "", 3, node=False),
        Command("systemctl status", "", 0, node=False),
        Change("policy.toml", "nothing that stands there", ""),
    ],
)
def test_what_is_not_true_is_told(reader: Reader, untrue: Command | Change) -> None:
    with pytest.raises(AssertionError):
        reader.do(untrue)
