"""The options that several commands have, declared once."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from arrowslit.cli.output import Output, escaped

Command = Callable[..., Any]
SETTINGS_NAME = "arrowslit.toml"
POLICY_NAME = "policy.toml"
_INSTALLED = Path("/etc/arrowslit") / SETTINGS_NAME


def output_options(command: Command) -> Command:
    """`--json` and `-q`; the command gets them as `output`."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with its version.")
    @click.option("-q", "--quiet", is_flag=True, help="Print only data and errors.")
    @wraps(command)
    def wrapped(*args: Any, as_json: bool, quiet: bool, **options: Any) -> Any:
        return command(*args, output=Output(as_json, quiet), **options)

    return wrapped


def settings_option(command: Command) -> Command:
    """`-c FILE`; the command gets `settings_path`, None where it is not given."""
    made = click.option(
        "-c",
        "--config",
        "settings_path",
        type=click.Path(path_type=Path),
        help=f"The node's settings.  [default: {SETTINGS_NAME} here, or {_INSTALLED}]",
    )
    return made(command)


def installed_settings() -> Path | None:
    """The settings that hold where none are named: those here, or those of the machine."""
    return next((path for path in (Path(SETTINGS_NAME), _INSTALLED) if path.is_file()), None)


def date_option(command: Command) -> Command:
    """`--date DAY`; the command gets `date`, today (UTC) where it is not given."""
    made = click.option("--date", metavar="DAY", callback=_date, help="The day (UTC) to judge by.  [default: today]")
    return made(command)


def _date(_ctx: click.Context, _parameter: click.Parameter, given: str | None) -> datetime.date:
    if given is None:
        return datetime.datetime.now(datetime.UTC).date()
    try:
        return datetime.date.fromisoformat(given)
    except ValueError:
        raise click.BadParameter(f'"{escaped(given)}" is no day: write it like 2027-03-31') from None


def policy_option(command: Command) -> Command:
    """`--policy FILE`; the command gets `policy_path`, None where it is not given."""
    made = click.option(
        "--policy",
        "policy_path",
        type=click.Path(path_type=Path),
        help=f"The policy.  [default: {POLICY_NAME} beside the settings]",
    )
    return made(command)
