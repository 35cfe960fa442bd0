"""`arrowslit decision list|watch|show`: what was decided about whom, from the store.

Whatever strangers sent is escaped. A search that would take too long says how far back it has looked.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from arrowslit.cli import times
from arrowslit.cli.decision_filters import cursor_option, filters, query
from arrowslit.cli.decision_filters import times as time_options
from arrowslit.cli.decision_text import (
    CLIENT_COLUMNS,
    COLUMNS,
    USUAL,
    Cells,
    aligned,
    cells,
    client_cells,
    shown,
    widths,
)
from arrowslit.cli.errors import ProblemError
from arrowslit.cli.exits import ExitCode
from arrowslit.cli.group import Examples, Lazy, LazyGroup
from arrowslit.cli.options import output_options, settings_option
from arrowslit.cli.output import Output, escaped
from arrowslit.cli.store_access import open_store

if TYPE_CHECKING:
    from arrowslit.store.query import ClientCounts, Page

_EACH: Final = 1.0


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


@click.command(
    cls=Examples,
    examples="""
arrowslit decision list --client 203.0.113.0/24 --since 2d
arrowslit decision list --recipient bob@example.org --outcome refused
arrowslit decision list --would-be --by-client --since 30d
""",
)
@filters
@time_options
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many.")
@cursor_option
@click.option("--by-client", is_flag=True, help="Count them by client instead.")
@settings_option
@output_options
def list_(
    limit: int, cursor: str | None, by_client: bool, settings_path: Path | None, output: Output, **given: Any
) -> int:
    """Search decisions, newest first."""
    if by_client and cursor is not None:
        raise click.UsageError("--by-client has no pages: leave out --cursor")
    with open_store(settings_path, output) as database:
        if by_client:
            _tell_counts(database.decisions.count_by_client(query(given), limit), output)
        else:
            _tell_page(database.decisions.search(query(given, limit=limit, cursor=cursor)), output)
    return ExitCode.DONE


def _tell_page(page: Page, output: Output) -> None:
    if output.as_json:
        output.json(decisions=list(page.records), cursor=page.cursor, looked_to=page.looked_to)
        return
    _tell_table(COLUMNS, [cells(record) for record in page.records], output)
    if page.looked_to is not None:
        back = times.shown(page.looked_to)
        output.problem(f"looked back to {back} UTC, through as many as one page may: --cursor {page.cursor} goes on")
    elif page.cursor is not None:
        output.note(f"there is more: --cursor {page.cursor}")
    elif not page.records:
        output.note("there is none")


def _tell_counts(counts: ClientCounts, output: Output) -> None:
    if output.as_json:
        clients = [
            {"client": one.client, "count": one.count, "first": one.first, "last": one.last} for one in counts.clients
        ]
        output.json(clients=clients, looked_to=counts.looked_to)
        return
    _tell_table(CLIENT_COLUMNS, [client_cells(one) for one in counts.clients], output)
    if counts.looked_to is not None:
        back = times.shown(counts.looked_to)
        output.problem(f"looked back to {back} UTC, through as many as one count may: ask for less to see all")
    elif not counts.clients:
        output.note("there is none")


def _tell_table(columns: Cells, rows: list[Cells], output: Output) -> None:
    wide = widths([columns, *rows])
    if rows:
        output.note(aligned(columns, wide))
    for row in rows:
        output.data(aligned(row, wide))


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
    """Show decisions as they are made, on all nodes. With --json one object a line.

    What a node brings into the store more than 30 seconds late is left out; decision list has it.
    """
    from arrowslit.cli.decision_news import News  # noqa: PLC0415

    cut = False
    with open_store(settings_path, output) as database:
        # Opening a store takes its time on a busy machine, which is not the reader's.
        end = None if seconds is None else time.monotonic() + seconds
        news = News(database.decisions, query(given), time.time())
        if not output.as_json:
            output.note(aligned(COLUMNS, USUAL))
        while end is None or time.monotonic() < end:
            for record in news.look(time.time()):
                _tell(record, output)
            output.flush()
            if news.cut and not cut:
                output.problem("there are too many to show all of them: ask for less")
            cut = news.cut
            time.sleep(_EACH if end is None else max(min(_EACH, end - time.monotonic()), 0))
    return ExitCode.DONE


def _tell(record: dict[str, Any], output: Output) -> None:
    if output.as_json:
        import json  # noqa: PLC0415

        output.data(json.dumps(record))
    else:
        output.data(aligned(cells(record), USUAL))


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
