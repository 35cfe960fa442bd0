"""The addresses of a list as tables of the sheet, each in every notation that a router's screen may ask for.

Addresses that can't come from the Internet stand apart: a router between its office and the Internet never sees them on
its outer side, and each forward that is typed by hand costs time.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from arrowslit.mail.address_set import AddressSet
from arrowslit.targets.edge import INSIDE
from arrowslit.targets.page import Block, Group, Line, Paragraph, Said, Table
from arrowslit.targets.rules import Access, Source
from arrowslit.targets.target import Place
from arrowslit.targets.text import ranges

_HEADS: Final = {4: ("Address/prefix", "Mask", "Last address"), 6: ("Address/prefix", "Last address")}


def inner(place: Place, version: int) -> str:
    """The mail server's address, or a line to write it on."""
    found = [str(address) for address in place.server if address.version == version]
    return f"`{found[0]}`" if found else "____________ (write it here)"


def ports(place: Place) -> str:
    """The ports, marked as exact."""
    return ", ".join(f"`{port}`" for port in place.ports)


def outside(addresses: AddressSet) -> AddressSet:
    """Those that a client from the Internet may have."""
    return addresses.subtract(INSIDE)


def inside(addresses: AddressSet) -> AddressSet:
    """The others."""
    return addresses.subtract(outside(addresses))


def connecting(access: Access, version: int) -> Iterator[Block]:
    """Who may, or may not, connect over one family: tables, or the sentence that it is nobody, or everybody."""
    may = "may" if access.only_listed else "may not"
    found = list(_tables(access, version, f"IPv{version} addresses that {may} connect"))
    if found:
        yield from found
    elif access.only_listed:
        yield Paragraph(f"Over IPv{version} nobody may connect: there must be no forward or rule at all for it.", True)
    else:
        yield Paragraph(f"Over IPv{version} everybody may connect: no address is refused.")


def relaying(access: Access) -> Iterator[Block]:
    """Who may relay by his address, both families."""
    may = "may" if access.only_listed else "may not"
    for version in (4, 6):
        yield from _tables(access, version, f"IPv{version} addresses that {may} relay", apart=False)


def _tables(access: Access, version: int, caption: str, *, apart: bool = True) -> Iterator[Block]:
    parts = [(caption, outside), (f"{caption} from inside", inside)] if apart else [(caption, _all)]
    for title, part in parts:
        groups = [_group(source, part(source.addresses), version) for source in access.sources]
        kept = tuple(group for group in groups if group.rows)
        if kept:
            yield Table(title, _HEADS[version], kept, "Who")


def _all(addresses: AddressSet) -> AddressSet:
    return addresses


def _group(source: Source, addresses: AddressSet, version: int) -> Group:
    rows = tuple(_row(prefix) for prefix in addresses.cidrs() if prefix.version == version)
    whole = [f"`{first} - {last}`" for first, last in ranges(addresses, version) if first != last]
    more = f"; as ranges: {', '.join(whole)}" if len(rows) > len(list(ranges(addresses, version))) else ""
    return Group(_about(source), rows, more)


def _row(prefix: IPv4Network | IPv6Network) -> tuple[str, ...]:
    last = str(prefix.broadcast_address)
    return (str(prefix), str(prefix.netmask), last) if prefix.version == 4 else (str(prefix), last)


def _about(source: Source) -> Line:
    line: list[str | Said] = [Said(source.says), " - "] if source.says else []
    line.append(Said(source.rule))
    if source.entry.owner:
        line += ["; owner: ", Said(source.entry.owner)]
    if source.entry.expires is not None:
        line.append(f"; remove it after {source.entry.expires}")
    return tuple(line)


def counts(access: Access) -> tuple[int, int]:
    """How many prefixes, and how many ranges, somebody has to type for IPv4 clients from the Internet."""
    each = [outside(source.addresses) for source in access.sources]
    prefixes = sum(1 for one in each for prefix in one.cidrs() if prefix.version == 4)
    return prefixes, sum(len(one.pairs()[0]) for one in each)
