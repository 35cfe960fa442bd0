"""`arrowslit target plan|apply|confirm|undo|drift`: live enforcement points, through the agent of this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from arrowslit.cli.errors import ProblemError
from arrowslit.cli.exits import ExitCode
from arrowslit.cli.group import Examples
from arrowslit.cli.line import connection
from arrowslit.cli.options import Command, output_options, settings_option
from arrowslit.cli.output import Output, Style, escaped, painted
from arrowslit.cli.settings import settings_of
from arrowslit.cli.times import DURATION
from arrowslit.gateway.control import NodeUnreachable, request
from arrowslit.rollout.agent_process import SOCKET

_SECONDS = 300.0


def _of_point(command: Command) -> Command:
    return click.argument("name", metavar="NAME")(settings_option(output_options(command)))


@click.command(
    cls=Examples,
    examples="""
arrowslit target plan firewall
arrowslit target plan firewall --json
arrowslit target plan firewall -c /etc/arrowslit/arrowslit.toml
""",
)
@_of_point
def plan(name: str, settings_path: Path | None, output: Output) -> int:
    """What applying the policy in force would change at NAME, one of [enforcement_points]."""
    answer = _ask("plan", name, settings_path, output)
    if output.as_json:
        output.json(**answer)
        return ExitCode.DONE
    _print_state(name, answer, output)
    _print_difference(answer, output, "would change")
    return ExitCode.DONE


@click.command(
    cls=Examples,
    examples="""
arrowslit target drift firewall
arrowslit target drift firewall --json
arrowslit target drift firewall || arrowslit target plan firewall
""",
)
@_of_point
def drift(name: str, settings_path: Path | None, output: Output) -> int:
    """Whether what holds at NAME is what the policy in force says; exit code 3 where it is not."""
    answer = _ask("plan", name, settings_path, output)
    if output.as_json:
        output.json(**answer)
    else:
        _print_state(name, answer, output)
        _print_difference(answer, output, "differs")
    return ExitCode.ANSWER_IS_NO if answer["differs"] else ExitCode.DONE


@click.command(
    cls=Examples,
    examples="""
arrowslit target apply firewall --confirm-within 10m
arrowslit target apply firewall --for-good
arrowslit target apply firewall --confirm-within 10m --json
""",
)
@click.option("--confirm-within", type=DURATION, help="Undo it by itself unless it is confirmed in that time.")
@click.option("--for-good", is_flag=True, help="Let it hold without being confirmed.")
@click.option("--token", help="Only where all is as `target plan --json` saw it, which gave this token.")
@_of_point
def apply(
    name: str,
    confirm_within: float | None,
    for_good: bool,
    token: str | None,
    settings_path: Path | None,
    output: Output,
) -> int:
    """Put the policy in force to NAME. Exit code 4 where somebody else changed our part of it just now."""
    if (confirm_within is None) is not for_good:
        raise click.UsageError("say --confirm-within TIME, or --for-good")
    if token is None:
        token = str(_ask("look", name, settings_path, output)["token"])
    seconds = None if confirm_within is None else max(1, round(confirm_within))
    answer = _ask("apply", name, settings_path, output, token=token, seconds=seconds, connection=connection())
    if output.as_json:
        output.json(**answer)
        return ExitCode.DONE
    _print_state(name, answer, output)
    if seconds is not None:
        output.note(f"undone by itself unless: arrowslit target confirm {escaped(name)}")
    return ExitCode.DONE


@click.command(
    cls=Examples,
    examples="""
arrowslit target confirm firewall
arrowslit target confirm firewall --json
ssh -S none mx.example.org sudo arrowslit target confirm firewall
""",
)
@_of_point
def confirm(name: str, settings_path: Path | None, output: Output) -> int:
    """Keep what was applied to NAME; only over a connection that was made after it."""
    return _done("confirm", name, settings_path, output)


@click.command(
    cls=Examples,
    examples="""
arrowslit target undo firewall
arrowslit target undo firewall --json
arrowslit target undo firewall -c /etc/arrowslit/arrowslit.toml
""",
)
@_of_point
def undo(name: str, settings_path: Path | None, output: Output) -> int:
    """Take back what is pending at NAME; where nothing is, remove all rules of ours there."""
    return _done("undo", name, settings_path, output)


def _done(verb: str, name: str, settings_path: Path | None, output: Output) -> int:
    answer = _ask(verb, name, settings_path, output, connection=connection())
    if output.as_json:
        output.json(**answer)
    else:
        _print_state(name, answer, output)
    return ExitCode.DONE


def _ask(verb: str, name: str, settings_path: Path | None, output: Output, **more: Any) -> dict[str, Any]:
    """The agent's answer, without what every answer has. Ends the command where there is none, or it refuses."""
    settings = settings_of(settings_path, output)
    try:
        answer = request(settings.agent.state / SOCKET, {"do": verb, "point": name, **more}, _SECONDS)
    except NodeUnreachable as error:
        message = str(error).replace("node", "agent")
        raise ProblemError(escaped(message), ExitCode.NODE_UNREACHABLE, "start it: arrowslit agent") from None
    if not answer.pop("ok"):
        raise ProblemError(escaped(str(answer["error"])), ExitCode.FAILED)
    if "problem" in answer:
        code = ExitCode.CHANGED_BY_OTHERS if answer["changed"] else ExitCode.FAILED
        raise ProblemError(escaped(str(answer["problem"])), code)
    return answer


def _print_state(name: str, answer: dict[str, Any], output: Output) -> None:
    if not answer["holds"]:
        output.data(f"{escaped(name)}: no rules of ours are in force")
    else:
        named = escaped(str(answer["named"] or "rules that nobody here remembers"))
        refused = "" if answer["refused"] is None else f", {answer['refused']} packets refused"
        output.data(f"{escaped(name)}: {named} in force, {answer['ranges']} ranges{refused}")
    if answer["pending_seconds"] is not None:
        back = escaped(str(answer["back_to"] or "no rules of ours"))
        output.data(f"  pending: in {answer['pending_seconds']:.0f} s back to {back}")
    for line in answer["wide"]:
        output.note(f"{painted('beside', Style.CAUTION, sys.stderr)}: {escaped(line)}")


def _print_difference(answer: dict[str, Any], output: Output, word: str) -> None:
    if not answer["differs"]:
        output.data(f"  as {escaped(answer['wanted'])} says")
        return
    output.data(f"  {word}, as {escaped(answer['wanted'])} says:")
    for sign, texts in (("+", answer["added"]), ("-", answer["removed"])):
        for text in texts:
            output.data(f"  {sign} {escaped(text)}")
    for text in answer["says"]:
        output.data(f"  ! {escaped(text)}")
