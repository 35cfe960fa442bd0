"""RelayIpList and IPSecurity as lists of a policy: which mode, who is listed, and what can't be carried over.

Null and empty are two things. A relay list that is null lists nobody in the strict mode; an empty array is "all except
the list below" with nobody below it: an open relay. Where a file can't tell an empty array from a cure for a crash of
the console that also writes an empty text, the strict reading counts and the other is said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from arrowslit.imports.as_entries import entry
from arrowslit.imports.imported import AccessList, Entry, Imported, Origin
from arrowslit.imports.ip_list_blob import BlobError, IpList, decode
from arrowslit.imports.smtp_values import Property, Service
from arrowslit.mail.address_range import AddressRange

_BY_HAND: Final = "look at the tab Access of the virtual server and list them by hand"


@dataclass(frozen=True, slots=True)
class Which:
    """One of the two lists: the property, what it is in words, and what the service does where nothing is set."""

    name: str
    what: str
    open_by_default: bool


CONNECT: Final = Which("ipsecurity", "who may connect", open_by_default=True)
RELAY: Final = Which("relayiplist", "who may relay", open_by_default=False)


def access_list(service: Service, which: Which, found: Imported) -> AccessList:
    """The list; where it can't be read, nobody."""
    one = service.properties.get(which.name)
    if one is None:
        return _not_there(service, which, found)
    if not one.value:
        return _empty(one, which, found)
    if not isinstance(one.value, bytes):
        return _unread(one, which, found, "it is no list of octets")
    try:
        return _carried(decode(one.value), one, which, found)
    except BlobError as error:
        return _unread(one, which, found, str(error))


def _everybody(origin: Origin) -> AccessList:
    return AccessList("all_except_listed", origin=origin)


def _not_there(service: Service, which: Which, found: Imported) -> AccessList:
    if not which.open_by_default or service.whole:
        return _everybody(service.origin) if which.open_by_default else AccessList(origin=service.origin)
    found.doubt(
        service.origin,
        f"{which.name} is not in the file",
        f"an export that may leave things out does not say {which.what}: read as nobody",
        "set connection_control by hand, or export the whole metabase",
    )
    return AccessList(origin=service.origin)


def _empty(one: Property, which: Which, found: Imported) -> AccessList:
    """Null, an empty array, or a text with nothing in it."""
    if which.open_by_default or one.value == ():
        return _everybody(one.origin)
    if one.value is None:
        return AccessList(origin=one.origin)
    found.doubt(
        one.origin,
        f"{one.origin.what} is empty",
        "it may mean that everybody may relay (all except nobody): read as nobody",
        "test from outside whether the old server is an open relay",
    )
    return AccessList(origin=one.origin)


def _unread(one: Property, which: Which, found: Imported, says: str) -> AccessList:
    found.leave(one.origin, f"{one.origin.what}: {says}", f"{which.what} could not be read: read as nobody", _BY_HAND)
    return AccessList(origin=one.origin)


def _carried(read: IpList, one: Property, which: Which, found: Imported) -> AccessList:
    granted = _entries(read.granted, one.origin, found)
    denied = _entries(read.denied, one.origin, found)
    if read.granted_names:
        says = "names of clients stand in the list in a form that is not known"
        found.leave(one.origin, f"{read.granted_names} domain names", says, "list them by hand, as domain entries")
    if read.only_listed:
        return AccessList("only_listed", granted, denied, one.origin)
    if read.denied_names:
        return _unread(one, which, found, f"{read.denied_names} domain names are refused, and they are not known")
    if not denied and not which.open_by_default:
        found.doubt(
            one.origin,
            "a list of nobody",
            "neither those who may nor those who may not are listed: read as nobody may relay",
            "test from outside whether the old server is an open relay",
        )
        return AccessList(origin=one.origin)
    return AccessList("all_except_listed", granted, denied, one.origin)


def _entries(ranges: Iterable[AddressRange], origin: Origin, found: Imported) -> list[Entry]:
    made: list[Entry] = []
    for one in ranges:
        if one.host_bits:
            says = "its address has bits behind the mask, and the whole group is meant"
            found.doubt(origin, one.text, says, "a smaller group, if it is not")
        made.append(entry(one, origin))
    return made
