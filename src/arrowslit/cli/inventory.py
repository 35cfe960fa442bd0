"""`arrowslit inventory LOG...`: who delivers to us, through the filter and around it, from the logs of any mail server.

No name is looked up and no policy is asked: `policy rehearse` says what a policy would do.
"""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from arrowslit.cli.exits import ExitCode
from arrowslit.cli.group import Examples
from arrowslit.cli.log_options import code_of, log_options, planned, read_into, read_json, tell_read, until_of, zone_of
from arrowslit.cli.options import output_options
from arrowslit.cli.output import Output, escaped
from arrowslit.cli.settings import policy_of, site_in_force, site_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from arrowslit.cli.inventory_places import Places
    from arrowslit.cli.inventory_report import Report
    from arrowslit.policy.model import Policy
    from arrowslit.traffic.attempt import Attempt
    from arrowslit.traffic.inventory import Inventorying

_SHOWN: Final = 10


class _Sink:
    """An inventory as something that logs are read into."""

    def __init__(self, inventorying: Inventorying) -> None:
        self.inventorying = inventorying

    def take(self, attempts: Iterable[Attempt]) -> None:
        self.inventorying.take(attempts)

    def state(self) -> dict[str, Any]:
        return self.inventorying.result.to_json()

    def resume(self, state: dict[str, Any]) -> None:
        self.inventorying.result = type(self.inventorying.result).from_json(state)


@click.command(
    cls=Examples,
    examples="""
arrowslit inventory /var/log/mail.log* --filter 198.51.100.0/24 --domain example.org
arrowslit inventory RECV2026*.LOG --policy draft.toml --svg days.svg
arrowslit inventory /var/log/mail.log --filter mimecast --json
""",
)
@log_options
@click.option("--filter", "filters", multiple=True, metavar="SERVICE|NETWORK|RANGE", help="Who filters; repeat it.")
@click.option("--domain", "domains", multiple=True, help="A domain that you take mail for; repeat it.")
@click.option("--svg", type=click.Path(path_type=Path), metavar="FILE", help="Write the days as a picture.")
@click.option("--all", "show_all", is_flag=True, help="Show every network and name.")
@click.option("--policy", "policy_path", type=click.Path(path_type=Path), help="Take its networks, lists and domains.")
@click.option(
    "-c", "--config", "settings_path", type=click.Path(path_type=Path), help="Take those of this node's policy."
)
@output_options
def inventory(
    logs: tuple[Path, ...],
    format_: str | None,
    zone: str | None,
    until: str | None,
    afresh: bool,
    filters: tuple[str, ...],
    domains: tuple[str, ...],
    svg: Path | None,
    show_all: bool,
    policy_path: Path | None,
    settings_path: Path | None,
    output: Output,
) -> int:
    """Who delivers to us: through the filter, around it, from inside, signed in, outward; by day, network and name.

    Works without a policy; where one is named, its networks, lists and accepted domains count. Without LOG, and with
    -c, it is the node's own record of the last 30 days. Exit code 1 where something could not be read.
    """
    from arrowslit.cli.inventory_places import places  # noqa: PLC0415
    from arrowslit.traffic.inventory import Inventorying  # noqa: PLC0415

    if not logs and settings_path is None:
        raise click.UsageError("name the logs, or the node whose record to take: -c arrowslit.toml")
    policy, policy_hash = _policy(settings_path, policy_path, output)
    found = places(policy, filters, domains)
    shown = 10**9 if show_all else _SHOWN
    if not logs:
        return _own(Inventorying(found.known, found.is_ours), found, settings_path, svg, output, shown)
    where = zone_of(zone)
    end = until_of(until, where)
    plan = planned(logs, format_, where)
    inventorying = Inventorying(found.known, found.is_ours)
    question = "\n".join(["inventory", policy_hash, *filters, "", *domains])
    read = read_into(_Sink(inventorying), plan, question, where, end, afresh=afresh, output=output)
    tell_read(plan, read, output)
    _report(inventorying, found, read_json(plan, read), svg, output, shown)
    return code_of(plan, read)


def _own(
    inventorying: Inventorying, found: Places, settings_path: Path | None, svg: Path | None, output: Output, shown: int
) -> int:
    """The node's own record of the last 30 days."""
    from arrowslit.cli.store_access import open_store  # noqa: PLC0415
    from arrowslit.upkeep.replay import feed  # noqa: PLC0415

    with open_store(settings_path, output) as database:
        whole = feed(database.decisions, inventorying.take)
    _report(inventorying, found, {"whole": whole}, svg, output, shown)
    if not whole:
        output.problem("the last 30 days hold more than can be looked at: the oldest were left out")
    return ExitCode.DONE if whole else ExitCode.FAILED


def _policy(settings_path: Path | None, policy_path: Path | None, output: Output) -> tuple[Policy | None, str]:
    """The policy that is named, by its file or by its node; none where none is."""
    if settings_path is None and policy_path is None:
        return None, ""
    today = datetime.datetime.now(datetime.UTC).date()
    site = None if policy_path is not None else site_in_force(settings_path, today)
    site = site or site_of(settings_path, policy_path, today)
    return policy_of(site, output), site.policy_hash


def _report(
    inventorying: Inventorying, found: Places, reading: dict[str, Any], svg: Path | None, output: Output, shown: int
) -> None:
    from arrowslit.cli.inventory_report import Report  # noqa: PLC0415

    report = Report(inventorying.result, found)
    for doubt in found.doubts:
        output.problem(f"warning: {escaped(doubt)}")
    if output.as_json:
        output.json(**report.json(), reading=reading)
    else:
        for line in report.lines(shown):
            output.data(line)
    if svg is not None:
        _draw(report, svg, output)


def _draw(report: Report, path: Path, output: Output) -> None:
    from arrowslit.documents.atomic import write_atomically  # noqa: PLC0415

    write_atomically(path, report.svg().encode(), 0o644)
    output.note(f"the days are in {escaped(str(path))}")
