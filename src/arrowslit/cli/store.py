"""`arrowslit store backup|migrate|prune`: care for the database of revisions and decisions."""

from __future__ import annotations

import time
from pathlib import Path

import click

from arrowslit.cli.errors import ProblemError
from arrowslit.cli.exits import ExitCode
from arrowslit.cli.group import Examples, Lazy, LazyGroup
from arrowslit.cli.options import output_options, settings_option
from arrowslit.cli.output import Output, escaped
from arrowslit.cli.settings import settings_of
from arrowslit.cli.store_access import open_store
from arrowslit.cli.times import DURATION, MOMENT


@click.group(
    cls=LazyGroup,
    lazy={
        "backup": Lazy("arrowslit.cli.store:backup", "Copy it while it is in use."),
        "migrate": Lazy("arrowslit.cli.store:migrate", "Bring its tables to this version."),
        "prune": Lazy("arrowslit.cli.store:prune", "Let go of old decisions."),
    },
    examples="""
arrowslit store backup /var/backups/arrowslit-2026-11-25
arrowslit store migrate
arrowslit store prune --keep 7d
""",
)
def store() -> None:
    """The database of revisions, networks and decisions."""


@click.command(
    cls=Examples,
    examples="""
arrowslit store backup /var/backups/arrowslit-2026-11-25
arrowslit store backup backup --without-decisions
arrowslit store backup backup --json
""",
)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--without-decisions", is_flag=True, help="Only revisions and networks.")
@settings_option
@output_options
def backup(folder: Path, without_decisions: bool, settings_path: Path | None, output: Output) -> int:
    """Copy the store into a new FOLDER, while nodes use it. For PostgreSQL it says how pg_dump does that."""
    with open_store(settings_path, output) as database:
        database.backup(folder, decisions=not without_decisions)
    if output.as_json:
        output.json(folder=str(folder))
    else:
        output.note(f"the store is in {escaped(str(folder))}")
    return ExitCode.DONE


@click.command(
    cls=Examples,
    examples="""
arrowslit store migrate
arrowslit store migrate -c /etc/arrowslit/arrowslit.toml
arrowslit store migrate --json
""",
)
@settings_option
@output_options
def migrate(settings_path: Path | None, output: Output) -> int:
    """Bring the store's tables to the version of this program. Make a backup first.

    An empty database becomes a store.
    """
    location = settings_of(settings_path, output).store

    from arrowslit.store.database import open_database  # noqa: PLC0415
    from arrowslit.store.errors import StoreError  # noqa: PLC0415

    try:
        database = open_database(location, create=True, connect=False)
        try:
            version = database.migrate()
        finally:
            database.close()
    except StoreError as error:
        raise ProblemError(escaped(str(error)), ExitCode.FAILED) from None
    if output.as_json:
        output.json(schema=version)
    else:
        output.note(f"the store has version {version}, which is this program's")
    return ExitCode.DONE


@click.command(
    cls=Examples,
    examples="""
arrowslit store prune
arrowslit store prune --before 2026-11-01
arrowslit store prune --to-size 10G
""",
)
@click.option("--keep", type=DURATION, help="How much to keep, by whole days.  [default: what the settings say]")
@click.option("--before", type=MOMENT, help="Only days that ended before that: 2026-11-01, or 30d (ago).")
@click.option("--to-size", metavar="SIZE", help="Let go of the oldest days until the rest takes less: 500M, 10G.")
@settings_option
@output_options
def prune(
    keep: float | None, before: float | None, to_size: str | None, settings_path: Path | None, output: Output
) -> int:
    """Let go of old decisions by whole days (UTC). Nodes do that by themselves every hour."""
    if keep is not None and before is not None:
        raise click.UsageError("--keep and --before say the same in two ways: use one of them")
    octets = None if to_size is None else _octets(to_size)
    if keep is None and before is None and octets is None:
        keep = settings_of(settings_path, output).log.keep
    if keep is not None:
        before = time.time() - keep
    with open_store(settings_path, output) as database:
        gone = 0 if before is None else database.decisions.prune(before)
        if octets is not None:
            gone += database.decisions.prune_to_size(octets)
        left = database.decisions.partitions()
    if output.as_json:
        days = [{"day": one.day, "rows": one.rows, "octets": one.octets} for one in left]
        output.json(days_removed=gone, days=days)
    else:
        output.note(f"{gone} days are gone, {len(left)} are left")
    return ExitCode.DONE


def _octets(text: str) -> int:
    units = {"K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
    number, unit = text[:-1], text[-1:].upper()
    if unit not in units or not number.isascii() or not number.isdigit():
        raise click.BadParameter("write a whole number and its unit: 500M, 10G", param_hint="--to-size")
    return int(number) * units[unit]
