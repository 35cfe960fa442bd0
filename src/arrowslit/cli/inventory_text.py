"""The inventory in 80 columns, and as JSON. Names, addresses and domains are strangers' text: escaped, and cut."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

from arrowslit.cli.client_table import counted, span
from arrowslit.cli.output import Style, escaped, painted
from arrowslit.traffic.chart import SERIES, Chart
from arrowslit.traffic.chart_text import lines as chart_lines
from arrowslit.traffic.hidden import looks_like
from arrowslit.traffic.inventory import Inventory
from arrowslit.traffic.inventory_groups import Group, outward_of
from arrowslit.traffic.origins import AROUND, FILTER, INSIDE, LISTED
from arrowslit.traffic.own_domains import IsOurs
from arrowslit.traffic.senders import Sender

WIDTH: Final = 80
_STYLES: Final = {FILTER: Style.GOOD, LISTED: Style.GOOD, AROUND: Style.BAD}
_LETTERS: Final = {one.way: one.letter for one in SERIES}


def headline(inventory: Inventory, unit: str) -> str:
    """What there is at all."""
    first, last = inventory.first or 0.0, inventory.last or 0.0
    refused = inventory.refused + inventory.refused_otherwise
    untold = f", of {inventory.not_told:,} it is not told" if inventory.not_told else ""
    return f"{span(first, last)}: {counted(inventory.permitted, unit)} let in, {refused:,} refused{untold}"


def way_lines(totals: dict[str, int], strangers: int, *, filter_known: bool) -> Iterator[str]:
    """Each way with its number and its share; `strangers` of those from inside came by hidden clients."""
    whole = sum(totals.values())
    remarks = {
        AROUND: "the lock-down stops it" if filter_known else "",
        INSIDE: f"{strangers:,} of them strangers'" if strangers else "",
    }
    for one in SERIES:
        number = totals.get(one.way, 0)
        if number:
            share = f"{100 * number / whole:>5.1f} %  {remarks.get(one.way, '')}".rstrip()
            text = f"  {one.letter}  {one.title:<29} {number:>9,}  {share}"
            yield painted(text, _STYLES[one.way], sys.stdout) if one.way in _STYLES else text


def drawn(made: Chart) -> Iterator[str]:
    """The chart, in colour on a terminal."""
    for line in chart_lines(made, WIDTH):
        yield "".join(painted(text, _STYLES[way], sys.stdout) if way in _STYLES else text for way, text in line)


def hidden_lines(found: Sequence[Sender], shown: int) -> Iterator[str]:
    """What must not be overlooked of hidden clients."""
    for one in found[:shown]:
        head = f"HIDDEN CLIENTS: strangers' mail comes from {escaped(one.name)}, {counted(one.arrived, 'recipient')}"
        yield painted(head, Style.BAD, sys.stdout)
        domains = ", ".join(escaped(domain) for domain in [*one.from_domains][:3] if domain)
        if domains:
            yield _cut(f"  in the name of {domains} and others")
        yield f"  It is {looks_like(one.name)}."
        yield "  The log has its address instead of the clients'. Let it pass theirs on; until"
        yield "  then make no rule from this address: it would let every stranger in."
        if one.listed:
            yield painted("  The policy lists it already: take it off, or nothing is locked.", Style.BAD, sys.stdout)
    if len(found) > shown:
        yield f"  and {len(found) - shown:,} more such addresses"


def group_lines(title: str, groups: Sequence[Group], shown: int, nameless: str = "") -> Iterator[str]:
    """A table of groups: a line each, and what names it has below where these are not the title."""
    if not groups:
        return
    yield painted(title, Style.STRONG, sys.stdout)
    yield f"  {'':<36} {'let in':>9} {'refused':>9} {'days':>5}  by"
    for one in groups[:shown]:
        yield from _group(one, nameless)
    if len(groups) > shown:
        yield f"  and {len(groups) - shown:,} more; all of them with --all, or --json"


def _group(one: Group, nameless: str) -> Iterator[str]:
    name = _cut(escaped(one.title) or nameless, 36)
    letters = "".join(_LETTERS[series.way] for series in SERIES if series.way in one.ways or _has(one, series.way))
    yield f"  {name:<36} {one.arrived:>9,} {one.refused:>9,} {len(one.days):>5}  {letters}"
    more = ", ".join(escaped(name) for name in [*one.places, *one.names] if name != one.title)
    if more:
        yield _cut(f"      {more}")


def _has(one: Group, way: str) -> bool:
    return (way == "signed_in" and one.signed_in > 0) or (way == "outward" and one.outward > 0)


def _cut(text: str, width: int = WIDTH) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


def group_json(one: Group) -> dict[str, Any]:
    """A group as JSON."""
    return {
        "title": one.title,
        "ways": list(one.ways),
        "places": list(one.places),
        "clients": one.clients,
        "let_in": one.arrived,
        "signed_in": one.signed_in,
        "outward": one.outward,
        "refused": one.refused,
        "first": one.first,
        "last": one.last,
        "days": len(one.days),
        "names": list(one.names)[:8],
    }


def sender_json(inventory: Inventory, one: Sender, is_ours: IsOurs) -> dict[str, Any]:
    """A client (or several put together) as JSON."""
    return {
        "client": one.name,
        "clients": one.clients,
        "way": one.way,
        "place": one.place,
        "network": one.network,
        "listed": one.listed,
        "let_in": one.permitted,
        "not_told": one.not_told,
        "refused": one.refused,
        "refused_otherwise": one.refused_otherwise,
        "messages": one.messages,
        "signed_in": one.signed_in,
        "outward": outward_of(inventory, one, is_ours),
        "first": one.first,
        "last": one.last,
        "days": len(one.days),
        "names": one.names,
        "from_domains": list(one.from_domains),
    }
