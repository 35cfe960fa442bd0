"""`arrowslit decision list|watch|show`: what was decided about whom, from the store.

Whatever strangers sent is escaped. A search that would take too long says how far back it has looked.
"""

from __future__ import annotations

import datetime
import re
import time
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from arrowslit.cli.decision_text import COLUMNS, client_line, line, shown
from arrowslit.cli.errors import ProblemError
from arrowslit.cli.exits import ExitCode
from arrowslit.cli.group import Examples, Lazy, LazyGroup
from arrowslit.cli.options import Command, output_options, settings_option
from arrowslit.cli.output import Output, escaped
from arrowslit.cli.store_access import open_store

if TYPE_CHECKING:
    from arrowslit.store.query import Query

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_AGO: Final = re.compile(r"([0-9]{1,6})([smhd])")
_ACTIONS: Final = ("permit", "reject", "defer", "drop")


@click.group(
    cls=LazyGroup,
    lazy={
        "list": Lazy("arrowslit.cli.decision:list_", "Search them, newest first."),
        "watch": Lazy("arrowslit.cli.decision:watch", "Show them as they are made."),
        "show": Lazy("arrowslit.cli.decision:show", "All that is known of one."),
    },
    examples="""
arrowslit decision list --client 203.0.113.9
arrowslit decision list --would-be --by-client
arrowslit decision watch --action reject
""",
)
def decision() -> None:
    """What was decided about whom, and why."""


def _network(_ctx: click.Context, _parameter: click.Parameter, given: str | None) -> IPv4Network | IPv6Network | None:
    try:
        return None if given is None else ip_network(given, strict=False)
    except ValueError:
        raise click.BadParameter(f'"{escaped(given or "")}" is no address and no network') from None


def moment(text: str, now: float) -> float:
    """Unix seconds of a moment as people write it: `2h` (ago), `2026-11-25`, `2026-11-25T14:30` (UTC).

    Raises ValueError.
    """
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return now - int(ago[1]) * _UNITS[ago[2]]
    found = datetime.datetime.fromisoformat(text)
    return found.replace(tzinfo=found.tzinfo or datetime.UTC).timestamp()


def _moment(_ctx: click.Context, _parameter: click.Parameter, given: str | None) -> float | None:
    try:
        return None if given is None else moment(given, time.time())
    except ValueError:
        says = f'"{escaped(given or "")}" is no time: write 2h or 7d (ago), or 2026-11-25T14:30 (UTC)'
        raise click.BadParameter(says) from None


def filters(command: Command) -> Command:
    """The options that say which decisions are meant."""
    for option in (
        click.option("--until", callback=_moment, metavar="TIME", help="Only before that: 2h (ago), or 2026-11-25."),
        click.option("--since", callback=_moment, metavar="TIME", help="Only from then on."),
        click.option("--would-be", is_flag=True, help="Only what observe or defer let pass and would have refused."),
        click.option("--virtual-server", help="Only of this one."),
        click.option("--rule", help="Only by this rule, as decisions name it."),
        click.option("--reason", help="Only for this reason: arrowslit help."),
        click.option(
            "--outcome", help="Only what became of it at the next hop: delivered, refused, deferred, unknown."
        ),
        click.option("--action", type=click.Choice(_ACTIONS), multiple=True, help="Only these; may be repeated."),
        click.option("--recipient", metavar="ADDRESS|@DOMAIN", help="Only to this address, or this domain."),
        click.option("--client", callback=_network, metavar="ADDRESS|NETWORK", help="Only of this client."),
    ):
        command = option(command)
    return command


def _query(given: dict[str, Any], **more: Any) -> Query:
    from arrowslit.store.query import Query  # noqa: PLC0415 - with the store, which takes 160 ms

    actions, would_be = frozenset(given.pop("action")), given.pop("would_be")
    return Query(**given, actions=actions, would_be=would_be or None, **more)


