"""`arrowslit status`: asks the running node over its control socket, and prints what it says of itself."""

from __future__ import annotations

import datetime
import sys
from pathlib import Path
from typing import Any

import click

from arrowslit.cli.errors import ProblemError
from arrowslit.cli.exits import ExitCode
from arrowslit.cli.group import Examples
from arrowslit.cli.options import output_options, settings_option
from arrowslit.cli.output import Output, Style, escaped, painted
from arrowslit.cli.settings import settings_of

_ALARMS = 20


@click.command(
    cls=Examples,
    examples="""
arrowslit status
arrowslit status -c /etc/arrowslit/arrowslit.toml
arrowslit status --json
""",
)
@settings_option
@output_options
def status(settings_path: Path | None, output: Output) -> int:
    """What the running node is doing.

    Exit code 3 where it is not ready to take mail, 5 where no node answers.
    """
    from arrowslit.gateway.control import NodeUnreachable, request  # noqa: PLC0415 - asyncio takes 40 ms

    path = settings_of(settings_path, output).control_socket
    try:
        answer = request(path, {"do": "status"})
    except NodeUnreachable as error:
        raise ProblemError(str(error), ExitCode.NODE_UNREACHABLE, "start it: arrowslit serve") from None
    if not answer.pop("ok"):
        raise ProblemError(str(answer.get("error")), ExitCode.FAILED)
    if output.as_json:
        output.json(**answer)
    else:
        output.data("\n".join(_text(answer)))
    return ExitCode.DONE if answer["ready"] else ExitCode.ANSWER_IS_NO


def _text(answer: dict[str, Any]) -> list[str]:
    lines = [
        f"{_state(answer)}  {escaped(answer['node'])}, revision {answer['revision']}, since {_time(answer['since'])}"
    ]
    lines += _labelled("not ready", [escaped(why) for why in answer["not_ready"]])
    lines += _labelled("listening", [escaped(one["bound"]) for one in answer["listeners"]])
    lines += _labelled("workers", [_worker(one) for one in answer["workers"]])
    lines += _labelled("decisions", _counts(answer["counts"]["decisions"]))
    lines += _labelled("deliveries", _counts(answer["counts"]["deliveries"]))
    if answer["policy_file_differs"]:
        file = escaped(str(answer["policy_file"]))
        lines += _labelled("policy", [f"{file} differs from the active revision", "take it up: arrowslit policy apply"])
    lines += _labelled("expiry", [_certificate(one) for one in answer["certificates"]])
    lines += _labelled("alarms", [_alarm(one) for one in answer["alarms"][:_ALARMS]])
    return lines


def _state(answer: dict[str, Any]) -> str:
    if answer["draining"]:
        return painted("stopping", Style.CAUTION, sys.stdout)
    ready = answer["ready"]
    return painted("ready" if ready else "not ready", Style.GOOD if ready else Style.BAD, sys.stdout)


def _labelled(label: str, rows: list[str]) -> list[str]:
    return [f"{label if not at else '':<10}  {row}" for at, row in enumerate(rows)]


def _worker(one: dict[str, Any]) -> str:
    state = "ready" if one["ready"] else f"not ready: {escaped(one['failed'])}" if one["failed"] else "starting"
    return f"{one['worker']}: process {one['pid']}, {one['sessions']} sessions, {state}"


def _counts(counts: dict[str, int]) -> list[str]:
    text = ", ".join(f"{number} {escaped(name)}" for name, number in sorted(counts.items()))
    return [text] if text else []


def _alarm(one: dict[str, Any]) -> str:
    times = f" ({one['count']} times)" if one["count"] > 1 else ""
    return f"{escaped(one['name'])}: {escaped(one['text'])}, {_time(one['last'])}{times}"


def _certificate(one: dict[str, Any]) -> str:
    wrong = escaped(one["wrong"]) and painted(escaped(one["wrong"]), Style.CAUTION, sys.stdout) + ": "
    return f"{wrong}{escaped(one['text'])}"


def _time(unix: float) -> str:
    return datetime.datetime.fromtimestamp(unix, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
