"""`arrowslit policy rehearse LOG...`: what a policy would have done to past traffic.

Asked is `policy.decide` and nothing else. Without LOG the node's own record is rehearsed, from its store.
"""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from arrowslit.cli.errors import ProblemError
from arrowslit.cli.exits import ExitCode
from arrowslit.cli.group import Examples
from arrowslit.cli.log_options import code_of, log_options, planned, read_into, read_json, tell_read, until_of, zone_of
from arrowslit.cli.options import date_option, output_options, policy_option, settings_option
from arrowslit.cli.output import Output, escaped
from arrowslit.cli.settings import policy_of, site_in_force, site_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from arrowslit.policy.model import Policy
    from arrowslit.traffic.attempt import Attempt
    from arrowslit.traffic.rehearsal import Rehearsal, Rehearsing

_SHOWN = 15
_ALL = 10_001


class _Sink:
    """A rehearsal as something that logs are read into."""

    def __init__(self, rehearsing: Rehearsing) -> None:
        self.rehearsing = rehearsing

    def take(self, attempts: Iterable[Attempt]) -> None:
        self.rehearsing.take(attempts)

    def state(self) -> dict[str, Any]:
        return self.rehearsing.result.to_json()

    def resume(self, state: dict[str, Any]) -> None:
        self.rehearsing.result = type(self.rehearsing.result).from_json(state)


@click.command(
    cls=Examples,
    examples="""
arrowslit policy rehearse /var/log/mail.log* --policy draft.toml
arrowslit policy rehearse RECV2026*.LOG --zone UTC --json
arrowslit policy rehearse
""",
)
@log_options
@click.option("--service", "services", multiple=True, metavar="NAME=SERVER", help="Which virtual server a listener is.")
@click.option("--virtual-server", default="default", show_default=True, help="The one that takes mail from outside.")
@click.option("--all", "show_all", is_flag=True, help="Show every client.")
@date_option
@policy_option
@settings_option
@output_options
def rehearse(
    logs: tuple[Path, ...],
    format_: str | None,
    zone: str | None,
    until: str | None,
    afresh: bool,
    services: tuple[str, ...],
    virtual_server: str,
    show_all: bool,
    date: datetime.date,
    policy_path: Path | None,
    settings_path: Path | None,
    output: Output,
) -> int:
    """What the policy would have done to the traffic in the logs of any mail server or firewall.

    No mail log shows what a firewall dropped before. Exit code 1 where something could not be read.
    """
    from arrowslit.traffic.rehearsal import Rehearsing  # noqa: PLC0415

    site = None if policy_path is not None else site_in_force(settings_path, date)
    site = site or site_of(settings_path, policy_path, date)
    policy = policy_of(site, output)
    shown = _ALL if show_all else _SHOWN
    rehearsing = Rehearsing(policy, date, _services(policy, virtual_server, services))
    if not logs:
        return _own(policy, date, virtual_server, settings_path, output, shown)
    where = zone_of(zone)
    end = until_of(until, where)
    plan = planned(logs, format_, where)
    question = "\n".join(["rehearse", site.policy_hash, virtual_server, date.isoformat(), *services])
    read = read_into(_Sink(rehearsing), plan, question, where, end, afresh=afresh, output=output)
    tell_read(plan, read, output)
    _report(rehearsing.result, policy, virtual_server, output, shown, reading=read_json(plan, read))
    return code_of(plan, read)


def _services(policy: Policy, main: str, given: tuple[str, ...]) -> Any:
    from arrowslit.traffic.services import Services  # noqa: PLC0415

    named: dict[str, str] = {}
    for one in given:
        service, equals, server = one.rpartition("=")
        if not equals or not service:
            raise click.BadParameter(f'"{escaped(one)}": write NAME=SERVER', param_hint="--service")
        named[service] = server
    for server in (main, *named.values()):
        if server not in policy.virtual_servers:
            help = f"the policy has: {', '.join(policy.virtual_servers)}"
            raise ProblemError(f"there is no virtual server {escaped(server)}", ExitCode.WRONG_INPUT, help)
    return Services(policy, main, named)


def _own(
    policy: Policy, date: datetime.date, server: str, settings_path: Path | None, output: Output, shown: int
) -> int:
    from arrowslit.cli.store_access import open_store  # noqa: PLC0415
    from arrowslit.upkeep.replay import rehearse as replay  # noqa: PLC0415

    with open_store(settings_path, output) as database:
        result, whole = replay(database.decisions, policy, date)
    _report(result, policy, server, output, shown, whole=whole)
    if not whole:
        output.problem("the last 30 days hold more than can be looked at: the oldest were left out")
    return ExitCode.DONE if whole else ExitCode.FAILED


def _report(result: Rehearsal, policy: Policy, server: str, output: Output, shown: int, **more: object) -> None:
    from arrowslit.cli.client_table import rehearsal_json  # noqa: PLC0415
    from arrowslit.cli.proposal_lines import proposal_lines, proposals_json, proposed  # noqa: PLC0415

    found = proposed(result, policy, server)
    if output.as_json:
        output.json(**rehearsal_json(result), proposals=proposals_json(found, server), **more)
        return
    _tell(result, output, shown)
    lines = proposal_lines(found, server, shown)
    if lines:
        output.data("\n" + "\n".join(lines))
    output.note("\nno mail log shows what a firewall dropped before it")


def _tell(result: Rehearsal, output: Output, shown: int) -> None:
    from arrowslit.cli.client_table import WORDS, counted, group_lines, span  # noqa: PLC0415

    if not result.attempts or result.first is None or result.last is None:
        output.data("there is no mail in these logs that a policy could be tried on")
        return
    output.data(
        f"{counted(result.messages, 'message')} to {counted(result.attempts, 'recipient')}, "
        f"{span(result.first, result.last)}: {result.unchanged:,} as before"
    )
    for group in WORDS:
        lines = group_lines(result, group, shown)
        if lines:
            output.data("\n" + "\n".join(lines))
    if result.not_judged:
        output.data(f"\n{counted(result.not_judged, 'recipient')} with an address that is none: left out")
