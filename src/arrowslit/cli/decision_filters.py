"""The options by which commands say which decisions are meant."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING, Any, Final

import click

from arrowslit.cli.options import Command
from arrowslit.cli.output import escaped
from arrowslit.cli.times import MOMENT

if TYPE_CHECKING:
    from arrowslit.store.query import Query

_ACTIONS: Final = ("permit", "reject", "defer", "drop")


def _network(_ctx: click.Context, _parameter: click.Parameter, given: str | None) -> IPv4Network | IPv6Network | None:
    try:
        return None if given is None else ip_network(given, strict=False)
    except ValueError:
        raise click.BadParameter(f'"{escaped(given or "")}" is no address and no network') from None


def _cursor(_ctx: click.Context, _parameter: click.Parameter, given: str | None) -> str | None:
    if given is None or (given.isascii() and given.isdigit() and len(given) < 20):
        return given
    raise click.BadParameter(f'"{escaped(given)}" is not what a page said')


_FILTERS: Final = (
    click.option("--client", callback=_network, metavar="ADDRESS|NETWORK", help="Only of this client."),
    click.option("--recipient", metavar="ADDRESS|@DOMAIN", help="Only to this address, or this domain."),
    click.option("--action", type=click.Choice(_ACTIONS), multiple=True, help="Only these; may be repeated."),
    click.option("--outcome", help="Only what became of it at the next hop: delivered, refused, deferred, unknown."),
    click.option("--reason", help="Only for this reason: arrowslit help."),
    click.option("--rule", help="Only by this rule, as decisions name it."),
    click.option("--virtual-server", help="Only of this one."),
    click.option("--would-be", is_flag=True, help="Only what observe or defer let pass and would have refused."),
)
_TIMES: Final = (
    click.option("--since", type=MOMENT, help="Only from then on: 2h (ago), or 2026-11-25."),
    click.option("--until", type=MOMENT, help="Only before that."),
)

cursor_option = click.option("--cursor", callback=_cursor, help="Go on behind a page, with what it said.")


def filters(command: Command) -> Command:
    """Which decisions are meant, whenever they were made; the command hands them to `query`."""
    for option in reversed(_FILTERS):
        command = option(command)
    return command


def times(command: Command) -> Command:
    """When they were made: `since` and `until`, in Unix seconds."""
    for option in reversed(_TIMES):
        command = option(command)
    return command


def query(given: dict[str, Any], **more: Any) -> Query:
    """What the store is to be asked, from the options given."""
    from arrowslit.store.query import Query  # noqa: PLC0415 - with the store, which takes 160 ms

    plain = {name: value for name, value in given.items() if name not in ("action", "would_be")}
    return Query(**plain, actions=frozenset(given["action"]), would_be=given["would_be"] or None, **more)
