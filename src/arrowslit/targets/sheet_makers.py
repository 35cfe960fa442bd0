"""What to do on the screens of makers that vendors of filtering services write about, for the sheet.

Menus are called as their makers call them now; they move from version to version, so each section says what the thing
is, too. Sources: Google "Set up an inbound mail gateway"; SonicOS administration guides on access rules and address
objects; WatchGuard Fireware help on policies and aliases; UniFi help on port forwarding.
"""

from __future__ import annotations

from collections.abc import Iterator

from arrowslit.targets.page import Block, Heading, Paragraph, Points
from arrowslit.targets.rules import Rules
from arrowslit.targets.sheet_addresses import inner, outside, ports
from arrowslit.targets.target import Place


def sonicwall(place: Place) -> Iterator[Block]:
    """SonicOS: address objects, a group, and the access rule."""
    yield Heading("SonicWall")
    yield Points(
        (
            "Save the settings first: *Device > Settings > Firmware and Settings*, export.",
            "*Object > Match Objects > Addresses*: one address object for each row, zone *WAN*, type *Network* "
            "(address and mask), *Host* for a single address, or *Range*; then one address group `Arrowslit` of all "
            "of them.",
            f"*Policy > Rules and Policies > Access Rules*, from *WAN* to the zone of {inner(place, 4)}: edit the "
            f"rule that permits port {ports(place)} (*SMTP*) and set *Source* to the group `Arrowslit` in place of "
            "*Any*.",
            "Leave the NAT policy as it is: it only translates, and the access rule decides.",
            "*Remove or narrow each other rule* from *WAN* that permits this port or *Any* service to the mail server.",
            "Under *Anti-Spam*, rules that SonicWall made itself also open the port: turn that service off if unused.",
        ),
        steps=True,
    )


def watchguard(place: Place) -> Iterator[Block]:
    """Fireware: an alias, and the policy's From."""
    yield Heading("WatchGuard Firebox")
    yield Points(
        (
            "Save the configuration to a file, or make a backup image, first.",
            "*Firewall > Aliases*: add `Arrowslit` with each row as *Network IPv4*, *Host IPv4* or *Host Range IPv4*.",
            f"*Firewall > Firewall Policies*: edit the policy for port {ports(place)} (*SMTP* or *SMTP-proxy*) whose "
            f"*To* is the static NAT to {inner(place, 4)}.",
            "In *From* add the alias `Arrowslit`, then *remove Any-External* (and *Any*). Save.",
            "*Remove or narrow each other policy* that lets *Any-External* reach this port, *1-to-1 NAT* included.",
        ),
        steps=True,
    )


def unifi(place: Place) -> Iterator[Block]:
    """UniFi: a list, and the forward's source."""
    yield Heading("UniFi")
    yield Points(
        (
            "Make a backup first: *Settings > System > Backups*.",
            "Make a list of all rows: *Settings > Profiles* (or *Objects*) *> Network Lists* (older: *IP Groups*).",
            f"In the port forward to {inner(place, 4)} port {ports(place)} set *From* or *Source* to *Limited* and "
            "choose the list; where it takes one address only, one forward for each row.",
            "*Remove the forward whose source is Any.*",
            "Test it from outside. Some versions did not enforce *Limited* while firewall rules were made "
            "automatically; then add two rules *Internet In* above those: accept from the list, drop all others, "
            "both to this port.",
        ),
        steps=True,
    )


def google(rules: Rules) -> Iterator[Block]:
    """Gmail's own gate: it admits gateways only."""
    yield Heading("Google Workspace: inbound gateway")
    yield Paragraph("Only where the mailboxes are at Google: then this takes the place of a router.")
    if not outside(rules.connect.listed):
        yield Paragraph("No address from the Internet is listed: with this setting all mail would be refused.", True)
        return
    yield Points(
        (
            "Admin console: *Apps > Google Workspace > Gmail > Spam, Phishing and Malware*, choose the top "
            "organisation.",
            "*Inbound gateway*: edit, enable it, and under *Gateway IPs* add each row of the tables of addresses "
            "from the Internet, as `address/prefix`. Addresses from inside can't be added there.",
            "Leave *Automatically detect external IP* ticked.",
            "Check that every row is there, then tick *Reject all mail not from gateway IPs*.",
            "Tick *Require TLS for connections from the email gateways listed above* if all of them use TLS.",
            "Save. It can take a day until it holds everywhere.",
        ),
        steps=True,
    )
    yield Paragraph(
        "Google makes no SPF and DMARC checks for these addresses, so only list those that check by themselves. To "
        "go back, clear *Reject all mail not from gateway IPs* and save. Clear it before the MX moves away from the "
        "filter."
    )
