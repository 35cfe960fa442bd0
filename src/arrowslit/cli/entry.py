"""`arrowslit entry list|add|remove`: one entry of a list, changed in the active policy and nothing else.

Each change is a revision. Comments and layout of the policy stay (`documents.entry_edit`).
"""

from __future__ import annotations

import datetime
import re
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from arrowslit.cli.change import Wish, head_of, judged, make, text_of
from arrowslit.cli.errors import ProblemError
from arrowslit.cli.exits import ExitCode
from arrowslit.cli.group import Examples, Lazy, LazyGroup
from arrowslit.cli.options import Command, output_options, settings_option
from arrowslit.cli.output import Output, escaped
from arrowslit.cli.settings import policy_of
from arrowslit.cli.store_access import open_store
from arrowslit.cli.times import DURATION

if TYPE_CHECKING:
    from arrowslit.policy.model import Policy
    from arrowslit.policy.parts import Entry, VirtualServer
    from arrowslit.store.database import Database
    from arrowslit.store.values import Head

TABLES: Final = {
    "connection": "connection_control",
    "relay": "relay_restrictions",
    "delivery": "delivery",
    "skip-checks": "skip_checks",
}
_KINDS: Final = ("network", "computer", "group", "range", "domain", "certificate")
_EXPORT: Final = "policy.toml is not changed by this; to have it there too: arrowslit policy export -o policy.toml"
_NAME: Final = re.compile(r"(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+")


@click.group(
    cls=LazyGroup,
    lazy={
        "list": Lazy("arrowslit.cli.entry:list_", "Who is listed where."),
        "add": Lazy("arrowslit.cli.entry:add", "List somebody."),
        "remove": Lazy("arrowslit.cli.entry:remove", "Take somebody off a list."),
    },
    examples="""
arrowslit entry list
arrowslit entry add connection 203.0.113.9 --note "the new branch"
arrowslit entry remove relay 192.168.0.40
""",
)
def entry() -> None:
    """The lists of the active policy: who may connect, relay, deliver, skip the checks."""


def _grant(command: Command) -> Command:
    return click.argument("grant", type=click.Choice(list(TABLES)))(command)


def _server(command: Command) -> Command:
    made = click.option("--virtual-server", default="default", show_default=True, help="The virtual server.")
    return made(command)


def _confirming(command: Command) -> Command:
    made = click.option(
        "--confirm-within", type=DURATION, help="Undo it by itself unless it is confirmed in that time."
    )
    return made(command)


def _active(database: Database, settings_path: Path | None, output: Output) -> tuple[Head, str, Policy]:
    head = head_of(database)
    text = text_of(database, head.revision)
    return head, text, policy_of(judged(database, settings_path, text, "active", head.revision), output)


