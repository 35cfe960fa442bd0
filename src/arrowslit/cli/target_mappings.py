"""`arrowslit target mappings`: forgotten port mappings in the routers of this network.

All that a router says is escaped before it is shown.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from arrowslit.cli.errors import ProblemError
from arrowslit.cli.exits import ExitCode
from arrowslit.cli.group import Examples
from arrowslit.cli.options import output_options
from arrowslit.cli.output import Output, escaped
from arrowslit.cli.target_mappings_shown import as_json, count, show, tell

if TYPE_CHECKING:
    from arrowslit.rollout.mappings.audit import Found, Router
    from arrowslit.rollout.mappings.reading import Mapping


@click.command(
    cls=Examples,
    examples="""
arrowslit target mappings
arrowslit target mappings --port 25 --port 465 --port 587 --interface eth1
arrowslit target mappings --delete 1
""",
)
@click.option("--port", "ports", type=click.IntRange(1, 65_535), multiple=True, help="Which port.  [default: 25]")
@click.option("--interface", metavar="NAME", help="Where to look for routers.  [default: that of the default route]")
@click.option(
    "--delete", "numbers", type=click.IntRange(min=1), multiple=True, metavar="NUMBER", help="Delete that one."
)
@click.option("--all", "every", is_flag=True, help="Delete all that are found.")
@click.option("--token", help="Delete only where all is as `--json` showed it, which gave this token.")
@click.option("--yes", is_flag=True, help="Delete without asking.")
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@output_options
def mappings(
    ports: tuple[int, ...],
    interface: str | None,
    numbers: tuple[int, ...],
    every: bool,
    token: str | None,
    yes: bool,
    dry_run: bool,
    output: Output,
) -> int:
    """Find forgotten mappings of port 25 that were opened by UPnP, and delete those you name. Never makes one.

    Exit code 3 where one was found and is still there, 1 where a router can't be read to the end, 4 where somebody
    changed them meanwhile, 5 where no router answers.
    """
    deletes = _wish(numbers, every, token, yes, dry_run, output)
    found = _look(interface, ports := tuple(dict.fromkeys(ports or (25,))))
    there = found.of(ports)
    if token is not None and token != found.token(ports):
        message = "the mappings are others by now; nothing was deleted"
        raise ProblemError(message, ExitCode.CHANGED_BY_OTHERS, "see: arrowslit target mappings")
    chosen = list(range(1, len(there) + 1)) if every else list(dict.fromkeys(numbers))
    unknown = next((number for number in chosen if number > len(there)), None)
    if unknown is not None:
        raise ProblemError(f"there is no number {unknown}: {count(len(there))} found", ExitCode.WRONG_INPUT)
    if not output.as_json:
        show(found, ports, output)
    if deletes and chosen and not dry_run and not yes:
        click.confirm(f"Delete {', '.join(map(str, chosen))}?", abort=True, err=True)
    outcome = {} if dry_run else _delete({number: there[number - 1] for number in chosen})
    for number in chosen:
        tell(number, dry_run, outcome, output)
    if output.as_json:
        as_json(found, ports, outcome, output)
    return _code(found, len(there), outcome, output)


def _wish(numbers: tuple[int, ...], every: bool, token: str | None, yes: bool, dry_run: bool, output: Output) -> bool:
    """Whether something is to be deleted; what does not go together ends the command."""
    deletes = every or bool(numbers)
    if every and numbers:
        raise click.UsageError("--all and --delete are two ways to say which: use one of them")
    if not deletes and (token is not None or yes or dry_run):
        raise click.UsageError("say which are to be deleted: --delete NUMBER, or --all")
    if deletes and not yes and not dry_run and (output.as_json or not sys.stdin.isatty()):
        raise click.UsageError("nobody can be asked here: say --yes")
    return deletes


def _look(interface: str | None, ports: tuple[int, ...]) -> Found:
    from arrowslit.rollout.mappings.audit import look  # noqa: PLC0415 - http and expat take their time
    from arrowslit.rollout.point import RolloutError  # noqa: PLC0415

    try:
        return look(interface, ports)
    except LookupError:
        raise ProblemError(f'there is no interface "{escaped(interface or "")}"', ExitCode.WRONG_INPUT) from None
    except RolloutError as error:
        raise ProblemError(escaped(str(error)), ExitCode.FAILED, "name one: --interface eth1") from None


def _delete(chosen: dict[int, tuple[Router, Mapping]]) -> dict[int, tuple[ExitCode, str]]:
    """What became of each: a code, and why where it is not gone."""
    from arrowslit.rollout.mappings.audit import delete  # noqa: PLC0415
    from arrowslit.rollout.point import ChangedMeanwhileError, RolloutError  # noqa: PLC0415

    outcome: dict[int, tuple[ExitCode, str]] = {}
    for number, (router, mapping) in chosen.items():
        try:
            delete(router, mapping)
            outcome[number] = ExitCode.DONE, ""
        except ChangedMeanwhileError as error:
            outcome[number] = ExitCode.CHANGED_BY_OTHERS, str(error)
        except RolloutError as error:
            outcome[number] = ExitCode.ANSWER_IS_NO, str(error)
    return outcome


def _code(found: Found, there: int, outcome: dict[int, tuple[ExitCode, str]], output: Output) -> int:
    codes = [code for code, _ in outcome.values()]
    if ExitCode.CHANGED_BY_OTHERS in codes:
        return ExitCode.CHANGED_BY_OTHERS
    if codes.count(ExitCode.DONE) < there:
        return ExitCode.ANSWER_IS_NO
    if not found.routers and not found.unread:
        output.problem("no router answers to UPnP: it may be off there, or a firewall of this machine is in between")
        return ExitCode.NODE_UNREACHABLE
    unread = found.unread or any(router.problem for router in found.routers)
    return ExitCode.FAILED if unread else ExitCode.DONE
