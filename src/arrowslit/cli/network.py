"""`arrowslit network list|refresh|accept`: the networks of the active policy, and what became of their sources."""

from __future__ import annotations

import time
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from arrowslit.cli.errors import ProblemError
from arrowslit.cli.exits import ExitCode
from arrowslit.cli.group import Examples, Lazy, LazyGroup
from arrowslit.cli.network_text import change_members, change_text, row_of, row_text
from arrowslit.cli.options import output_options, settings_option
from arrowslit.cli.output import Output, escaped
from arrowslit.cli.settings import settings_of
from arrowslit.cli.store_access import author, open_store

if TYPE_CHECKING:
    from arrowslit.policy.parts import Network
    from arrowslit.store.database import Database
    from arrowslit.store.values import NetworkChange

_LOOKED_AT: Final = 200
"""Changes of a network among which its last failure is looked for."""


@click.group(
    cls=LazyGroup,
    lazy={
        "list": Lazy("arrowslit.cli.network:list_", "What they hold, and how their sources are."),
        "refresh": Lazy("arrowslit.cli.network:refresh", "Ask their sources now."),
        "accept": Lazy("arrowslit.cli.network:accept", "Take a change that is held."),
    },
    examples="""
arrowslit network list
arrowslit network list filter --changes
arrowslit network accept filter
""",
)
def network() -> None:
    """Named sets of addresses: what they hold, and where it comes from."""


def _networks(database: Database, name: str | None) -> dict[str, Network]:
    """Those of the active policy, or the one. Ends the command where it has none of that name."""
    from arrowslit.cli.change import head_of, text_of  # noqa: PLC0415 - with asyncio
    from arrowslit.upkeep.living import policy_of  # noqa: PLC0415

    policy = policy_of(text_of(database, head_of(database).revision))
    networks = {} if policy is None else dict(policy.networks)
    if name is None:
        return networks
    if name not in networks:
        near = get_close_matches(name, networks, 1)
        help = f'did you mean "{near[0]}"?' if near else f"there are: {', '.join(networks) or 'none'}"
        raise ProblemError(f"there is no network {escaped(name)}", ExitCode.WRONG_INPUT, help)
    return {name: networks[name]}


@click.command(
    cls=Examples,
    examples="""
arrowslit network list
arrowslit network list filter
arrowslit network list filter --changes
""",
)
@click.argument("name", required=False)
@click.option("--changes", is_flag=True, help="What was added and removed when, newest first.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many changes.")
@settings_option
@output_options
def list_(name: str | None, changes: bool, limit: int, settings_path: Path | None, output: Output) -> int:
    """What networks hold, how their sources are, and what waits to be accepted."""
    from arrowslit.upkeep.living import contents_of  # noqa: PLC0415

    with open_store(settings_path, output) as database:
        networks = _networks(database, name)
        states = database.networks.states()
        found = database.networks.changes(name, limit) if changes else []
        failures = {one: _last_failure(database, one) for one in networks}
    rows = [row_of(one, contents_of(states.get(one.name)), failures[one.name]) for one in networks.values()]
    if output.as_json:
        output.json(networks=rows, changes=[change_members(one) for one in found])
        return ExitCode.DONE
    for row in rows if not changes else ():
        output.data("\n".join(row_text(row)))
    for change in found:
        output.data("\n".join(change_text(change)))
    if not (found if changes else rows):
        output.note("there is none")
    return ExitCode.DONE


def _last_failure(database: Database, name: str) -> NetworkChange | None:
    """The last time that a source gave nothing, while others may have."""
    told = database.networks.changes(name, _LOOKED_AT)
    return next((one for one in told if one.because and one.kind in ("failed", "refresh")), None)


@click.command(
    cls=Examples,
    examples="""
arrowslit network refresh
arrowslit network refresh filter
arrowslit network list
""",
)
@click.argument("name", required=False)
@settings_option
@output_options
def refresh(name: str | None, settings_path: Path | None, output: Output) -> int:
    """Let the running node ask the sources of all networks, or of one, now.

    Exit code 5 where no node answers.
    """
    from arrowslit.gateway.control import NodeUnreachable, request  # noqa: PLC0415

    with open_store(settings_path, output) as database:
        _networks(database, name)
    path = settings_of(settings_path, output).control_socket
    try:
        answer = request(path, {"do": "refresh", "network": name})
    except NodeUnreachable as error:
        raise ProblemError(str(error), ExitCode.NODE_UNREACHABLE, "start it: arrowslit serve") from None
    if not answer.pop("ok"):
        raise ProblemError(str(answer.get("error")), ExitCode.FAILED)
    if output.as_json:
        output.json(network=name, asked=True)
    else:
        output.note("asked; what came of it: arrowslit network list")
    return ExitCode.DONE


@click.command(
    cls=Examples,
    examples="""
arrowslit network accept filter
arrowslit network list filter
arrowslit network list filter --changes
""",
)
@click.argument("name")
@settings_option
@output_options
def accept(name: str, settings_path: Path | None, output: Output) -> int:
    """Take the change of a network that is held, because it is right after all.

    Exit code 1 where nothing is held, 4 where the network has changed meanwhile.
    """
    from arrowslit.cli.change import head_of  # noqa: PLC0415
    from arrowslit.networks import guards  # noqa: PLC0415
    from arrowslit.store.errors import ChangedByOthersError  # noqa: PLC0415
    from arrowslit.store.values import NetworkChange, NetworkState  # noqa: PLC0415
    from arrowslit.upkeep.living import contents_of  # noqa: PLC0415

    with open_store(settings_path, output) as database:
        _networks(database, name)
        head = head_of(database)
        before = contents_of(database.networks.states().get(name))
        if not before.held_because:
            raise ProblemError(f"nothing of network {name} is held", ExitCode.FAILED, "see: arrowslit network list")
        outcome, now = guards.accept(before), time.time()
        state = NetworkState(name, guards.to_json(outcome.contents), False, now)
        because = f"accepted by {author()}: {before.held_because}"
        change = NetworkChange(name, now, head.generation + 1, outcome.kind, outcome.added, outcome.removed, because)
        try:
            head = database.networks.write([state], [change], expected_generation=head.generation)
        except ChangedByOthersError as error:
            help = f"see what is held now: arrowslit network list {name}"
            raise ProblemError(escaped(str(error)), ExitCode.CHANGED_BY_OTHERS, help) from None
    if output.as_json:
        output.json(network=name, generation=head.generation, added=list(outcome.added))
    else:
        output.data(f"network {name}: {', '.join(outcome.added)} accepted, generation {head.generation}")
    return ExitCode.DONE
