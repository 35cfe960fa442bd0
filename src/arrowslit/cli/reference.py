"""Writes the reference of commands and metrics: `python -m arrowslit.cli.reference [FOLDER]`.

Made from the commands' own declarations and from `observe.metrics`; the pages are committed, and a test holds them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from arrowslit.cli.exits import ExitCode
from arrowslit.cli.group import Examples
from arrowslit.cli.main import arrowslit
from arrowslit.observe.metrics import FAMILIES

_MADE = "<!-- Made by `make docs-reference` from the declarations in the code. Changes here are lost. -->"
_COMMON = ("--json", "-q, --quiet", "-h, --help", "--help")
_INTRO = """\
Every command has:

- `--json`: one JSON object, with the version of its form
- `-q`, `--quiet`: only data and errors
- `-h`, `--help`: examples, what it does, its options

Data goes to standard output, everything else to standard error."""
_EXITS: Final = {
    ExitCode.DONE: "done",
    ExitCode.FAILED: "failed",
    ExitCode.WRONG_INPUT: "wrong usage, or a file that does not load",
    ExitCode.ANSWER_IS_NO: "the answer is no: a broken expectation, a finding that is an error, something to be mended",
    ExitCode.CHANGED_BY_OTHERS: "somebody else has changed it meanwhile",
    ExitCode.NODE_UNREACHABLE: "no node answers",
    ExitCode.INTERRUPTED: "interrupted",
}
"""What a command says of its own exit codes comes on top of that."""


def pages() -> dict[str, str]:
    """The text of each page by file name."""
    return {"commands.md": _commands(), "metrics.md": _metrics()}


def _commands() -> str:
    context = click.Context(arrowslit, info_name="arrowslit")
    codes = "\n".join(f"| {code.value} | {_EXITS[code]} |" for code in ExitCode)
    exits = f"## Exit codes\n\n| code | meaning |\n| --- | --- |\n{codes}"
    parts = [_MADE, "# Commands", _INTRO, exits, *_walk(arrowslit, context)]
    return "\n\n".join(parts) + "\n"


def _walk(command: click.Command, context: click.Context) -> Iterator[str]:
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from _walk(inner, click.Context(inner, info_name=name, parent=context))
        return
    yield f"## {context.command_path}"
    yield click.unstyle(_prose(command.help or ""))
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield f"    {usage}"
    rows = [record for option in command.get_params(context) if (record := option.get_help_record(context))]
    options = [f"- `{name}`: {text}" for name, text in rows if text and name not in _COMMON]
    if options:
        yield "\n".join(options)
    if isinstance(command, Examples):
        yield "Examples:\n\n" + "\n".join(f"    {line}" for line in command.examples.strip().splitlines())


def _prose(text: str) -> str:
    paragraphs = [" ".join(part.split()) for part in text.strip().split("\n\n")]
    return "\n\n".join(paragraphs)


def _metrics() -> str:
    intro = (
        "What `[metrics]` serves for Prometheus, beside `/live` and `/ready`. A counter has `_total` behind its name; "
        "values of all workers are put together."
    )
    rows = ["| name | kind | labels | meaning |", "| --- | --- | --- | --- |"]
    for name, family in FAMILIES.items():
        kind = family.kind if family.kind in ("counter", "histogram") else "gauge"
        rows.append(f"| `{name}` | {kind} | {', '.join(family.labels)} | {family.help} |")
    return "\n\n".join([_MADE, "# Metrics", intro, "\n".join(rows)]) + "\n"


def main(folder: Path) -> None:
    """Write the pages that have changed, and name them."""
    for name, text in pages().items():
        path = folder / name
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs/reference"))