def parse_value(text: str, networks: frozenset[str] | set[str]) -> tuple[str, str]:
    """Kind and value of an entry from what was typed: `KIND:VALUE`, or a value that says its kind itself.

    Raises ValueError.
    """
    kind, colon, value = text.partition(":")
    if colon and kind in _KINDS and value:
        return kind, value
    if text in networks:
        return "network", text
    first, dash, last = text.partition("-")
    if dash and _is_address(first) and _is_address(last):
        return "range", text
    if _is_address(text):
        return "computer", text
    if "/" in text and _is_group(text):
        return "group", text
    if _NAME.fullmatch(text):
        return "domain", text
    raise ValueError(f"{text!r} is no address, range, name or network; or say the kind: computer:{text}")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_group(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


@click.command(
    cls=Examples,
    examples="""
arrowslit entry list
arrowslit entry list --virtual-server submission
arrowslit entry list --json
""",
)
@click.option("--virtual-server", help="Only this one.")
@settings_option
@output_options
def list_(virtual_server: str | None, settings_path: Path | None, output: Output) -> int:
    """Who is listed where, with the id that decisions name."""
    with open_store(settings_path, output) as database:
        head, _, policy = _active(database, settings_path, output)
    rows = [row for server in _servers(policy, virtual_server) for row in _rows(server)]
    if output.as_json:
        output.json(revision=head.revision, entries=rows)
        return ExitCode.DONE
    for row in rows:
        used = "" if row["in_force"] else "  (in the other mode)"
        more = "  ".join(escaped(str(row[key])) for key in ("note", "owner", "expires") if row[key])
        output.data(
            f"{row['virtual_server']:<12}  {row['grant']:<11}  {row['mode']:<17}  {row['entry']}  {more}{used}".rstrip()
        )
    return ExitCode.DONE


def _servers(policy: Policy, name: str | None) -> list[VirtualServer]:
    if name is None:
        return list(policy.virtual_servers.values())
    if name not in policy.virtual_servers:
        known = ", ".join(policy.virtual_servers)
        raise ProblemError(f"there is no virtual server {escaped(name)}; there are: {known}", ExitCode.WRONG_INPUT)
    return [policy.virtual_servers[name]]


def _rows(server: VirtualServer) -> list[dict[str, Any]]:
    rows = []
    for grant, table in TABLES.items():
        access = getattr(server, table)
        for mode in ("only_listed", "all_except_listed"):
            for one in getattr(access, mode):
                rows.append(_row(server.name, grant, mode, access.mode == mode, one))
    return rows


def _row(server: str, grant: str, mode: str, in_force: bool, one: Entry) -> dict[str, Any]:
    return {
        "virtual_server": server,
        "grant": grant,
        "mode": mode,
        "in_force": in_force,
        "entry": f"{one.kind}:{one.value}",
        "note": one.note,
        "owner": one.owner,
        "expires": None if one.expires is None else one.expires.isoformat(),
        "require_tls": one.require_tls,
    }


@click.command(
    cls=Examples,
    examples="""
arrowslit entry add connection 203.0.113.9 --note "the new branch"
arrowslit entry add relay 192.168.0.40 --note scanner --expires 2027-03-31
arrowslit entry add connection network:filter --require-tls
""",
)
@_grant
@click.argument("value", metavar="ADDRESS|RANGE|NAME|NETWORK")
@_server
@click.option("--note", default="", help="Why it is there.")
@click.option("--owner", default="", help="Who answers for it.")
@click.option("--expires", metavar="DAY", default="", help="The last day on which it counts.")
@click.option("--require-tls", is_flag=True, help="It counts only in TLS.")
@_confirming
@click.option("--dry-run", is_flag=True, help="Change nothing.")
@settings_option
@output_options
def add(
    grant: str,
    value: str,
    virtual_server: str,
    note: str,
    owner: str,
    expires: str,
    require_tls: bool,
    confirm_within: float | None,
    dry_run: bool,
    settings_path: Path | None,
    output: Output,
) -> int:
    """Put an entry at the end of the list that is in force."""
    from arrowslit.documents.entry_edit import EditError, Place, add_entry  # noqa: PLC0415

    with open_store(settings_path, output) as database:
        head, text, policy = _active(database, settings_path, output)
        server = _servers(policy, virtual_server)[0]
        kind, what = _parsed(value, set(policy.networks))
        place = Place(virtual_server, TABLES[grant], getattr(server, TABLES[grant]).mode)
        fields: dict[str, str | datetime.date | bool] = {kind: what}
        fields |= {name: given for name, given in (("note", note), ("owner", owner)) if given}
        if expires:
            fields["expires"] = _day(expires)
        if require_tls:
            fields["require_tls"] = True
        try:
            changed = add_entry(text, place, fields)
        except EditError as error:
            raise ProblemError(escaped(str(error)), ExitCode.WRONG_INPUT) from None
        message = f"entry add {grant} {kind}:{what}" + (f" ({note})" if note else "")
        wish = Wish(changed, "the changed policy", "entry", message, head.revision, confirm_within, dry_run=dry_run)
        code = make(database, settings_path, wish, output)
    output.note(_EXPORT)
    return code


def _parsed(value: str, networks: set[str]) -> tuple[str, str]:
    try:
        return parse_value(value, networks)
    except ValueError as error:
        raise ProblemError(escaped(str(error)), ExitCode.WRONG_INPUT) from None


def _day(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f'"{escaped(text)}" is no day: write it like 2027-03-31', param_hint="--expires"
        ) from None


@click.command(
    cls=Examples,
    examples="""
arrowslit entry remove relay 192.168.0.40
arrowslit entry remove connection network:office --confirm-within 10m
arrowslit entry remove connection *.branches.example.org
""",
)
@_grant
@click.argument("value", metavar="ADDRESS|RANGE|NAME|NETWORK")
@_server
@_confirming
@click.option("--yes", is_flag=True, help="Ask nothing.")
@click.option("--dry-run", is_flag=True, help="Change nothing.")
@settings_option
@output_options
def remove(
    grant: str,
    value: str,
    virtual_server: str,
    confirm_within: float | None,
    yes: bool,
    dry_run: bool,
    settings_path: Path | None,
    output: Output,
) -> int:
    """Take an entry off the list that is in force."""
    from arrowslit.documents.entry_edit import EditError, Place, remove_entry  # noqa: PLC0415

    with open_store(settings_path, output) as database:
        head, text, policy = _active(database, settings_path, output)
        access = getattr(_servers(policy, virtual_server)[0], TABLES[grant])
        at = _index(getattr(access, access.mode), *_parsed(value, set(policy.networks)), grant)
        try:
            changed = remove_entry(text, Place(virtual_server, TABLES[grant], access.mode), at)
        except EditError as error:
            raise ProblemError(escaped(str(error)), ExitCode.WRONG_INPUT) from None
        message = f"entry remove {grant} {value}"
        wish = Wish(
            changed, "the changed policy", "entry", message, head.revision, confirm_within, yes=yes, dry_run=dry_run
        )
        code = make(database, settings_path, wish, output)
    output.note(_EXPORT)
    return code


def _index(entries: tuple[Entry, ...], kind: str, value: str, grant: str) -> int:
    """Where the entry stands. An address is found under any kind that comes to it alone."""
    wanted = {(kind, value.lower())}
    if kind == "group":
        wanted.add((kind, str(ip_network(value, strict=False))))
    for at, one in enumerate(entries):
        if (one.kind, one.value.lower()) in wanted:
            return at
    help = "see: arrowslit entry list"
    raise ProblemError(f"{kind}:{escaped(value)} is not on the list {grant}", ExitCode.WRONG_INPUT, help)
