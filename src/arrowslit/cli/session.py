"""`arrowslit session list|watch|close`: who is connected now. Asks the running node over its control socket."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

import click

from arrowslit.cli.errors import ProblemError
from arrowslit.cli.exits import ExitCode
from arrowslit.cli.group import Examples, Lazy, LazyGroup
from arrowslit.cli.options import output_options, settings_option
from arrowslit.cli.output import JSON_VERSION, Output, escaped
from arrowslit.cli.settings import settings_of

_EACH: Final = 1.0
_COLUMNS: Final = (
    f"{'id':<12}  {'client':<15}  {'virtual server':<14}  {'TLS':<3}  {'seconds':>8}  {'state':<11}  "
    f"{'transactions':>12}  {'octets':>12}  name"
)


@click.group(
    cls=LazyGroup,
    lazy={
        "list": Lazy("arrowslit.cli.session:list_", "Who is connected."),
        "watch": Lazy("arrowslit.cli.session:watch", "Who comes and goes."),
        "close": Lazy("arrowslit.cli.session:close", "End one."),
    },
    examples="""
arrowslit session list
arrowslit session watch
arrowslit session close 2RDMLUAVMMNE
""",
)
def session() -> None:
    """The sessions of the running node."""


def _asked(path: Path, message: dict[str, Any]) -> dict[str, Any]:
    """The node's answer. Ends the command where there is none."""
    from arrowslit.gateway.control import NodeUnreachable, request  # noqa: PLC0415

    try:
        answer = request(path, message)
    except NodeUnreachable as error:
        raise ProblemError(str(error), ExitCode.NODE_UNREACHABLE, "start it: arrowslit serve") from None
    if not answer.pop("ok"):
        raise ProblemError(str(answer.get("error")), ExitCode.FAILED)
    return answer


def _line(one: dict[str, Any], now: float) -> str:
    """One session in one line."""
    who = one["authenticated_as"] or one["client_name"] or one["helo_name"] or ""
    tls = "yes" if one["tls"] else "no"
    return (
        f"{one['id']:<12}  {one['client_address']:<15}  {one['virtual_server']:<14}  {tls:<3}  "
        f"{max(now - one['since'], 0):>8.0f}  {one['state']:<11}  "
        f"{one['transactions']:>12}  {one['octets']:>12}  {escaped(who)}"
    ).rstrip()


def _tell_what_lacks(answer: dict[str, Any], output: Output) -> None:
    """A list that is not whole says so."""
    listed, there = len(answer["sessions"]), answer["open"]
    if listed < there:
        output.problem(f"{there} sessions are open; these are the {listed} that are open longest")
    if answer["silent"]:
        output.problem(f"{answer['silent']} of the workers did not answer: their sessions are missing here")


@click.command(
    cls=Examples,
    examples="""
arrowslit session list
arrowslit session list -c /etc/arrowslit/arrowslit.toml
arrowslit session list --json
""",
)
@settings_option
@output_options
def list_(settings_path: Path | None, output: Output) -> int:
    """Who is connected now, the longest first. Exit code 5 where no node answers.

    State: idle, command (it is being answered), transaction (recipients are named), data (a message comes in) or
    next-hop (which is asked). Name: the account, else the proved name, else what the client says in EHLO.
    """
    answer = _asked(settings_of(settings_path, output).control_socket, {"do": "sessions"})
    if output.as_json:
        output.json(**answer)
        return ExitCode.DONE
    if answer["sessions"]:
        output.note(_COLUMNS)
    for one in answer["sessions"]:
        output.data(_line(one, time.time()))
    _tell_what_lacks(answer, output)
    output.note(f"{answer['open']} sessions" if answer["open"] else "nobody is connected")
    return ExitCode.DONE


@click.command(
    cls=Examples,
    examples="""
arrowslit session watch
arrowslit session watch --seconds 60
arrowslit session watch --json
""",
)
@click.option("--seconds", type=click.FloatRange(0.1), help="End after so many seconds.  [default: at Ctrl-C]")
@settings_option
@output_options
def watch(seconds: float | None, settings_path: Path | None, output: Output) -> int:
    """Say who comes (+) and who goes (-), looking once a second. With --json one object a line."""
    path = settings_of(settings_path, output).control_socket
    end = None if seconds is None else time.monotonic() + seconds
    known: dict[str, dict[str, Any]] = {}
    whole = True
    if not output.as_json:
        output.note(f"  {_COLUMNS}")
    while end is None or time.monotonic() < end:
        answer = _asked(path, {"do": "sessions"})
        now = {one["id"]: one for one in answer["sessions"]}
        for one in [one for id, one in known.items() if id not in now]:
            _tell(one, output, come=False)
        for one in [one for id, one in now.items() if id not in known]:
            _tell(one, output, come=True)
        output.flush()
        if whole:
            _tell_what_lacks(answer, output)
        known, whole = now, len(now) == answer["open"] and not answer["silent"]
        time.sleep(_EACH if end is None else max(min(_EACH, end - time.monotonic()), 0))
    return ExitCode.DONE


def _tell(one: dict[str, Any], output: Output, *, come: bool) -> None:
    if output.as_json:
        import json  # noqa: PLC0415

        output.data(json.dumps({"version": JSON_VERSION, "come": come, **one}))
    else:
        output.data(f"{'+' if come else '-'} {_line(one, time.time())}")


@click.command(
    cls=Examples,
    examples="""
arrowslit session close 2RDMLUAVMMNE
arrowslit session close 2RDMLUAVMMNE --now
arrowslit session list
""",
)
@click.argument("id", metavar="ID")
@click.option("--now", is_flag=True, help="In the middle of what it does; else once nothing is under way, with 421.")
@settings_option
@output_options
def close(id: str, now: bool, settings_path: Path | None, output: Output) -> int:
    """End a session, by its own id or that of its transaction. Exit code 1 where there is none."""
    path = settings_of(settings_path, output).control_socket
    answer = _asked(path, {"do": "close-session", "session": id, "at_once": now})
    if not answer["closed"]:
        unsure = f", but {answer['silent']} of the workers did not answer" if answer["silent"] else ""
        message = f"no session has the id {escaped(id)}{unsure}"
        raise ProblemError(message, ExitCode.FAILED, "see: arrowslit session list")
    if output.as_json:
        output.json(closed=answer["closed"])
    else:
        output.note("closed" if now else "it is told 421 once nothing is under way")
    return ExitCode.DONE
