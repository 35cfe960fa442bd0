"""`arrowslit session list|watch|close`: who is connected now. Asks the running node over its control socket."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from arrowslit.cli.errors import ProblemError
from arrowslit.cli.exits import ExitCode
from arrowslit.cli.group import Examples, Lazy, LazyGroup
from arrowslit.cli.options import output_options, settings_option
from arrowslit.cli.output import Output, escaped
from arrowslit.cli.settings import settings_of


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
    state = one["waits_for"] or one["state"]
    return (
        f"{one['id']:<12}  {one['client_address']:<39}  {one['virtual_server']:<12}  {'TLS' if one['tls'] else '   '}  "
        f"{max(now - one['since'], 0):>7.0f} s  {escaped(state):<11}  {escaped(who)}"
    ).rstrip()


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
    """Who is connected now, the longest first. Exit code 5 where no node answers."""
    answer = _asked(settings_of(settings_path, output).control_socket, {"do": "sessions"})
    found = sorted(answer["sessions"], key=lambda one: one["since"])
    if output.as_json:
        output.json(sessions=found)
        return ExitCode.DONE
    for one in found:
        output.data(_line(one, time.time()))
    output.note(f"{len(found)} sessions" if found else "nobody is connected")
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
    """Say who comes (+) and who goes (-). With --json one object a line."""
    import json  # noqa: PLC0415

    path = settings_of(settings_path, output).control_socket
    end = None if seconds is None else time.monotonic() + seconds
    known: dict[str, dict[str, Any]] = {}
    while end is None or time.monotonic() < end:
        now = {one["id"]: one for one in _asked(path, {"do": "sessions"})["sessions"]}
        changes = [("+", one) for id, one in now.items() if id not in known]
        changes += [("-", one) for id, one in known.items() if id not in now]
        for sign, one in changes:
            come = {"come": sign == "+", **one}
            output.data(json.dumps(come) if output.as_json else f"{sign} {_line(one, time.time())}")
        known = now
        time.sleep(0.5)
    return ExitCode.DONE


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
    closed = _asked(path, {"do": "close-session", "session": id, "at_once": now})["closed"]
    if not closed:
        raise ProblemError(f"no session has the id {escaped(id)}", ExitCode.FAILED, "see: arrowslit session list")
    if output.as_json:
        output.json(closed=closed)
    else:
        output.note("closed" if now else "it is told 421 once nothing is under way")
    return ExitCode.DONE
