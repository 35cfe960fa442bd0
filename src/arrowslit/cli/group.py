"""Groups of commands whose files are imported only when the command is run.

The names and one-line helps stand here as data, so `arrowslit --help` imports no command. A wrong name is answered
with the nearest right one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click


@dataclass(frozen=True, slots=True)
class Lazy:
    """Where a command is (`module:attribute`) and what it is for, in one line."""

    place: str
    help: str


class Examples(click.Command):
    """A command whose help opens with its examples."""

    def __init__(self, *args: Any, examples: str, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.examples = examples

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Examples first: most readers need no more."""
        write_examples(formatter, self.examples)
        super().format_help(ctx, formatter)


def write_examples(formatter: click.HelpFormatter, examples: str) -> None:
    """The examples as they stand, one a line."""
    formatter.write("Examples:\n")
    for line in examples.strip().splitlines():
        formatter.write(f"  {line.strip()}\n")
    formatter.write("\n")


class LazyGroup(click.Group):
    """A group that knows its commands by name and loads one when it is needed."""

    def __init__(self, *args: Any, lazy: Mapping[str, Lazy], examples: str, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.lazy = lazy
        self.examples = examples

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """In the order of declaration, which is the order of use."""
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command's file."""
        lazy = self.lazy.get(cmd_name)
        if lazy is None:
            return None
        module, _, attribute = lazy.place.partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)  # noqa: S101 - a slip in our own table
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, and with the nearest right name where there is none."""
        name = args[0]
        if name not in self.lazy and not name.startswith("-"):
            near = get_close_matches(name, self.lazy, 1)
            offer = f'did you mean "{near[0]}"?' if near else f"commands: {', '.join(self.lazy)}"
            raise click.UsageError(f'no such command "{name}"; {offer}', ctx)
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Examples first."""
        write_examples(formatter, self.examples)
        super().format_help(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """From the table, so that nothing is imported."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.help) for name, lazy in self.lazy.items()])
