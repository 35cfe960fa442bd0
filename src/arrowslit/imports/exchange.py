"""Exchange Server 2007 to Subscription Edition: receive connectors, their permissions, accepted domains.

Objects of Get-ReceiveConnector, Get-ADPermission, Get-AcceptedDomain and Get-TransportConfig, together in one file or
in several, in any form that PowerShell writes. Who relays is told by Get-ADPermission or ExternalAuthoritative alone:
without them relaying is unknown, and nobody may. Servers of Exchange among themselves, partners with mutual TLS and
accounts that sign in by Windows are not carried, and named.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from arrowslit.imports.accepted_domains import is_accepted_domain, take_accepted_domains
from arrowslit.imports.as_entries import both
from arrowslit.imports.connector_rights import delivers, relays, secured_outside, signs_in
from arrowslit.imports.connector_server import virtual_server
from arrowslit.imports.exchange_values import CUSTOM, EXTERNAL, INTEGRATED, LEGACY_SERVERS, PARTNERS, SERVERS, octets
from arrowslit.imports.imported import Imported, ImportFailedError, Kind, Source
from arrowslit.imports.listeners import Listener, listeners
from arrowslit.imports.powershell import doubt_ends, only, things_of
from arrowslit.imports.receive_connector import HOW, Connector, connector_of, is_receive_connector
from arrowslit.imports.relay_rights import HOW as HOW_RIGHTS
from arrowslit.imports.relay_rights import Rights, is_permission, rights_of
from arrowslit.imports.stated import Stated, first_addresses
from arrowslit.imports.things import Thing, as_int
from arrowslit.mail.address_set import EMPTY, AddressSet

_MOST: Final = 1 << 31
"""A connector with half of the IPv4 addresses is for everybody who has no other."""
_MARKS: Final = (
    ("RemoteIPRanges", 90),
    ("ms-Exch-SMTP-Submit", 80),
    ("ms-Exch-SMTP-Accept-", 80),
    ("MaxRecipientEnvelopeLimit", 70),
    ("DomainType", 60),
)


def recognise(text: str) -> int:
    """By properties that nothing else has."""
    return max((sure for mark, sure in _MARKS if mark in text), default=0)


def read(sources: Sequence[Source]) -> Imported:
    """All files together. Raises ImportFailedError where one is not whole or not understood."""
    things = things_of(sources, HOW)
    only(things, (is_receive_connector, is_permission, is_accepted_domain, _is_transport), HOW)
    found = Imported()
    told = [one for one in things if is_receive_connector(one)]
    connectors = _once(map(connector_of, told))
    doubt_ends(told, "receive connectors", found)
    if not connectors:
        raise ImportFailedError(f"there is no receive connector in {_names(sources)}. Export them with: {HOW}")
    take_accepted_domains((one for one in things if is_accepted_domain(one)), found)
    rows = [one for one in things if is_permission(one)]
    doubt_ends(rows, "rows of Get-ADPermission", found)
    rights = rights_of(rows, connectors, found)
    all_ = listeners(connectors, rights, found)
    alone = len({one.server.lower() for one in all_}) <= 1
    for listener in all_:
        name = listener.name(alone=alone)
        found.servers.append(virtual_server(listener, name, found))
        _say_losses(listener, rights, found)
        _expect(listener, name, found)
    _whole_organisation(things, found)
    return found


def _names(sources: Sequence[Source]) -> str:
    return ", ".join(source.name for source in sources) or "no file"


def _once(connectors: Iterable[Connector]) -> list[Connector]:
    made: dict[str, Connector] = {}
    for one in connectors:
        other = made.setdefault(one.identity.lower(), one)
        if other != one:
            raise ImportFailedError(
                f"{one.identity} stands twice in these files, and not the same: import the newer only"
            )
    return list(made.values())


def _say_losses(listener: Listener, rights: dict[str, Rights], found: Imported) -> None:
    for one in listener.connectors:
        _say_unknown(one, rights[one.identity], found)
        _say_lost(one, found)
    for left, right in listener.owned.between:
        names = f"{listener.connectors[left].identity} and {listener.connectors[right].identity}"
        says = "their remote ranges cross or are the same: which one takes the client can't be told, so that nobody may"
        found.doubt(listener.connectors[left].origin("RemoteIPRanges"), names, says, "list these clients by hand")
    if listener.doubtful:
        found.doubt(
            listener.connectors[0].origin("Bindings"),
            f"{listener.address}:{listener.port}",
            "connectors on all addresses may take clients here too: only what both readings give is carried over",
        )


def _say_unknown(one: Connector, rights: Rights, found: Imported) -> None:
    if relays(one, rights) is None:
        found.doubt(
            one.origin(),
            "relay unknown",
            "the right to relay is not in the connector: without rows of Get-ADPermission nobody may relay here",
            f"export them too: {HOW_RIGHTS}",
        )
    if one.takes(EXTERNAL) and not secured_outside(one):
        found.doubt(
            one.origin("AuthMechanism"),
            "ExternalAuthoritative",
            "without ExchangeServers in PermissionGroups it gives nothing, as far as is known",
        )


def _say_lost(one: Connector, found: Imported) -> None:
    origin = one.origin("PermissionGroups")
    if secured_outside(one):
        says = "whom it takes skips the checks and may relay, without signing in: carried over as it is"
        found.remark(one.origin("AuthMechanism"), "ExternalAuthoritative", says, "see whether all of them have to")
    elif one.holds(SERVERS | LEGACY_SERVERS):
        says = "servers of Exchange sign in to each other in a way of their own, which is not carried over"
        found.leave(origin, "ExchangeServers", says, "list the other servers by address where they come in here")
    if one.holds(PARTNERS):
        says = "a partner is known by its certificate, and which one is not in the connector"
        found.leave(origin, "Partners", says, "an entry by certificate")
    if one.holds(CUSTOM) and not delivers(one) and not signs_in(one):
        says = "rights were given one by one, and are not read from there"
        found.leave(origin, "Custom", says, "list by hand who may deliver")
    if signs_in(one) and one.takes(INTEGRATED):
        says = "signing in by Windows (NTLM, Kerberos) is not spoken; PLAIN and LOGIN are"
        found.leave(one.origin("AuthMechanism"), "Integrated", says, "let clients sign in with name and password")


def _expect(listener: Listener, name: str, found: Imported) -> None:
    """Of the connectors that are for somebody, and of a stranger."""
    grants = listener.grants
    stated = Stated(found, name, grants.deliver, grants.relay, grants.sign_in)
    listed: list[AddressSet] = []
    for number, one in enumerate(listener.connectors):
        claim = listener.owned.owned(number)
        if sum(last - first for first, last in claim.pairs()[0]) >= _MOST:
            continue
        listed.append(claim)
        own = both(claim, grants.deliver) if delivers(one) else claim
        for address in list(first_addresses(own.ranges()))[:3]:
            stated.of(address, f"whom {one.name} takes", one.origin())
    stated.of_a_stranger(EMPTY.union(*listed), listener.connectors[0].origin())
    stated.done()


def _is_transport(thing: Thing) -> bool:
    return thing.has("MaxRecipientEnvelopeLimit")


def _whole_organisation(things: Iterable[Thing], found: Imported) -> None:
    """Get-TransportConfig: limits that hold for every connector."""
    for thing in things:
        if not _is_transport(thing):
            continue
        for key, value in (
            ("message_bytes", octets(thing.get("MaxReceiveSize"))),
            ("recipients_a_message", as_int(thing.get("MaxRecipientEnvelopeLimit"))),
        ):
            for server in found.servers:
                if value and value > 0:
                    before = server.settings.get(key)
                    server.settings[key] = min(value, before) if isinstance(before, int) else value


EXCHANGE: Final = Kind("exchange", "Exchange Server 2007 to Subscription Edition", recognise, read)
