"""The one exception by which a command ends with a message and an exit code."""

from __future__ import annotations

import click

from arrowslit.cli.exits import ExitCode


class ProblemError(click.ClickException):
    """An error for whoever typed the command. `help` says what to do."""

    def __init__(self, message: str, code: ExitCode, help: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.help = help