@click.command(
    cls=Examples,
    examples="""
arrowslit decision list --client 203.0.113.0/24 --since 2d
arrowslit decision list --recipient bob@example.org --outcome refused
arrowslit decision list --would-be --by-client --since 30d
""",
)
@filters
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many.")
@click.option("--cursor", help="Go on behind a page, with what it said.")
@click.option("--by-client", is_flag=True, help="Count them by client instead.")
@settings_option
@output_options
def list_(
    limit: int, cursor: str | None, by_client: bool, settings_path: Path | None, output: Output, **given: Any
) -> int:
    """Search decisions, newest first."""
    with open_store(settings_path, output) as database:
        if by_client:
            counts = database.decisions.count_by_client(_query(given), limit)
            looked_to = counts.looked_to
            if output.as_json:
                clients = [
                    {"client": one.client, "count": one.count, "first": one.first, "last": one.last}
                    for one in counts.clients
                ]
                output.json(clients=clients, looked_to=looked_to)
                return ExitCode.DONE
            for client in counts.clients:
                output.data(client_line(client))
        else:
            page = database.decisions.search(_query(given, limit=limit, cursor=cursor))
            looked_to = page.looked_to
            if output.as_json:
                output.json(decisions=list(page.records), cursor=page.cursor, looked_to=looked_to)
                return ExitCode.DONE
            if page.records:
                output.note(COLUMNS)
            for record in page.records:
                output.data(line(record))
            if page.cursor is not None:
                output.note(f"there may be more: --cursor {page.cursor}")
    if looked_to is not None:
        output.note(
            f"looked back to {time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(looked_to))} UTC; ask for less to see more"
        )
    return ExitCode.DONE


@click.command(
    cls=Examples,
    examples="""
arrowslit decision watch
arrowslit decision watch --action reject --action defer
arrowslit decision watch --client 203.0.113.9 --json
""",
)
@filters
@click.option("--seconds", type=click.FloatRange(0.1), help="End after so many seconds.  [default: at Ctrl-C]")
@settings_option
@output_options
def watch(seconds: float | None, settings_path: Path | None, output: Output, **given: Any) -> int:
    """Show decisions as they are made, on all nodes. With --json one object a line."""
    end = None if seconds is None else time.monotonic() + seconds
    begin = time.time()
    seen: set[str] = set()
    given.pop("since"), given.pop("until")
    with open_store(settings_path, output) as database:
        while end is None or time.monotonic() < end:
            since = max(begin, time.time() - 60)
            page = database.decisions.search(_query(dict(given), since=since, limit=1000))
            for record in reversed(page.records):
                key = repr(sorted(record.items()))
                if key not in seen:
                    seen.add(key)
                    _tell(record, output)
            if len(seen) > 100_000:
                seen = {repr(sorted(record.items())) for record in page.records}
            time.sleep(0.5)
    return ExitCode.DONE


def _tell(record: dict[str, Any], output: Output) -> None:
    if output.as_json:
        import json  # noqa: PLC0415

        output.data(json.dumps(record))
    else:
        output.data(line(record))


@click.command(
    cls=Examples,
    examples="""
arrowslit decision show 2RDMLUAVMMNE
arrowslit decision show 2RDMLUAVMMNE --json
arrowslit decision list --client 203.0.113.9
""",
)
@click.argument("id", metavar="ID")
@settings_option
@output_options
def show(id: str, settings_path: Path | None, output: Output) -> int:
    """All records of a transaction or a session, by the id that stands in the reply and in Received."""
    with open_store(settings_path, output) as database:
        records = database.decisions.show(id)
    if not records:
        help = "ids are in the reply that the client got, in Received, and in: arrowslit decision list"
        raise ProblemError(f"nothing is on record with the id {escaped(id)}", ExitCode.FAILED, help)
    if output.as_json:
        output.json(records=records)
    else:
        output.data("\n\n".join(shown(record) for record in records))
    return ExitCode.DONE
