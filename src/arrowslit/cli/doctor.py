"""`arrowslit doctor`: what must be right before locking, and at any time after."""

from __future__ import annotations

import datetime
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from arrowslit.cli.exits import ExitCode
from arrowslit.cli.group import Examples
from arrowslit.cli.line import client_address
from arrowslit.cli.options import output_options, policy_option, settings_option
from arrowslit.cli.output import Output, Style, escaped, painted
from arrowslit.cli.settings import policy_of, required, settings_of, site_in_force, site_of

if TYPE_CHECKING:
    from arrowslit.checkup.checks import Check
    from arrowslit.documents.settings import Settings
    from arrowslit.policy.model import Policy
    from arrowslit.store.database import Database

_STYLES: Final = {"good": Style.GOOD, "bad": Style.BAD, "doubtful": Style.CAUTION, "unknown": Style.STRONG}


@click.command(
    cls=Examples,
    examples="""
arrowslit doctor
arrowslit doctor --policy draft.toml
arrowslit doctor --my-address 203.0.113.9 --json
""",
)
@click.option("--my-address", default="", metavar="ADDRESS", help="Where you send mail from.  [default: where you are]")
@click.option("--dns-server", multiple=True, metavar="ADDRESS", help="Ask these instead of the node's.")
@policy_option
@settings_option
@output_options
def doctor(
    my_address: str,
    dns_server: tuple[str, ...],
    policy_path: Path | None,
    settings_path: Path | None,
    output: Output,
) -> int:
    """Look at everything that must be right before a virtual server is enforced, and say what to do.

    Exit code 3 where something must be mended. Next hops are asked what they say to a recipient that can't exist.
    """
    from arrowslit.checkup.checks import must_be_mended  # noqa: PLC0415

    date = datetime.datetime.now(datetime.UTC).date()
    site = None if policy_path is not None else site_in_force(settings_path, date)
    policy = policy_of(site or site_of(settings_path, policy_path, date), output)
    settings = settings_of(settings_path, output)
    checks = examined(settings, policy, required(settings_path).parent, my_address or client_address(), dns_server)
    if output.as_json:
        output.json(
            checks=[
                {"check": one.name, "state": one.state.value, "found": one.found, "todo": one.todo} for one in checks
            ]
        )
    else:
        for one in checks:
            output.data("\n".join(lines(one)))
    bad = must_be_mended(checks)
    if not output.as_json:
        output.note(f"{len(bad)} must be mended before locking" if bad else "nothing keeps you from locking")
    return ExitCode.ANSWER_IS_NO if bad else ExitCode.DONE


def examined(
    settings: Settings,
    policy: Policy,
    base: Path,
    own_address: str,
    servers: tuple[str, ...] = (),
    database: Database | None = None,
) -> list[Check]:
    """All checks of that policy on this node; the store is opened where `database` is not given."""
    from arrowslit.checkup.checks import judge  # noqa: PLC0415
    from arrowslit.checkup.facts import Site, gather  # noqa: PLC0415
    from arrowslit.store.database import open_database  # noqa: PLC0415
    from arrowslit.store.errors import StoreError  # noqa: PLC0415

    site = Site(settings, policy, base, own_address, servers or settings.dns.servers)
    if database is not None:
        return judge(gather(site, database))
    try:
        opened = open_database(settings.store)
    except StoreError as error:
        return judge(gather(site, None, str(error)))
    try:
        return judge(gather(site, opened))
    finally:
        opened.close()


def lines(one: Check) -> list[str]:
    """One check, and below it what to do."""
    word = painted(f"{one.state.value:<8}", _STYLES[one.state.value], sys.stdout)
    made = [f"{word}  {escaped(one.name):<28}  {escaped(one.found)}"]
    if one.todo and one.state.value != "good":
        made.append(f"{'':<40}{escaped(one.todo)}")
    return made
