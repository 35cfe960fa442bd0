"""What `arrowslit target mappings` shows, for a reader and for a program. All that a router says is escaped."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from arrowslit.cli.exits import ExitCode
from arrowslit.cli.output import Output, Style, escaped, painted

if TYPE_CHECKING:
    from arrowslit.rollout.mappings.audit import Found

_NOT_SEEN: Final = "not seen: forwards made by hand in a router's own pages, and IPv6 pinholes"


def show(found: Found, ports: tuple[int, ...], output: Output) -> None:
    """The mappings and what is to be said of each router."""
    from arrowslit.rollout.mappings.words import place, what  # noqa: PLC0415

    for number, (router, mapping) in enumerate(found.of(ports), 1):
        line = painted(escaped(what(router, mapping, ports)), Style.BAD, sys.stdout)
        output.data(f"{number:>3}  {line}\n     {escaped(place(router, mapping))}")
    for router in found.routers:
        concerned = sum(one.concerns(ports) for one in router.mappings)
        named = f'router {router.address}, which calls itself "{escaped(router.device.name)}"'
        says = f"{count(len(router.mappings))}, {concerned} of port {', '.join(map(str, ports))}"
        output.note(f"{named}: {says if router.device.services else 'it offers no mappings by UPnP'}")
        if router.problem:
            output.problem(f"router {router.address}: this may not be all: {escaped(router.problem)}")
    for says in found.unread:
        output.problem(f"not read: {escaped(says)}")
    for says in _unlisted(found):
        output.note(says)


def _unlisted(found: Found) -> list[str]:
    """What no list has."""
    from arrowslit.rollout.mappings.pmp import speaks  # noqa: PLC0415

    spoken = {router: " and ".join(speaks(router.address, router.own)) for router in found.routers}
    lines = [
        f"router {router.address} speaks {names} too: mappings made that way may not be listed, and only the machine"
        " that made one can take it back"
        for router, names in spoken.items()
        if names
    ]
    return [*lines, _NOT_SEEN] if found.routers else []


def tell(number: int, dry_run: bool, outcome: dict[int, tuple[ExitCode, str]], output: Output) -> None:
    """What became of one that was to be deleted."""
    if output.as_json:
        return
    if dry_run:
        output.data(f"{number} would be deleted")
        return
    code, why = outcome[number]
    if code is ExitCode.DONE:
        output.data(f"{number} is deleted")
    else:
        output.problem(f"{painted('error', Style.BAD, sys.stderr)}: {number} is not deleted: {escaped(why)}")


def count(number: int) -> str:
    """In words."""
    return "1 mapping" if number == 1 else f"{number or 'no'} mappings"


def as_json(found: Found, ports: tuple[int, ...], outcome: dict[int, tuple[ExitCode, str]], output: Output) -> None:
    """All of it, for a program."""
    from arrowslit.rollout.mappings.words import sentence  # noqa: PLC0415

    rows = []
    for number, (router, one) in enumerate(found.of(ports), 1):
        code, why = outcome.get(number, (None, ""))
        rows.append(
            {
                "number": number,
                "says": sentence(router, one, ports),
                "router": str(router.address),
                "protocol": one.protocol,
                "port": one.port,
                "remote_host": one.remote_host,
                "to": one.to,
                "to_port": one.to_port,
                "enabled": one.enabled,
                "lease_seconds": one.lease,
                "description": one.description,
                "deleted": code is ExitCode.DONE,
                "problem": why or None,
            }
        )
    routers = [
        {
            "address": str(one.address),
            "name": one.device.name,
            "mappings": len(one.mappings),
            "problem": one.problem or None,
        }
        for one in found.routers
    ]
    output.json(
        mappings=rows, routers=routers, unread=list(found.unread), not_listed=_unlisted(found), token=found.token(ports)
    )
