"""`arrowslit network list|refresh|accept`: the networks of the active policy, and what became of their sources."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from arrowslit.cli.change import head_of, text_of
from arrowslit.cli.errors import ProblemError
from arrowslit.cli.exits import ExitCode
from arrowslit.cli.group import Examples, Lazy, LazyGroup
from arrowslit.cli.options import output_options, settings_option
from arrowslit.cli.output import Output, escaped
from arrowslit.cli.settings import settings_of
from arrowslit.cli.store_access import author, open_store

if TYPE_CHECKING:
    from arrowslit.networks.guards import Contents
    from arrowslit.policy.parts import Network
    from arrowslit.store.database import Database
    from arrowslit.store.values import NetworkChange


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
    from arrowslit.upkeep.living import policy_of  # noqa: PLC0415

    policy = policy_of(text_of(database, head_of(database).revision))
    networks = {} if policy is None else dict(policy.networks)
    if name is None:
        return networks
    if name not in networks:
        known = ", ".join(networks) or "none"
        raise ProblemError(f"there is no network {escaped(name)}; there are: {known}", ExitCode.WRONG_INPUT)
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
    from arrowslit.upkeep.living import contents_of, effective  # noqa: PLC0415

    with open_store(settings_path, output) as database:
        networks = _networks(database, name)
        states = database.networks.states()
        found = database.networks.changes(name, limit) if changes else []
    rows = []
    for one in networks.values():
        contents = contents_of(states.get(one.name))
        rows.append(_row(one, contents, list(effective(one, contents.accepted).ranges())))
    if output.as_json:
        output.json(networks=rows, changes=[_change(one) for one in found])
        return ExitCode.DONE
    for row in rows if not changes else ():
        output.data("\n".join(_text(row)))
    for change in found:
        output.data("\n".join(_change_text(change)))
    return ExitCode.DONE


def _row(network: Network, contents: Contents, ranges: list[tuple[Any, Any]]) -> dict[str, Any]:
    from arrowslit.networks.guards import texts  # noqa: PLC0415

    return {
        "network": network.name,
        "ranges": len(ranges),
        "pinned": len(network.pinned),
        "sources": [
            {"source": name, "ranges": len(one.addresses), "at": one.at or None, "problem": one.problem}
            for name, one in contents.sources.items()
        ],
        "held": list(texts(contents.held)),
        "held_because": contents.held_because,
        "held_since": contents.held_since or None,
        "leaving": [{"since": one.since, "ranges": list(texts(one.addresses))} for one in contents.leaving],
        "warnings": list(contents.warnings),
    }


def _text(row: dict[str, Any]) -> list[str]:
    lines = [f"{row['network']:<16}  {row['ranges']} ranges, {row['pinned']} pinned"]
    for one in row["sources"]:
        state = escaped(one["problem"]) if one["problem"] else f"{one['ranges']} ranges"
        at = "never" if one["at"] is None else _time(one["at"])
        lines.append(f"  {escaped(one['source']):<24}  {at}  {state}")
    lines += [f"  warning   {escaped(warning)}" for warning in row["warnings"]]
    if row["held_because"]:
        lines.append(f"  held      {escaped(row['held_because'])}: {', '.join(row['held'])}")
        lines.append(f"            take it: arrowslit network accept {row['network']}")
    lines += [f"  leaving   since {_time(one['since'])}: {', '.join(one['ranges'])}" for one in row["leaving"]]
    return lines


def _change(one: NetworkChange) -> dict[str, Any]:
    return {
        "network": one.network,
        "at": one.at,
        "generation": one.generation,
        "kind": one.kind,
        "added": list(one.added),
        "removed": list(one.removed),
        "because": one.because,
    }


def _change_text(one: NetworkChange) -> list[str]:
    lines = [
        f"{_time(one.at)}  {one.network}  {one.kind}  generation {one.generation}  {escaped(one.because)}".rstrip()
    ]
    lines += [f"  + {escaped(text)}" for text in one.added]
    return lines + [f"  - {escaped(text)}" for text in one.removed]


def _time(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(moment))


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
    from arrowslit.networks import guards  # noqa: PLC0415
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
        head = database.networks.write([state], [change], expected_generation=head.generation)
    if output.as_json:
        output.json(network=name, generation=head.generation, added=list(outcome.added))
    else:
        output.data(f"network {name}: {', '.join(outcome.added)} accepted, generation {head.generation}")
    return ExitCode.DONE
