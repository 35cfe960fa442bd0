"""The sheet: one page with the site's own values, for what is set by hand, as HTML and as Markdown.

Grants: connecting; who may relay is told for the mail server. Terms: everything but exceptions for recipients, and
counting (in mode "observe" the page has no steps): what a router can't do of a policy (names, certificates) stands on
the page, with what to do instead. It shows notes and descriptions; `page` and its renderers make them harmless. It
never names a value that the policy does not have: what the place lacks is a line to write on. Sources: see
sheet_screens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Final

from arrowslit.mail.address import IPAddress, parse_address
from arrowslit.targets.gaps import GAPS, Gap, Term
from arrowslit.targets.page import Block, Heading, Line, Page, Paragraph, Points, Said
from arrowslit.targets.page_html import HTML_PAGE, html
from arrowslit.targets.page_markdown import MARKDOWN_PAGE, markdown
from arrowslit.targets.rules import Rules
from arrowslit.targets.sheet_addresses import connecting, counts, inner, inside, ports
from arrowslit.targets.sheet_after import back, check, relay
from arrowslit.targets.sheet_screens import screens
from arrowslit.targets.target import CONNECT, Body, Place, Target

BY_HAND: Final = 60
"""Rows that somebody may be asked to type."""

NOT_YET: Final = "The policy only observes so far. Set nothing yet."


def page_of(rules: Rules, place: Place) -> Page:
    """The page of a virtual server at a place."""
    title = "Port 25: who may connect, and how to set it by hand"
    if place.server:
        return Page(title, tuple(_blocks(rules, place)))
    known = replace(place, server=mail_servers(rules))
    taken = Paragraph(
        "The mail server's address is the one that the policy delivers to. Where an Arrowslit gateway stands before "
        "it, write the gateway's in its place."
    )
    blocks = list(_blocks(rules, known))
    at = next(number for number, block in enumerate(blocks) if isinstance(block, Heading))
    return Page(title, (*blocks[:at], *([taken] if known.server else []), *blocks[at:]))


def mail_servers(rules: Rules) -> tuple[IPAddress, ...]:
    """The address of each family that mail for all accepted domains goes to; none where there are several."""
    hops = {domain.next_hop for domain in rules.accepted}
    found = [hop.target for name in hops if name for hop in rules.next_hops[name].address if hop.scheme in _OVER_TCP]
    literal = [address for text in found if (address := _literal(text)) is not None]
    one = [[address for address in literal if address.version == version] for version in (4, 6)]
    return tuple(addresses[0] for addresses in one if len(addresses) == 1)


def _literal(text: str) -> IPAddress | None:
    try:
        return parse_address(text)
    except ValueError:
        return None


_OVER_TCP: Final = frozenset({"smtp", "lmtp"})


def _blocks(rules: Rules, place: Place) -> Iterator[Block]:
    yield from _what(rules, place)
    if rules.observes:
        yield Paragraph(f"{NOT_YET} The tables say who will be let in, or kept out, once the mode is enforce.", True)
    elif not rules.connect.everybody:
        yield from _before(rules, place)
    yield Heading("The addresses")
    yield from _addresses(rules, place)
    yield from _beyond(rules)
    if not rules.observes and not rules.connect.everybody:
        yield from screens(rules, place)
        yield from check(rules, place)
        yield from back(place)
    yield from relay(rules)


def _what(rules: Rules, place: Place) -> Iterator[Block]:
    yield Paragraph(
        (
            "From ",
            Said(rules.named or "a policy"),
            ", virtual server ",
            Said(rules.server.name),
            f", as of {rules.date}.",
        )
    )
    if place.name and not place.name.startswith("sheet"):
        yield Paragraph(("For the enforcement point ", Said(place.name), "."))
    domains: list[str | Said] = []
    for domain in rules.accepted:
        domains += [", " if domains else "", Said(domain.name)]
    yield Points(
        (
            f"Port: TCP {ports(place)}",
            f"Mail server: IPv4 {inner(place, 4)}, IPv6 {inner(place, 6)}",
            ("Domains: ", *domains),
        )
    )
    if rules.valid_until is not None:
        yield Paragraph(f"An entry expires on {rules.valid_until}: make a new page on the day after.", True)
    if rules.follows:
        names = [Said(name) for name in rules.follows]
        yield Paragraph(("These addresses change by themselves, so look for a new page often: ", *_list(names)), True)


def _list(names: list[Said]) -> Iterator[str | Said]:
    for number, name in enumerate(names):
        yield ", " if number else ""
        yield name


def _before(rules: Rules, place: Place) -> Iterator[Block]:
    yield Heading("Before you begin")
    yield Points(tuple(_boxes(rules, place)), boxes=True)


def _boxes(rules: Rules, place: Place) -> Iterator[Line]:
    if rules.connect.only_listed:
        yield "Every MX record of every domain above points at the filter, and has done so for 72 hours."
        yield (
            "The filter has been seen delivering: the mail server's log shows its addresses, and all of them are below."
        )
        yield (
            "Who else sends to the mail server's port 25 from outside is listed below: branch offices, printers and "
            "scanners, web servers, monitoring, a backup MX, Exchange Online in a hybrid setting."
        )
        yield "Users who send mail from outside sign in on port `587` or `465`. Port 25 closes for them."
    yield "You don't administer the router over the port or the address that is about to change."
    yield "You have saved the router's settings, and have photographed the present forward or rule."
    yield "It is a quiet hour, and somebody outside is there to test."
    if rules.connect.only_listed:
        yield f"The port {ports(place)} is open to everybody at present in one place only: you know which rule it is."


def _addresses(rules: Rules, place: Place) -> Iterator[Block]:
    prefixes, _ = counts(rules.connect)
    yield Paragraph(
        "Each row is the same addresses in several notations: use the one that the screen asks for. `/32` or the "
        "mask `255.255.255.255` is a single address."
    )
    if prefixes > BY_HAND:
        yield Paragraph(
            f"These are {prefixes} rows: too many to type without a slip. Use a target that is a file.", True
        )
    for version in (4, 6):
        yield from connecting(rules.connect, version)
    if inside(rules.connect.listed):
        yield Paragraph(
            "Addresses *from inside* are never seen on the router's Internet side. Enter them only in a firewall "
            "that stands between them and the mail server (another network, a branch over VPN). Devices inside must "
            f"reach the mail server by its address inside, {inner(place, 4)}, not by its public name: else they come "
            "in by the router, and some routers then count them as outside."
        )


def _beyond(rules: Rules) -> Iterator[Block]:
    """What the router can't do of the policy, and what to do instead."""
    lines = tuple(_left(rules))
    if lines:
        yield Heading("What a router can't do of this policy")
        yield Points(lines)


