"""`arrowslit policy diff|apply|history|export`: revisions of the policy in the store.

A text that is exported says in its first line which revision it is; `apply` reads that, so that of two people who
began with the same revision the second is told, and nothing of his is lost.
"""

from __future__ import annotations

import difflib
import re
import sys
import time
from pathlib import Path
from typing import Final

import click

from arrowslit.cli.change import Wish, head_of, make, text_of
from arrowslit.cli.errors import ProblemError
from arrowslit.cli.exits import ExitCode
from arrowslit.cli.group import Examples
from arrowslit.cli.options import POLICY_NAME, output_options, settings_option
from arrowslit.cli.output import Output, Style, escaped, escaped_lines, painted
from arrowslit.cli.settings import required
from arrowslit.cli.store_access import open_store
from arrowslit.cli.times import DURATION

_MARK: Final = re.compile(r"\A# revision ([0-9]{1,12}) of [^\n]*\n")
_NUMBER: Final = re.compile(r"[0-9]{1,12}")
_SHORTEST, _LONGEST = 10.0, 3600.0


def marked(text: str, number: int, name: str) -> str:
    """The text with a first line that says which revision it is."""
    return f"# revision {number} of {name}\n{_MARK.sub('', text)}"


def unmarked(text: str) -> tuple[str, int | None]:
    """The text without that line, and the revision that it names."""
    found = _MARK.match(text)
    return (text, None) if found is None else (text[found.end() :], int(found[1]))


def read_policy(path: Path) -> str:
    """The text of a file. Ends the command where it can't be read."""
    from arrowslit.documents.files import read_text, why  # noqa: PLC0415

    try:
        return read_text(path)
    except (OSError, ValueError) as error:
        raise ProblemError(f"cannot read {escaped(str(path))}: {why(error)}", ExitCode.WRONG_INPUT) from None


@click.command(
    cls=Examples,
    examples="""
arrowslit policy apply
arrowslit policy apply draft.toml --confirm-within 10m
arrowslit policy apply draft.toml --dry-run
""",
)
@click.argument("policy_path", metavar="[FILE]", required=False, type=click.Path(path_type=Path))
@click.option("--confirm-within", type=DURATION, help="Undo it by itself unless it is confirmed in that time.")
@click.option("-m", "--message", default="", help="What was changed and why, for the history.")
@click.option(
    "--base", type=int, metavar="REV", help="The revision that FILE was made from.  [default: the active one]"
)
@click.option("--widen", is_flag=True, help="It is meant to let in more than before by its modes.")
@click.option("--yes", is_flag=True, help="Ask nothing, and enforce although `doctor` is not content.")
@click.option("--dry-run", is_flag=True, help="Judge and rehearse it, and change nothing.")
@settings_option
@output_options
def apply(
    policy_path: Path | None,
    confirm_within: float | None,
    message: str,
    base: int | None,
    widen: bool,
    yes: bool,
    dry_run: bool,
    settings_path: Path | None,
    output: Output,
) -> int:
    """Make FILE the active policy of all nodes.

    Exit code 2 where it does not load, 3 where it may not be applied, 4 where somebody else has changed the policy
    since. It says first what it would have done to the mail of the last 30 days.
    """
    _check_time(confirm_within)
    path = policy_path or required(settings_path).parent / POLICY_NAME
    text, named = unmarked(read_policy(path))
    with open_store(settings_path, output) as database:
        expected = base or named or head_of(database).revision
        wish = Wish(text, str(path), "apply", message, expected, confirm_within, widen, yes, dry_run)
        return make(database, settings_path, wish, output)


def _check_time(seconds: float | None) -> None:
    if seconds is not None and not _SHORTEST <= seconds <= _LONGEST:
        raise click.BadParameter("the time to confirm is between 10s and 60m", param_hint="--confirm-within")


