"""`arrowslit target add`: a new enforcement point in the node's settings."""

from __future__ import annotations

from pathlib import Path

import click

from arrowslit.cli.errors import ProblemError
from arrowslit.cli.exits import ExitCode
from arrowslit.cli.findings import print_findings
from arrowslit.cli.group import Examples
from arrowslit.cli.options import output_options, settings_option
from arrowslit.cli.output import Output, escaped
from arrowslit.cli.settings import required
from arrowslit.documents.point_edit import PointEditError, Value, add_point
from arrowslit.rollout.live import LIVE


@click.command(
    cls=Examples,
    examples="""
arrowslit target add firewall --target nftables --interface eth0
arrowslit target add router --target sheet --server 192.168.0.5
arrowslit target add kernel --target nftables --follow
""",
)
@click.argument("name")
@click.option("--target", "target_name", required=True, help="The language: arrowslit target list.")
@click.option("--virtual-server", help="Whose rules.  [default: default]")
@click.option("--port", "ports", type=click.IntRange(1, 65_535), multiple=True, help="A port to guard.  [default: 25]")
@click.option("--interface", help="The interface that strangers come in by.")
@click.option("--server", multiple=True, metavar="ADDRESS", help="The mail server as seen there.")
@click.option("--follow", is_flag=True, help="Let the agent put every revision there by itself.")
@settings_option
@output_options
def add(
    name: str,
    target_name: str,
    virtual_server: str | None,
    ports: tuple[int, ...],
    interface: str | None,
    server: tuple[str, ...],
    follow: bool,
    settings_path: Path | None,
    output: Output,
) -> int:
    """Write [enforcement_points.NAME] into the node's settings; nothing is changed at the place itself."""
    path = required(settings_path)
    given: dict[str, Value] = {
        "target": target_name,
        "virtual_server": virtual_server or "",
        "ports": ports,
        "interface": interface or "",
        "addresses": server,
        "follow": follow,
    }
    values = {word: value for word, value in given.items() if value}
    try:
        add_point(path, name, values)
    except PointEditError as error:
        print_findings(error.findings, output)
        raise ProblemError(escaped(str(error)), ExitCode.WRONG_INPUT) from None
    if output.as_json:
        output.json(name=name, live=target_name in LIVE, **values)
        return ExitCode.DONE
    next_ = "plan" if target_name in LIVE else "compile"
    output.data(f"{escaped(name)} is in {escaped(str(path))}; next: arrowslit target {next_} {escaped(name)}")
    return ExitCode.DONE
