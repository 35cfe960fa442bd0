"""The end of the sheet: how it is checked from outside, how one goes back, and what is for the mail server."""

from __future__ import annotations

from collections.abc import Iterator

from arrowslit.targets.page import Block, Heading, Paragraph, Points, Said
from arrowslit.targets.rules import Rules
from arrowslit.targets.sheet_addresses import inner, ports, relaying
from arrowslit.targets.target import Place


def check(rules: Rules, place: Place) -> Iterator[Block]:
    """From outside, before and after."""
    port, lists = place.ports[0], rules.connect.only_listed
    refused, permitted = ("not in the tables", "in the tables") if lists else ("in the tables", "not in the tables")
    yield Heading("Check it from outside")
    yield Points(
        (
            "Many connections at home and most mobile networks block port 25 on the way out. So *before* the change, "
            f"from a place that is {refused}, see that this does connect, and *afterwards* that it does not:",
            f"Windows: `Test-NetConnection YOUR-PUBLIC-ADDRESS -Port {port}`; else `nc -v -w 5 -z YOUR-PUBLIC-ADDRESS "
            f"{port}`",
            "The same once more with the IPv6 address of the mail server, if it has one.",
            f"From a place that is {permitted}, it must connect still. For the filter: send a mail from outside to "
            "each domain and see it arrive, the filter's own address in the mail server's log.",
            "Branch offices, printers and scanners: send one test mail each.",
            "On the next day: look at the log for hosts that no longer get through, and at the filter's queue.",
        ),
        steps=True,
    )


def back(place: Place) -> Iterator[Block]:
    """What brings the old state back."""
    yield Heading("How to go back")
    yield Points(
        (
            "Restore the settings that you saved, or set the source of the rule or forward to what it was before, as "
            f"photographed (*Any*, or empty), for port {ports(place)} to {inner(place, 4)}; then remove the new rules.",
            "IPv6: remove or add the same rules there, and the AAAA record if you removed it.",
            "Senders that were refused meanwhile try again by themselves, most of them for some days.",
            "If you leave the filter: open the port first, then change the MX records.",
        ),
        steps=True,
    )


def relay(rules: Rules) -> Iterator[Block]:
    """Who may relay, as information."""
    yield Heading("For the mail server: who may relay")
    yield Paragraph("A router knows nothing of this. Being let in by it gives nobody the right to relay.")
    relay, server = rules.relay, rules.server
    found = list(relaying(relay))
    yield from found
    if relay.others:
        yield Points(tuple((Said(one.rule), ": by name or certificate") for one in relay.others))
    if relay.only_listed and not found and not relay.others:
        yield Paragraph("Nobody may relay by his address.")
    if not relay.only_listed:
        yield Paragraph("Everybody may relay who is not listed: this is an open relay.", True)
    yield Paragraph("Whoever signs in may relay." if server.signs_in else "Signing in gives no right to relay.")
