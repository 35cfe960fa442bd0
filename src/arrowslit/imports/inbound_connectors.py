"""Inbound connectors of Exchange Online: whose mail the tenant takes.

The tenant is locked where an enabled Partner connector for all sender domains restricts them, to addresses or to a
certificate; then whoever such a connector names may deliver. Without one everybody may, and the import says so. Two
restrictions in one connector do not combine in a documented way, connectors for some sender domains or recipients and
those of the organisation itself (OnPremises) depend on more than the client: none of these lets anybody in here.
Relaying through the tenant depends on the sender, and is not carried over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from arrowslit.imports.accepted_domains import is_accepted_domain, take_accepted_domains
from arrowslit.imports.as_entries import EVERYBODY, entry
from arrowslit.imports.imported import (
    AccessList,
    Entry,
    Expectation,
    Imported,
    ImportFailedError,
    Kind,
    Source,
    VirtualServer,
)
from arrowslit.imports.inbound_connector import HOW, Inbound, inbound_of, is_inbound
from arrowslit.imports.powershell import doubt_ends, only, things_of
from arrowslit.imports.stated import Stated, first_addresses
from arrowslit.imports.things import as_bool, as_texts
from arrowslit.mail.address_range import address_set
from arrowslit.mail.address_set import EMPTY
from arrowslit.mail.domain import normalise_domain


def recognise(text: str) -> int:
    """By properties that nothing else has."""
    return 95 if "RestrictDomainsToIPAddresses" in text or "RestrictDomainsToCertificate" in text else 0


def read(sources: Sequence[Source]) -> Imported:
    """All files together. Raises ImportFailedError where one is not whole or not understood."""
    things = things_of(sources, HOW)
    only(things, (is_inbound, is_accepted_domain), HOW)
    told = [one for one in things if is_inbound(one)]
    connectors = [inbound_of(one) for one in told]
    if not connectors:
        names = ", ".join(source.name for source in sources) or "no file"
        raise ImportFailedError(f"there is no inbound connector in {names}. Export them with: {HOW}")
    found = Imported()
    doubt_ends(told, "inbound connectors", found)
    take_accepted_domains((one for one in things if is_accepted_domain(one)), found)
    made = VirtualServer("default", connectors[0].thing.origin("Get-InboundConnector"), relay_restrictions=AccessList())
    made.connection_control = _connection(connectors, found)
    found.servers.append(made)
    for one in connectors:
        _leave(one, found)
    _expect(connectors, made, found)
    return found


def _connection(connectors: Sequence[Inbound], found: Imported) -> AccessList:
    locking = [one for one in connectors if one.locks]
    origin = (locking or connectors)[0].thing.origin("Get-InboundConnector")
    if not locking:
        says = "no connector in these files locks the tenant: everybody may deliver, past every filter"
        instead = "connection_control with only_listed and the addresses of your filter"
        found.leave(origin, f"no lock in {len(connectors)} connectors", says, instead)
        return AccessList("all_except_listed", origin=origin)
    return AccessList(only_listed=[entry for one in locking for entry in _named(one, found)], origin=origin)


def _named(one: Inbound, found: Imported) -> Iterator[Entry]:
    """Whom a connector that locks lets in."""
    origin = one.thing.origin(one.name)
    if one.by_address and one.by_certificate:
        says = "restrictions to addresses and to a certificate do not combine in one connector: nobody by this one"
        found.leave(origin, "both Restrict... are on", says, "two connectors, or entries by hand")
    elif one.by_address:
        for range_ in one.ranges:
            yield entry(range_, origin, one.name, require_tls=one.require_tls)
    elif _is_pattern(one.certificate):
        yield Entry("certificate", one.certificate.lower(), origin, one.name)
    else:
        text = f"TlsSenderCertificateName {one.certificate}".strip()
        found.leave(origin, text, "it is no name of a certificate that an entry can hold", "list it by hand")


def _is_pattern(name: str) -> bool:
    try:
        normalise_domain(name.removeprefix("*."))
    except ValueError:
        return False
    return True


def _leave(one: Inbound, found: Imported) -> None:
    origin = one.thing.origin(one.name)
    if not one.enabled:
        found.leave(origin, "Enabled False", "the connector is off, and does nothing")
    elif not one.partner:
        says = "mail of the organisation's own servers is told by more than the client, and may relay by its sender"
        found.doubt(origin, "OnPremises", says, "list your own servers by hand where they have to come in")
    elif not one.locks:
        says = "it names clients and restricts nobody, or is for some sender domains: nobody is let in by it here"
        found.doubt(origin, "Partner", says, "list its clients by hand where they have to come in")
    elif one.for_some_recipients:
        says = "it is for some accepted domains only, and is taken here for all"
        found.doubt(origin, "AssociatedAcceptedDomains", says, "a delivery of its own for these accepted domains")
    for name in ("TreatMessagesAsInternal", "EFSkipLastIP"):
        if one.enabled and as_bool(one.thing.get(name)):
            found.leave(origin, f"{name} True", "how mail is judged after it was taken is not carried over")
    if one.enabled and as_texts(one.thing.get("EFSkipIPs")):
        found.leave(origin, "EFSkipIPs", "whom to look past for the true sender is not carried over")


def _expect(connectors: Iterable[Inbound], made: VirtualServer, found: Imported) -> None:
    locking = [one for one in connectors if one.locks]
    named = [one for one in locking if one.by_address and not one.by_certificate]
    addresses = address_set(range_ for one in named for range_ in one.ranges)
    stated = Stated(found, "default", addresses if locking else EVERYBODY, EMPTY)
    for one in named:
        for address in list(first_addresses(address_set(one.ranges).ranges()))[:3]:
            stated.of(address, f"whom {one.name} names", one.thing.origin(one.name))
    stated.of_a_stranger(addresses, made.origin)
    stated.done()
    for each in made.connection_control.only_listed:
        if each.kind == "certificate" and not each.value.startswith("*."):
            facts = (("from", "198.51.100.77"), ("tls", True), ("certificate", each.value))
            that = f"who shows the certificate {each.value} may connect"
            found.expectations.append(Expectation(that, "permit", each.origin, facts))


EXCHANGE_ONLINE: Final = Kind("exchange-online", "Inbound connectors of Exchange Online", recognise, read)
