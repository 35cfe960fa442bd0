"""`arrowslit target list|compile`: the policy for another place where it can be enforced."""

from __future__ import annotations

import datetime
import hashlib
import sys
from dataclasses import replace
from difflib import get_close_matches
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import click

from arrowslit.cli.errors import ProblemError
from arrowslit.cli.exits import ExitCode
from arrowslit.cli.findings import print_findings
from arrowslit.cli.group import Examples, Lazy, LazyGroup
from arrowslit.cli.options import date_option, installed_settings, output_options, policy_option, settings_option
from arrowslit.cli.output import Output, Style, escaped, painted
from arrowslit.cli.settings import policy_of, settings_of, site_in_force, site_of
from arrowslit.documents.settings import EnforcementPoint
from arrowslit.documents.site import Site
from arrowslit.mail.address import IPAddress, parse_address
from arrowslit.rollout.live import LIVE
from arrowslit.targets.gaps import Gap
from arrowslit.targets.register import MODULES, targets
from arrowslit.targets.register import target as target_of
from arrowslit.targets.target import Compiled, Origin, Place, PlaceError, compiled


@click.group(
    cls=LazyGroup,
    lazy={
        "list": Lazy("arrowslit.cli.target:list_", "Enforcement points, and what can be compiled to."),
        "add": Lazy("arrowslit.cli.target_add:add", "A new enforcement point."),
        "compile": Lazy("arrowslit.cli.target:compile_", "The text for one place."),
        "plan": Lazy("arrowslit.cli.target_live:plan", "What applying it would change."),
        "apply": Lazy("arrowslit.cli.target_live:apply", "Put the policy in force there."),
        "confirm": Lazy("arrowslit.cli.target_live:confirm", "Keep what was applied for a time."),
        "undo": Lazy("arrowslit.cli.target_live:undo", "Take it back."),
        "drift": Lazy("arrowslit.cli.target_live:drift", "Whether it is still as it should be."),
        "mappings": Lazy("arrowslit.cli.target_mappings:mappings", "Forgotten port mappings in routers."),
    },
    examples="""
arrowslit target list
arrowslit target compile nftables
arrowslit target compile sheet --policy policy.toml -o lock-down.html
""",
)
def target() -> None:
    """Carry the policy to routers, firewalls and mail servers."""


@click.command(
    name="list",
    cls=Examples,
    examples="""
arrowslit target list
arrowslit target list --json
arrowslit target list | grep -i exchange
""",
)
@settings_option
@output_options
def list_(settings_path: Path | None, output: Output) -> int:
    """The node's enforcement points, then all languages, with the grants that each can decide."""
    points = _points(settings_path, output)
    found = targets()
    if output.as_json:
        output.json(
            enforcement_points=[
                {"name": name, "target": point.target, "live": point.target in LIVE, "follow": point.follow}
                for name, point in points.items()
            ],
            targets=[
                {
                    "name": one.name,
                    "title": one.title,
                    "grants": sorted(grant.value for grant in one.scope),
                    "gaps": sorted(gap for gap in one.gaps),
                    "live": one.name in LIVE,
                }
                for one in found
            ],
        )
        return ExitCode.DONE
    for name, point in points.items():
        how = "follows the policy" if point.follow else "live" if point.target in LIVE else "compiled to"
        output.data(f"[enforcement_points.{escaped(name)}]  {point.target}, {how}")
    width = max(len(one.name) for one in found)
    for one in found:
        what = ("all grants" if len(one.scope) > 1 else "connecting") if one.scope else "beside"
        output.data(f"{one.name:<{width}}  {what:<10}  {one.title}")
    return ExitCode.DONE


def _points(settings_path: Path | None, output: Output) -> dict[str, EnforcementPoint]:
    if settings_path is None and installed_settings() is None:
        return {}
    return dict(settings_of(settings_path, output).enforcement_points)


def _server(_ctx: click.Context, _parameter: click.Parameter, given: tuple[str, ...]) -> tuple[IPAddress, ...]:
    try:
        return tuple(parse_address(text) for text in given)
    except ValueError as error:
        raise click.BadParameter(escaped(str(error))) from None


def _interface(_ctx: click.Context, _parameter: click.Parameter, given: str | None) -> str | None:
    if given is not None and (not given.isascii() or not given.replace("-", "").replace(".", "").isalnum()):
        raise click.BadParameter(f'"{escaped(given)}" is no name of an interface')
    return given