_INSTEAD: Final = {
    "domain": " is a name. A router can't look it up for each client. Ask its owner for fixed addresses and have them "
    "added to the policy, or let the mail server or an Arrowslit gateway decide. Until then it does not count here.",
    "certificate": " is a certificate, which a router never sees. Ask its owner for fixed addresses and have them "
    "added to the policy, or put an Arrowslit gateway behind the router. Until then it does not count here.",
}


def _left(rules: Rules) -> Iterator[Line]:
    for one in rules.connect.others:
        note: tuple[str | Said, ...] = (Said(one.entry.note), " - ") if one.entry.note else ()
        yield (*note, Said(one.entry.value), " (", Said(one.rule), ")", _INSTEAD[one.entry.kind])
    if any(source.entry.require_tls for source in rules.connect.sources):
        yield "Entries that demand TLS: the router lets them in without; the mail server has to demand it."
    if rules.server.recipient_exceptions:
        yield (
            "Exceptions for single recipients: whoever is refused by the router can't write to them either. To keep "
            "them, leave the port open and let the mail server or an Arrowslit gateway refuse."
        )
    if not rules.delivers_by_default:
        yield "Who may deliver to which domain is for the mail server: the router only decides who may connect."


_BY_HAND: Final = "the rule that lets everybody in is removed by hand: until then nothing is restricted"


def _write(render: Callable[[Page], str], rules: Rules, place: Place) -> Body:
    return Body(
        render(page_of(rules, place)),
        apply=("open FILE or print it, and follow it",),
        check=('see "Check it from outside" in FILE',),
        undo=('see "How to go back" in FILE',),
        gaps=tuple(_widening(rules)),
        notes=() if rules.observes else (_BY_HAND,),
    )


def _widening(rules: Rules) -> Iterator[Gap]:
    """An entry of those who may not connect that the page can only name lets somebody in."""
    if rules.connect.others and not rules.connect.only_listed:
        found = tuple(one.rule for one in rules.connect.others)
        yield Gap(Term.DOMAIN.value, GAPS[Term.DOMAIN.value], found, widens=True)


_TERMS: Final = frozenset({Term.IPV6, Term.DOMAIN, Term.CERTIFICATE})

_MORE: Final = frozenset({Term.DOMAIN.value})

SHEET: Final = Target("sheet", "setting by hand", CONNECT, _TERMS, HTML_PAGE, "html", partial(_write, html), _MORE)

SHEET_MARKDOWN: Final = Target(
    "sheet-markdown",
    "setting by hand (Markdown)",
    CONNECT,
    _TERMS,
    MARKDOWN_PAGE,
    "md",
    partial(_write, markdown),
    _MORE,
)
