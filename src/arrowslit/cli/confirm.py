"""`arrowslit confirm` and `arrowslit undo`: keep what was applied, or go back."""

from __future__ import annotations

from pathlib import Path

import click

from arrowslit.cli.change import head_of, say, wait_for_nodes
from arrowslit.cli.change_text import applied
from arrowslit.cli.errors import ProblemError
from arrowslit.cli.exits import ExitCode
from arrowslit.cli.group import Examples
from arrowslit.cli.line import connection
from arrowslit.cli.options import output_options, settings_option
from arrowslit.cli.output import Output
from arrowslit.cli.store_access import author, open_store
from arrowslit.cli.times import DURATION


@click.command(
    cls=Examples,
    examples="""
arrowslit confirm
arrowslit confirm --extend 10m
arrowslit confirm --json
""",
)
@click.option("--extend", type=DURATION, help="Do not keep it yet: have so much more time.")
@settings_option
@output_options
def confirm(extend: float | None, settings_path: Path | None, output: Output) -> int:
    """Keep the policy that was applied with --confirm-within.

    Only over a connection that was made after it: an open session says nothing about whether you could still come in.
    Exit code 3 over the same connection, 1 where nothing waits.
    """
    with open_store(settings_path, output) as database:
        head = head_of(database)
        pending = head.pending
        if pending is None:
            raise ProblemError(f"revision {head.revision} is active and does not wait to be confirmed", ExitCode.FAILED)
        if extend is not None:
            head = database.revisions.extend(head.revision, extend)
        elif pending.connection and pending.connection == connection():
            help = "sign in anew, and confirm there: that shows that you can still come in"
            message = f"revision {head.revision} was applied over this very connection"
            raise ProblemError(message, ExitCode.ANSWER_IS_NO, help)
        else:
            head = database.revisions.confirm(head.revision, author())
        nodes = wait_for_nodes(database, head.revision)
    if output.as_json:
        output.json(**applied(head, nodes))
    else:
        say(head, nodes, output)
    return ExitCode.DONE


@click.command(
    cls=Examples,
    examples="""
arrowslit undo
arrowslit undo 41
arrowslit undo 41 -m "the new filter is not ready"
""",
)
@click.argument("revision", metavar="[REV]", required=False, type=int)
@click.option("-m", "--message", default="", help="Why, for the history.")
@settings_option
@output_options
def undo(revision: int | None, message: str, settings_path: Path | None, output: Output) -> int:
    """Go back to the policy before, or to that of REV.

    That is a new revision with the old text: the history keeps both.
    """
    with open_store(settings_path, output) as database:
        head = head_of(database)
        head = database.revisions.undo(expected=head.revision, to=revision, author=author(), message=message)
        nodes = wait_for_nodes(database, head.revision)
    if output.as_json:
        output.json(**applied(head, nodes))
    else:
        say(head, nodes, output)
    return ExitCode.DONE
