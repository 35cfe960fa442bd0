"""What to do on the screens of a router whose make is not known, for the sheet, and in which order the sections come.

Nobody is told to leave a source empty or to make an empty group: screens read both as anybody. Sources: DrayTek
knowledge base on source addresses of port redirections.
"""

from __future__ import annotations

from collections.abc import Iterator

from arrowslit.targets.page import Block, Heading, Line, Paragraph, Points
from arrowslit.targets.rules import Rules
from arrowslit.targets.sheet_addresses import counts, inner, outside, ports
from arrowslit.targets.sheet_makers import google, sonicwall, unifi, watchguard
from arrowslit.targets.target import Place


def screens(rules: Rules, place: Place) -> Iterator[Block]:
    """All sections, for a list of who may or of who may not."""
    if not rules.connect.only_listed:
        yield from _refusing(place)
        yield from _ipv6_refusing(place)
        return
    if counts(rules.connect)[0]:
        yield from _home(rules, place)
        yield from _no_source(place)
        yield from sonicwall(place)
        yield from watchguard(place)
        yield from unifi(place)
    else:
        yield from _closing(place)
    yield from _ipv6(rules, place)
    yield from google(rules)


def _home(rules: Rules, place: Place) -> Iterator[Block]:
    prefixes, ranges = counts(rules.connect)
    yield Heading("Home and small-office router: the port forwarding screen")
    yield Paragraph(
        "The screen is called *Port forwarding*, *Virtual server*, *NAT* or *Port sharing*. It needs a field for the "
        "*source* (*Source IP*, *Remote host*, *Allowed from*). If there is none, see the next section."
    )
    yield Points(tuple(_forward(place)))
    yield Points(tuple(_forward_steps(prefixes, ranges)), steps=True)


def _closing(place: Place) -> Iterator[Block]:
    """Nobody comes in over IPv4: an empty group of addresses must not be made, as some screens read it as anybody."""
    yield Heading("On the router or firewall")
    yield Paragraph("No IPv4 address from the Internet is listed. Make no group or list for this: close the port.")
    yield Points(
        (
            "Write down, or photograph, the forward or rule that is there now. It is your way back.",
            f"*Remove every forward and rule* that lets the Internet reach {inner(place, 4)} on port {ports(place)}, "
            "whatever its source is.",
            "Turn off *DMZ host* or *Exposed host* to the mail server, and delete *UPnP* mappings of the port.",
            "Restart the router or clear its connections: those that are open stay open otherwise.",
        ),
        steps=True,
    )


def _forward(place: Place) -> Iterator[Line]:
    yield f"External port (*WAN port*, *Public port*): {ports(place)}"
    yield f"Internal address (*LAN IP*, *Server IP*): {inner(place, 4)}"
    yield f"Internal port (*Private port*): the same as outside, {ports(place)}, unless the old forward says otherwise"
    yield "Protocol: *TCP* only"
    yield (
        "Source: a row of the table of IPv4 addresses (not of those from inside). With one field write "
        "`address/prefix`; with two, the address and its mask; with *from* and *to*, the address and the last address"
    )


def _forward_steps(prefixes: int, ranges: int) -> Iterator[Line]:
    yield "Write down, or photograph, the forward that is there now. It is your way back."
    yield (
        "Where a forward takes a list or a group of sources (DrayTek: *IP Object* and *IP Group*): make one group of "
        "all rows and choose it as the source of the forward that is there. Nothing else changes."
    )
    yield (
        f"Where a forward takes one source: make one forward for each row, `{prefixes}` in all (`{ranges}` if it "
        "takes ranges), all to the same internal address and port. Add them beside the old one, then remove the old "
        "one."
    )
    yield (
        "Where a second forward of the same port is refused while the wide one is there: set the first row as the "
        "source of the old forward, then add the others at once. A sender that fails meanwhile tries again."
    )
    yield "*Remove the wide forward*: the one whose source is empty, `0.0.0.0`, `0.0.0.0/0`, *Any* or *All*."
    yield (
        "Turn off what else opens the port: *DMZ host* or *Exposed host* to the mail server, a forward of a range of "
        "ports with this one in it, and mappings that were made by *UPnP* (look at its list and delete them)."
    )
    yield "Save, and restart the router or clear its connections: those that are open stay open otherwise."