@click.command(
    cls=Examples,
    examples="""
arrowslit policy diff
arrowslit policy diff draft.toml
arrowslit policy diff 41 42 --exit-code
""",
)
@click.argument("old", metavar="[REV|FILE]", required=False)
@click.argument("new", metavar="[REV|FILE]", required=False)
@click.option("--exit-code", is_flag=True, help="Exit code 3 where there is a difference.")
@settings_option
@output_options
def diff(old: str | None, new: str | None, exit_code: bool, settings_path: Path | None, output: Output) -> int:
    """What differs between two policies: revisions or files.

    With one, against the active revision; with none, the active revision against policy.toml.
    """
    with open_store(settings_path, output) as database:
        active = str(head_of(database).revision)
        if old is None:
            old, new = active, str(required(settings_path).parent / POLICY_NAME)
        elif new is None:
            old, new = active, old
        before, after = (_text_of(database, one) for one in (old, new))
    lines = list(
        difflib.unified_diff(before.splitlines(), after.splitlines(), _called(old), _called(str(new)), lineterm="")
    )
    if output.as_json:
        output.json(old=_called(old), new=_called(str(new)), differs=bool(lines), diff=lines)
    else:
        for line in lines:
            output.data(_coloured(escaped_lines(line)))
        if not lines:
            output.note("no difference")
    return ExitCode.ANSWER_IS_NO if lines and exit_code else ExitCode.DONE


def _text_of(database: object, one: str) -> str:
    from arrowslit.store.database import Database  # noqa: PLC0415

    if not _NUMBER.fullmatch(one):
        return unmarked(read_policy(Path(one)))[0]
    assert isinstance(database, Database)  # noqa: S101  opened by `open_store`
    return text_of(database, int(one))


def _called(one: str) -> str:
    return f"revision {one}" if _NUMBER.fullmatch(one) else one


def _coloured(line: str) -> str:
    if line.startswith(("+++", "---")):
        return painted(line, Style.STRONG, sys.stdout)
    style = {"+": Style.GOOD, "-": Style.BAD}.get(line[:1])
    return line if style is None else painted(line, style, sys.stdout)


@click.command(
    cls=Examples,
    examples="""
arrowslit policy history
arrowslit policy history --limit 5
arrowslit policy history --json
""",
)
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many.")
@click.option("--before", type=int, metavar="REV", help="Only revisions before this one.")
@settings_option
@output_options
def history(limit: int, before: int | None, settings_path: Path | None, output: Output) -> int:
    """Who changed the policy when, newest first."""
    with open_store(settings_path, output) as database:
        head = head_of(database)
        revisions = database.revisions.history(limit, before)
    if output.as_json:
        output.json(
            active=head.revision,
            revisions=[
                {
                    "revision": one.number,
                    "at": one.at,
                    "author": one.author,
                    "kind": one.kind,
                    "message": one.message,
                    "based_on": one.based_on,
                    "sha256": one.sha256,
                    "confirmed_by": one.confirmed_by,
                    "confirmed_at": one.confirmed_at,
                }
                for one in revisions
            ],
        )
        return ExitCode.DONE
    for one in revisions:
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(one.at))
        state = ("pending" if head.pending else "active") if one.number == head.revision else ""
        line = f"{one.number:>5}  {at}  {one.kind:<6}  {escaped(one.author):<12}  {state:<7}  {escaped(one.message)}"
        kept = "" if one.confirmed_by is None else f" (confirmed by {escaped(one.confirmed_by)})"
        output.data(f"{line.rstrip()}{kept}")
    return ExitCode.DONE


@click.command(
    cls=Examples,
    examples="""
arrowslit policy export
arrowslit policy export 41
arrowslit policy export -o policy.toml
""",
)
@click.argument("revision", metavar="[REV]", required=False, type=int)
@click.option("-o", "--output-file", type=click.Path(path_type=Path), help="Write it there instead of printing it.")
@settings_option
@output_options
def export(revision: int | None, output_file: Path | None, settings_path: Path | None, output: Output) -> int:
    """The text of a revision as it was applied, comments and all; the active one where none is named."""
    with open_store(settings_path, output) as database:
        number = head_of(database).revision if revision is None else revision
        text = text_of(database, number)
    text = marked(text, number, "this policy")
    if output.as_json:
        output.json(revision=number, policy=text)
    elif output_file is None:
        output.data(text.rstrip("\n"))
    else:
        from arrowslit.documents.atomic import write_atomically  # noqa: PLC0415

        mode = output_file.stat().st_mode & 0o777 if output_file.exists() else 0o644
        write_atomically(output_file, text.encode(), mode)
        output.note(f"revision {number} is in {escaped(str(output_file))}")
    return ExitCode.DONE
