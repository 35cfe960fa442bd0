"""What the command `inventory` says, put together from the result and from what was known: text, JSON, picture."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap
from typing import Any, Final

from arrowslit.cli.client_table import counted, span
from arrowslit.cli.inventory_places import Places
from arrowslit.cli.inventory_text import (
    WIDTH,
    drawn,
    group_json,
    group_lines,
    headline,
    hidden_lines,
    sender_json,
    way_lines,
)
from arrowslit.cli.output import escaped
from arrowslit.traffic.chart import Chart, chart
from arrowslit.traffic.chart_svg import svg
from arrowslit.traffic.inventory import Inventory, domains_to_propose
from arrowslit.traffic.inventory_groups import (
    by_name,
    by_network,
    by_place,
    days_of,
    hidden,
    strangers_outward,
    ways_of,
)
from arrowslit.traffic.origins import AROUND, INSIDE
from arrowslit.traffic.own_domains import among

_IN_A_TERMINAL: Final = 62
_IN_A_PICTURE: Final = 92
_HIDDEN_SHOWN: Final = 5
_MANY: Final = 0.2
"""Of the mail around no filter: a service that brings as much may be the filter."""


class Report:
    """One inventory, as people read it."""

    def __init__(self, inventory: Inventory, places: Places) -> None:
        self.inventory, self.places = inventory, places
        self.proposed = () if inventory.told else domains_to_propose(inventory)
        self.is_ours = places.is_ours or among(set(self.proposed))
        self.unit = "recipient" if inventory.days or not inventory.connections else "connection"
        self.filter_known = bool(places.known.filters)
        self.totals = ways_of(inventory, self.is_ours)
        self.hidden = hidden(inventory, self.is_ours)

    def chart(self, most: int) -> Chart:
        """The days."""
        return chart(days_of(self.inventory, self.is_ours), f"{self.unit}s let in", most)

    def svg(self) -> str:
        """The picture."""
        first, last = self.inventory.first or 0.0, self.inventory.last or 0.0
        return svg(self.chart(_IN_A_PICTURE), f"Who delivers, {span(first, last)}")

    def lines(self, shown: int) -> Iterator[str]:
        """All of it in 80 columns."""
        inventory = self.inventory
        if not inventory.attempts:
            yield "there is no mail in these logs"
            return
        yield headline(inventory, self.unit)
        strangers = sum(one.arrived - one.signed_in for one in self.hidden)
        yield from way_lines(self.totals, strangers, filter_known=self.filter_known)
        for part in (self._remarks(), hidden_lines(self.hidden, _HIDDEN_SHOWN), drawn(self.chart(_IN_A_TERMINAL))):
            yield from _apart(part)
        yield from _apart(group_lines("By place", by_place(inventory, self.is_ours), shown, "none that is known"))
        yield from _apart(group_lines("By network", by_network(inventory, self.is_ours), shown))
        yield from _apart(
            group_lines("By name (in quotes: said in HELO)", by_name(inventory, self.is_ours), shown, "no name")
        )

    def _remarks(self) -> Iterator[str]:
        """What one should know to read the numbers rightly."""
        for remark in self._remarked():
            yield from wrap(escaped(remark), WIDTH)

    def _remarked(self) -> Iterator[str]:
        if not self.filter_known:
            yield "Nobody said who filters (--filter): so all that came from outside counts as around the filter."
            yield from self._likely_filters()
        untold = "Nobody said which domains are yours (--domain, --policy)"
        if self.proposed:
            yield f"{untold}. By where strangers' mail was let in they seem to be: {', '.join(self.proposed)}"
        elif not self.inventory.told:
            yield f"{untold}: what went outward can't be told."
        outward = strangers_outward(self.inventory, self.is_ours)
        if outward:
            yield (
                f"Of what came around the filter {counted(outward, 'recipient')} went to none of your domains: "
                "forwarded mail, a domain that was forgotten, or an open relay."
            )
        unlisted = self._inside_unlisted()
        if unlisted:
            yield (
                f"{counted(unlisted, self.unit)} came from inside addresses that the policy does not list: printers, "
                "scanners, servers. The lock-down would stop these too."
            )

    def _likely_filters(self) -> Iterator[str]:
        whole = sum(self.totals.values())
        for one in by_place(self.inventory, self.is_ours):
            service = one.title.removeprefix("service ")
            if service != one.title and one.arrived >= whole * _MANY:
                came = counted(one.arrived, self.unit)
                yield f"{came} came from {service}. If that is your filter: --filter {service}"

    def _inside_unlisted(self) -> int:
        if not len(self.places.known.listed):
            return 0
        hidden_ones = {one.name for one in self.hidden}
        inside = (one for one in self.inventory.senders.values() if one.way == INSIDE and not one.listed)
        return sum(one.arrived - one.signed_in for one in inside if one.name not in hidden_ones)

    def json(self) -> dict[str, Any]:
        """All of it as JSON."""
        inventory = self.inventory
        made = self.chart(10**6)
        ways = [one.way for one in made.series]
        senders = sorted(inventory.senders.values(), key=lambda one: (-one.arrived, one.name))
        return {
            "since": inventory.first,
            "until": inventory.last,
            "unit": self.unit,
            "messages": inventory.messages,
            "let_in": inventory.permitted,
            "refused": inventory.refused,
            "refused_otherwise": inventory.refused_otherwise,
            "not_told": inventory.not_told,
            "filter_known": self.filter_known,
            "ways": self.totals,
            "around": self.totals.get(AROUND, 0),
            "strangers_outward": strangers_outward(inventory, self.is_ours),
            "domains_told": inventory.told,
            "proposed_domains": list(self.proposed),
            "days": [{"day": bar.first.isoformat(), **dict(zip(ways, bar.numbers, strict=True))} for bar in made.bars],
            "hidden_clients": [one.name for one in self.hidden],
            "places": [group_json(one) for one in by_place(inventory, self.is_ours)],
            "networks": [group_json(one) for one in by_network(inventory, self.is_ours)],
            "names": [group_json(one) for one in by_name(inventory, self.is_ours)],
            "clients": [sender_json(inventory, one, self.is_ours) for one in senders],
        }


def _apart(lines: Iterator[str]) -> Iterator[str]:
    """The lines behind an empty one, where there are any."""
    first = next(lines, None)
    if first is not None:
        yield ""
        yield first
        yield from lines