def _no_source(place: Place) -> Iterator[Block]:
    yield Heading("If your router has no source field")
    yield Paragraph(
        "Many boxes that providers hand out have none. Then it can't do this, and a forward there is open to "
        "everybody. Don't leave the source empty in the hope that something else refuses. One of these does it instead:"
    )
    yield Points(
        (
            "an Arrowslit gateway behind the router: the forward goes to the gateway, which applies the whole policy",
            f"the firewall of the mail server's own machine ({inner(place, 4)}): the router hands on the client's "
            "address, so the host can refuse by it (check that: some routers put their own address in its place)",
            "the mail server's own list of who may connect (Exchange: receive connector; Postfix: client restrictions)",
            "a router or firewall that has the field, in front of or in place of this one",
            "the provider, if the connection is managed: send them this page",
        )
    )


def _ipv6(rules: Rules, place: Place) -> Iterator[Block]:
    yield Heading("IPv6")
    yield Paragraph(
        "IPv6 has no forwarding: the server has an address of its own, and a firewall rule lets clients through. A "
        "restriction of the IPv4 forward does nothing for IPv6, so this has to be looked at even if nobody uses it."
    )
    listed = bool(outside(rules.connect.listed).pairs()[1])
    yield Points(tuple(_ipv6_steps(place, listed)), steps=True)
    yield Paragraph(
        "If your router knows no IPv6 rules by source: permit nothing there (no *IPv6 pinhole* for this port), and "
        "remove the AAAA record of the mail server's name, so that nobody tries. If it has no IPv6 at all, there is "
        "nothing to do, but the AAAA record must be absent too."
    )


def _ipv6_steps(place: Place, listed: bool) -> Iterator[Line]:
    if listed:
        yield (
            f"Add one rule for each row of the IPv6 table: from that prefix, to {inner(place, 6)}, TCP port "
            f"{ports(place)}, permit."
        )
    else:
        yield f"No IPv6 address from the Internet is listed: there must be no rule that permits port {ports(place)}."
    yield "SonicWall, WatchGuard, UniFi: the rule and the group for IPv4 do not hold for IPv6; make both again for it."
    yield "*Remove each IPv6 rule, pinhole or exposed host* that permits this port, or everything, from anywhere."
    yield "Whatever is not permitted must be refused: look for the default of incoming IPv6, and set it to *deny*."


def _refusing(place: Place) -> Iterator[Block]:
    yield Heading("On the router or firewall")
    yield Paragraph(
        "This policy lets everybody connect but those in the tables. Port forwards can only name who may, so don't "
        "try this with the source field of a forward. It needs rules that refuse:"
    )
    yield Points(
        (
            "Save the settings, or photograph the rules: they are your way back.",
            "Make one address group `Arrowslit` of all rows (*Address objects*, *Alias*, *Network list*, *IP group*).",
            f"Add a rule from the Internet to {inner(place, 4)}, TCP port {ports(place)}, source `Arrowslit`: *deny* "
            "or *drop*. It must stand above the rule that permits the port; the first rule that fits decides.",
            "SonicWall: *Access Rules*, *WAN* to the server's zone. WatchGuard: a policy of its own with *Denied*. "
            "UniFi: a firewall policy *Block*, above the automatic ones.",
            "FortiGate-like firewalls: a rule that denies must also match forwarded addresses (virtual IPs).",
        ),
        steps=True,
    )
    yield Heading("If your router has no rules that refuse")
    yield Paragraph(
        "Then it can't do this. Let the mail server, its host's firewall or an Arrowslit gateway refuse them."
    )
    yield Paragraph("Google Workspace: use *Blocked senders* with these addresses; an inbound gateway can't do this.")


def _ipv6_refusing(place: Place) -> Iterator[Block]:
    yield Heading("IPv6")
    yield Paragraph(
        f"The same rule again for IPv6, to {inner(place, 6)}, with the rows of the IPv6 table. A rule for IPv4 does "
        "not hold there. If your router has no IPv6, there is nothing to do."
    )
