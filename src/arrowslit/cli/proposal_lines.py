"""Proposed entries of a rehearsal as command lines and as JSON: what would let in again whom the policy refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arrowslit.cli.client_table import counted
from arrowslit.cli.output import escaped
from arrowslit.traffic.proposal_text import command
from arrowslit.traffic.proposals import WARNING, Left, Proposal, Proposals, proposals

if TYPE_CHECKING:
    from arrowslit.policy.model import Policy
    from arrowslit.traffic.rehearsal import Rehearsal


def proposed(rehearsal: Rehearsal, policy: Policy, server: str) -> Proposals:
    """What to propose, with the ranges of the catalogue's services."""
    from arrowslit.mail.address_range import address_set, parse_range  # noqa: PLC0415
    from arrowslit.networks.catalogue import catalogue  # noqa: PLC0415
    from arrowslit.traffic.origins import Place  # noqa: PLC0415

    every = (
        (one.id, address_set(parse_range(place.value) for place in one.places_in("") if place.kind == "range"))
        for one in catalogue().services.values()
    )
    services = [Place(name, addresses) for name, addresses in every if len(addresses)]
    return proposals(rehearsal, policy, server=server, services=services)


def proposal_lines(found: Proposals, server: str, shown: int) -> list[str]:
    """Commands, the surest first, and whom nothing is proposed for."""
    lines: list[str] = []
    if found.proposed:
        lines.append("to let them in again, the surest first:")
    for one in found.proposed[:shown]:
        lines += [f"  # first, in the policy: {line}" for line in one.needs.splitlines()]
        lines += [f"  # {escaped(doubt)}" for doubt in one.doubts]
        lines.append("  " + command(one.grant, one.kind, one.value, one.note, server))
    if len(found.proposed) > shown:
        lines.append(f"  and {counted(len(found.proposed) - shown, 'more', 'more')}; all of them with --all, or --json")
    if found.left:
        lines.append("nothing is proposed for:")
    lines += [f"  {one.client}: {escaped(one.why)}" for one in found.left[:shown]]
    if found.proposed:
        lines.append(WARNING)
    return lines


def proposals_json(found: Proposals, server: str) -> dict[str, Any]:
    """The same as JSON."""
    return {"proposed": [_one(one, server) for one in found.proposed], "left": [_left(one) for one in found.left]}


def _one(one: Proposal, server: str) -> dict[str, Any]:
    return {
        "command": command(one.grant, one.kind, one.value, one.note, server),
        "grant": one.grant,
        "entry": f"{one.kind}:{one.value}",
        "note": one.note,
        "clients": list(one.clients),
        "messages": one.messages,
        "days": one.days,
        "first": one.first,
        "last": one.last,
        "doubts": list(one.doubts),
        "needs": one.needs,
    }


def _left(one: Left) -> dict[str, Any]:
    return {"client": one.client, "messages": one.messages, "why": one.why}
