"""Writes the reference of commands and metrics: `python -m arrowslit.cli.reference [FOLDER]`.

Made from the commands' own declarations and from `observe.metrics`; the pages are committed, and a test holds them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from arrowslit.cli.group import Examples
from arrowslit.cli.main import arrowslit
from arrowslit.observe.metrics import FAMILIES

_MADE = "<!-- Made by `make docs-reference` from the declarations in the code. Changes here are lost. -->"
_EXITS = """\
Every command has `--json` (one object, with the version of its form) and `-q` (only data and errors). Data goes to
standard output, everything else to standard error. Exit codes: 0 done, 1 failed, 2 wrong usage or input, 3 the answer
is no, 4 changed by somebody else, 5 no node answers, 130 interrupted."""


def pages() -> dict[str, str]:
    """The text of each page by file name."""
    return {"commands.md": _commands(), "metrics.md": _metrics()}


def _commands() -> str:
    context = click.Context(arrowslit, info_name="arrowslit")
    parts = [_MADE, "# Commands", _EXITS, *_walk(arrowslit, context)]
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
    yield "\n".join(f"- `{name}`: {text}" for name, text in rows if name != "-h, --help")
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
