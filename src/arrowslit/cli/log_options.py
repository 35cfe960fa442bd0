"""What the commands that read logs have in common: which files, as what, in which zone; progress; what was not read."""

from __future__ import annotations

import datetime
import hashlib
import sys
import zoneinfo
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from arrowslit.cli.client_table import counted
from arrowslit.cli.errors import ProblemError
from arrowslit.cli.exits import ExitCode
from arrowslit.cli.output import Output, escaped

if TYPE_CHECKING:
    from arrowslit.logs.pieces import Plan
    from arrowslit.logs.reading import Read
    from arrowslit.logs.sink import Sink
    from arrowslit.traffic.tally import Problem

_SHOWN = 10


def log_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """LOG..., `--format`, `--zone`, `--until`, `--afresh`."""
    for option in reversed(
        (
            click.argument("logs", metavar="[LOG]...", nargs=-1, type=click.Path(path_type=Path)),
            click.option("--format", "format_", metavar="NAME", help="What the logs are.  [default: found by itself]"),
            click.option(
                "--zone", metavar="ZONE", help="The zone of times that name none: Europe/Berlin, UTC.  [default: ours]"
            ),
            click.option(
                "--until",
                metavar="DAY",
                help="No line is younger than this day: tells the year of times that name none.  [default: the file's]",
            ),
            click.option("--afresh", is_flag=True, help="Begin anew, where an earlier reading was stopped."),
        )
    ):
        command = option(command)
    return command


def zone_of(text: str | None) -> datetime.tzinfo:
    """The zone of that name; that of this machine without one."""
    from arrowslit.logs.zone import local_zone  # noqa: PLC0415

    if text is None:
        return local_zone()
    try:
        return datetime.UTC if text.upper() == "UTC" else zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        help = "write it like Europe/Berlin, America/New_York, UTC"
        raise ProblemError(f'there is no zone "{escaped(text)}"', ExitCode.WRONG_INPUT, help) from None


def until_of(text: str | None, zone: datetime.tzinfo) -> float | None:
    """The end of that day, in Unix seconds."""
    if text is None:
        return None
    try:
        day = datetime.date.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f'"{escaped(text)}" is no day: write it like 2027-03-31', param_hint="--until"
        ) from None
    return datetime.datetime.combine(day, datetime.time(23, 59, 59), zone).timestamp()


def planned(logs: tuple[Path, ...], format_: str | None, zone: datetime.tzinfo) -> Plan:
    """The files in order. Ends the command where the format is none, or nothing can be read."""
    from arrowslit.logs.pieces import plan  # noqa: PLC0415
    from arrowslit.traffic.formats.register import names  # noqa: PLC0415

    if format_ is not None and format_ not in names():
        help = f"there are: {', '.join(names())}"
        raise ProblemError(f'there is no format "{escaped(format_)}"', ExitCode.WRONG_INPUT, help)
    found = plan(logs, format_ or "", zone)
    if not found.pieces:
        lines = "; ".join(place(one) + one.says for one in found.problems[:_SHOWN])
        says = lines or "the files are empty"
        raise ProblemError(escaped(says), ExitCode.WRONG_INPUT, f"formats: {', '.join(names())}")
    return found


def read_into(
    sink: Sink, plan: Plan, question: str, zone: datetime.tzinfo, until: float | None, *, afresh: bool, output: Output
) -> Read:
    """Read all of it, with a bar on a terminal; Ctrl-C stops it, and the next run of the same command goes on."""
    from arrowslit.logs.reading import Reading, ReadingFailedError  # noqa: PLC0415

    reading = Reading(plan, sink, hashlib.sha256(question.encode()).hexdigest(), zone, until)
    if not afresh and reading.take_up():
        output.note("going on where it was stopped (--afresh begins anew)")
    elif reading.changed:
        output.note("it was stopped before, but the files have changed since: beginning anew")
    try:
        if output.quiet or not sys.stderr.isatty():
            return reading.run(lambda _done, _size: None)
        with click.progressbar(length=max(plan.size, 1), label="reading", file=sys.stderr) as bar:
            read = reading.run(lambda done, _size: bar.update(max(done - bar.pos, 0)))
            if read.whole:
                bar.update(plan.size - bar.pos)
            return read
    except ReadingFailedError as error:
        raise ProblemError(str(error), ExitCode.FAILED) from None


def tell_read(plan: Plan, read: Read, output: Output) -> None:
    """What was read, and what was not, by file and line; on stderr."""
    tally = read.tally
    formats = ", ".join(sorted({one.format for one in plan.pieces}))
    output.note(
        f"read {counted(tally.read, 'line')} of {counted(len(plan.pieces), 'file')} ({formats}): {tally.used:,} used, "
        f"{tally.skipped:,} about other things, {tally.not_understood:,} not understood"
    )
    if read.twice:
        output.note(f"{counted(read.twice, 'attempt')} stood in two files and counted once")
    if read.twice_full:
        output.problem("warning: the files overlap by more than can be remembered; some may have counted twice")
    problems = [*plan.problems, *tally.problems]
    for one in problems[:_SHOWN]:
        excerpt = f": {escaped(one.excerpt[:60])}" if one.excerpt else ""
        output.problem(f"warning: {escaped(place(one))}{escaped(one.says)}{excerpt}")
    more = len(problems) - _SHOWN + tally.more
    if more > 0:
        output.problem(f"warning: and {more:,} more")
    if not read.whole:
        later = "goes on" if read.goes_on else "begins anew: how far it came could not be saved"
        output.problem(f"stopped: this is what was read so far; the same command {later}")


def place(problem: Problem) -> str:
    """`mail.log:12: `."""
    return f"{problem.file}:{problem.line}: " if problem.line else f"{problem.file}: "


def read_json(plan: Plan, read: Read) -> dict[str, Any]:
    """The same as JSON."""
    tally = read.tally
    return {
        "whole": read.whole,
        "files": [{"file": one.path, "format": one.format} for one in plan.pieces],
        "lines": {
            "read": tally.read,
            "used": tally.used,
            "skipped": tally.skipped,
            "not_understood": tally.not_understood,
        },
        "counted_once": read.twice,
        "problems": [
            {"file": one.file, "line": one.line, "says": one.says, "excerpt": one.excerpt}
            for one in (*plan.problems, *tally.problems)
        ],
        "more_problems": tally.more,
    }


def code_of(plan: Plan, read: Read) -> ExitCode:
    """1 where anything could not be read or understood, so that nobody takes a part for the whole."""
    tally = read.tally
    whole = read.whole and not plan.problems and not tally.problems and not tally.not_understood
    return ExitCode.DONE if whole else ExitCode.FAILED
