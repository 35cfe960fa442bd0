"""`arrowslit user add|list|remove`: own users for AUTH, in the state folder.

A password comes from the keyboard or from standard input, never from an argument: others could read it there.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from arrowslit.cli.errors import ProblemError
from arrowslit.cli.exits import ExitCode
from arrowslit.cli.group import Examples, Lazy, LazyGroup
from arrowslit.cli.options import output_options, settings_option
from arrowslit.cli.output import Output, escaped
from arrowslit.cli.settings import settings_of
from arrowslit.documents import users

_LONGEST = 4096


@click.group(
    cls=LazyGroup,
    lazy={
        "add": Lazy("arrowslit.cli.user:add", "Add a user, or change the password."),
        "list": Lazy("arrowslit.cli.user:list_", "The logins, one a line."),
        "remove": Lazy("arrowslit.cli.user:remove", "Remove a user."),
    },
    examples="""
arrowslit user add bob
printf %s "$PASSWORD" | arrowslit user add bob
arrowslit user list
""",
)
def user() -> None:
    """Own users who may sign in (authentication with = "users")."""


def _login(text: str) -> str:
    try:
        return users.normalise_login(text)
    except users.UsersError as error:
        raise ProblemError(f'"{escaped(text)}": {error}', ExitCode.WRONG_INPUT) from None


def _password() -> str:
    if sys.stdin.isatty():
        password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return password
    return sys.stdin.read(_LONGEST).removesuffix("\n").removesuffix("\r")


@click.command(
    cls=Examples,
    examples="""
arrowslit user add bob
printf %s "$PASSWORD" | arrowslit user add bob
arrowslit user add bob -c /etc/arrowslit/arrowslit.toml
""",
)
@click.argument("login")
@settings_option
@output_options
def add(login: str, settings_path: Path | None, output: Output) -> None:
    """Add a user, or change the password of one that is there.

    The password is asked for, or read from standard input where that is no terminal.
    """
    path = settings_of(settings_path, output).users_file
    name = _login(login)
    try:
        hashed = users.hash_password(_password())
        with users.changing(path) as known:
            new = name not in known
            known[name] = hashed
    except users.UsersError as error:
        raise ProblemError(str(error), ExitCode.WRONG_INPUT) from None
    if output.as_json:
        output.json(login=name, added=new)
    else:
        output.note(f"{name}: {'added' if new else 'password changed'} in {path}")


@click.command(
    name="list",
    cls=Examples,
    examples="""
arrowslit user list
arrowslit user list --json
arrowslit user list -c /etc/arrowslit/arrowslit.toml
""",
)
@settings_option
@output_options
def list_(settings_path: Path | None, output: Output) -> None:
    """The logins, one a line."""
    path = settings_of(settings_path, output).users_file
    try:
        known = list(users.read_users(path))
    except users.UsersError as error:
        raise ProblemError(str(error), ExitCode.WRONG_INPUT) from None
    if output.as_json:
        output.json(users=[{"login": name} for name in known])
    else:
        for name in known:
            output.data(escaped(name))
        if not known:
            output.note("No users yet. Add one: arrowslit user add LOGIN")


@click.command(
    cls=Examples,
    examples="""
arrowslit user remove bob
arrowslit user remove bob -q
arrowslit user remove bob --json
""",
)
@click.argument("login")
@settings_option
@output_options
def remove(login: str, settings_path: Path | None, output: Output) -> None:
    """Remove a user. Sessions that are signed in stay so until they end."""
    path = settings_of(settings_path, output).users_file
    name = _login(login)
    try:
        with users.changing(path) as known:
            if known.pop(name, None) is None:
                raise ProblemError(_no_such(name, list(known)), ExitCode.FAILED)
    except users.UsersError as error:
        raise ProblemError(str(error), ExitCode.WRONG_INPUT) from None
    if output.as_json:
        output.json(login=name, removed=True)
    else:
        output.note(f"{name}: removed from {path}")


def _no_such(name: str, known: list[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415

    near = get_close_matches(name, known, 1)
    return f'no user "{name}"' + (f'; did you mean "{near[0]}"?' if near else "")