@click.command(
    name="compile",
    cls=Examples,
    examples="""
arrowslit target compile nftables
arrowslit target compile exchange --policy policy.toml
arrowslit target compile nftables-router --interface wan0 --server 192.168.0.5
arrowslit target compile inner-postfix --server 192.168.0.2
""",
)
@click.argument("name")
@click.option("--virtual-server", metavar="NAME", help="Whose rules.  [default: default]")
@click.option("--port", "ports", type=click.IntRange(1, 65_535), multiple=True, help="A port to guard.  [default: 25]")
@click.option("--interface", callback=_interface, help="The interface that strangers come in by.")
@click.option(
    "--server",
    callback=_server,
    multiple=True,
    metavar="ADDRESS",
    help="The mail server as seen there; for inner-...: the gateway as the mail server sees it, any number.",
)
@click.option("-o", "--output-file", type=click.Path(path_type=Path), help="Write it there instead of printing it.")
@date_option
@policy_option
@settings_option
@output_options
def compile_(
    name: str,
    virtual_server: str | None,
    ports: tuple[int, ...],
    interface: str | None,
    server: tuple[IPAddress, ...],
    output_file: Path | None,
    date: datetime.date,
    policy_path: Path | None,
    settings_path: Path | None,
    output: Output,
) -> int:
    """The text for a target, or for one of the node's [enforcement_points].

    Asked is the policy that the node has taken up, else policy.toml; nothing is changed anywhere. What the target can't
    express is a gap: exit code 3 and no text, unless a waiver of the policy names it.
    """
    site = None if policy_path is not None else site_in_force(settings_path, date)
    site = site or site_of(settings_path, policy_path, date)
    policy = policy_of(site, output)
    if site.errors or site.broken_expectations:
        print_findings(site.errors, output)
        broken = "".join(f"; broken: {escaped(one.expectation.that)}" for one in site.broken_expectations)
        raise ProblemError(
            f"the policy may not be used as it is{broken}", ExitCode.ANSWER_IS_NO, "arrowslit policy lint"
        )
    point = _point(name, settings_path, output)
    place = _place(name, point, ports, interface, server)
    origin = Origin(policy, _named(site, policy_path), virtual_server or point.virtual_server, date)
    if origin.server not in policy.virtual_servers:
        known = ", ".join(policy.virtual_servers)
        message = f'the policy has no virtual server "{escaped(origin.server)}"'
        raise ProblemError(message, ExitCode.WRONG_INPUT, f"the policy has: {escaped(known)}")
    try:
        made = compiled(target_of(point.target), origin, place)
    except PlaceError as error:
        raise ProblemError(escaped(str(error)), ExitCode.WRONG_INPUT) from None
    return _tell(made, place, output_file, output)


def _point(name: str, settings_path: Path | None, output: Output) -> EnforcementPoint:
    """The enforcement point of that name, else the target of that name."""
    points = _points(settings_path, output)
    found = points.get(name) or (EnforcementPoint(target=name) if name in MODULES else None)
    if found is not None and found.target in MODULES:
        return found
    wanted = name if found is None else found.target
    near = get_close_matches(wanted, [*points, *MODULES], 1)
    help = f'did you mean "{near[0]}"?' if near else 'all of them: "arrowslit target list"'
    raise ProblemError(f'there is no target "{escaped(wanted)}"', ExitCode.WRONG_INPUT, help)


def _place(
    name: str,
    point: EnforcementPoint,
    ports: tuple[int, ...],
    interface: str | None,
    server: tuple[IPAddress, ...],
) -> Place:
    known = tuple(first for first, last in point.addresses.ranges() if first == last)
    place = Place(name, ports or point.ports, point.interface if interface is None else interface, server or known)
    for family in (IPv4Address, IPv6Address):
        own = [one for one in place.server if isinstance(one, family)]
        if len(own) > 1 and target(point.target).scope:
            raise ProblemError(f"{own[0]} and {own[1]}: one address of each family", ExitCode.WRONG_INPUT)
    return replace(place, ports=tuple(dict.fromkeys(place.ports)))


def _named(site: Site, policy_path: Path | None) -> str:
    policy = site.policy
    if policy is not None and policy.revision and policy_path is None and policy.generation:
        return f"revision {policy.revision}, generation {policy.generation}"
    return policy_path.name if policy_path is not None else "policy.toml"


def _tell(made: Compiled, place: Place, output_file: Path | None, output: Output) -> int:
    if output.as_json:
        output.json(
            target=made.target,
            text=None if made.gaps else made.text,
            sha256=None if made.gaps else _sha256(made),
            apply=list(made.body.apply),
            check=list(made.body.check),
            undo=list(made.body.undo),
            gaps=[{**_gap_json(gap), "waived": None} for gap in made.gaps]
            + [{**_gap_json(gap), "waived": because} for gap, because in made.waived],
            notes=list(made.notes),
        )
        return ExitCode.ANSWER_IS_NO if made.gaps else ExitCode.DONE
    for gap, because in made.waived:
        output.note(f"{painted(f'gap[{gap.name}]', Style.CAUTION, sys.stderr)}: waived: {escaped(because)}")
    for note in made.notes:
        output.note(f"note: {escaped(note)}")
    if made.gaps:
        for gap in made.gaps:
            output.problem(_gap_text(gap, place.name or made.target))
        message = f"{made.target} can't express this policy, so there is no text"
        raise ProblemError(
            message, ExitCode.ANSWER_IS_NO, "change the policy, or accept each gap with a waiver as shown"
        )
    if output_file is None:
        sys.stdout.write(made.text)
    else:
        output_file.write_text(made.text, encoding="utf-8", newline="")
        output.note(f"written: {escaped(str(output_file))}, sha256 {_sha256(made)}")
    return ExitCode.DONE


def _sha256(made: Compiled) -> str:
    """Of the file's octets: what shows at the other end that it is this text."""
    return hashlib.sha256(made.text.encode()).hexdigest()


def _gap_json(gap: Gap) -> dict[str, object]:
    return {"name": gap.name, "message": gap.message, "rules": list(gap.rules), "widens": gap.widens}


_SHOWN = 5


def _gap_text(gap: Gap, name: str) -> str:
    word = painted(f"error[{gap.name}]", Style.BAD, sys.stderr)
    lines = [f"{word}: {gap.message}"]
    lines += [f"  {escaped(rule)}" for rule in gap.rules[:_SHOWN]]
    if len(gap.rules) > _SHOWN:
        lines.append(f"  and {len(gap.rules) - _SHOWN} more")
    lines.append(f'help:    [[waivers]]  target = "{name}"  gap = "{gap.name}"  because = "..."')
    lines.append(f"more:    arrowslit help {gap.name}\n")
    return "\n".join(lines)
