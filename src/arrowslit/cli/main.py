"""The command `arrowslit`: its commands, what happens to errors, and the exit code.

Nothing heavy is imported here: any command starts within 150 ms (decisions 23).
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any, NoReturn

import click

from arrowslit import __version__
from arrowslit.cli.errors import ProblemError
from arrowslit.cli.exits import ExitCode
from arrowslit.cli.group import Lazy, LazyGroup
from arrowslit.cli.output import Style, escaped_lines, painted

_COMMANDS = {
    "setup": Lazy("arrowslit.cli.setup:setup", "Write a first policy, by questions."),
    "serve": Lazy("arrowslit.cli.serve:serve", "Run the gateway."),
    "status": Lazy("arrowslit.cli.status:status", "What the running node is doing."),
    "policy": Lazy("arrowslit.cli.policy:policy", "Check, show and apply a policy."),
    "confirm": Lazy("arrowslit.cli.confirm:confirm", "Keep what was applied with --confirm-within."),
    "undo": Lazy("arrowslit.cli.confirm:undo", "Go back to the policy before."),
    "entry": Lazy("arrowslit.cli.entry:entry", "Who is listed where; add and remove."),
    "doctor": Lazy("arrowslit.cli.doctor:doctor", "What must be right before locking."),
    "inventory": Lazy("arrowslit.cli.inventory:inventory", "Who delivers to us, from past logs."),
    "decision": Lazy("arrowslit.cli.decision:decision", "What was decided about whom, and why."),
    "session": Lazy("arrowslit.cli.session:session", "Sessions that are open now."),
    "network": Lazy("arrowslit.cli.network:network", "Networks, their sources, held changes."),
    "store": Lazy("arrowslit.cli.store:store", "Care for the database."),
    "target": Lazy("arrowslit.cli.target:target", "Carry the policy to firewalls and mail servers."),
    "agent": Lazy("arrowslit.cli.agent:agent", "Change live enforcement points for target apply."),
    "explain": Lazy("arrowslit.cli.explain:explain", "What would happen, and why."),
    "user": Lazy("arrowslit.cli.user:user", "Own users who may sign in."),
    "send": Lazy("arrowslit.cli.send:send", "Send a test message and show the replies."),
    "help": Lazy("arrowslit.cli.help:help_", "What a finding or a reason means."),
    "completion": Lazy("arrowslit.cli.completion:completion", "Completion for your shell."),
}

_EXAMPLES = """
arrowslit serve -c arrowslit.toml
arrowslit explain 203.0.113.9 --to bob@example.org
arrowslit policy lint
"""


@click.group(
    cls=LazyGroup,
    lazy=_COMMANDS,
    examples=_EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="arrowslit")
def arrowslit() -> None:
    """Open a mail server's port 25 to its filtering service and to nobody else."""


def main() -> NoReturn:
    """Run, print errors, exit."""
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has read enough; keep the interpreter from flushing into the closed pipe again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.FAILED
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """The exit code of one run. Raises BrokenPipeError where nobody reads the output any more."""
    try:
        code: Any = arrowslit.main(arguments, prog_name="arrowslit", standalone_mode=False)
        return int(code) if isinstance(code, int) else ExitCode.DONE
    except (click.Abort, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except click.ClickException as error:
        _print_error(error)
        return error.code if isinstance(error, ProblemError) else error.exit_code
    except BrokenPipeError:
        raise
    except OSError as error:
        _print_error(ProblemError(_words(error), ExitCode.FAILED))
        return ExitCode.FAILED


def _words(error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason


def _print_error(error: click.ClickException) -> None:
    with contextlib.suppress(BrokenPipeError):
        word = painted("error", Style.BAD, sys.stderr)
        message = escaped_lines(error.format_message())
        print(f"{word}: {message}", file=sys.stderr)
        help = getattr(error, "help", "")
        if help:
            print(f"help:  {help}", file=sys.stderr)
        if isinstance(error, click.UsageError) and error.ctx is not None:
            print(f"usage: {error.ctx.command_path} --help", file=sys.stderr)


if __name__ == "__main__":
    main()
