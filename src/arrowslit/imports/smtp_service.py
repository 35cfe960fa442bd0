"""Exchange 2000 and 2003 and the SMTP service of IIS: the four settings of the Access tab, and what goes with them.

From MetaBase.xml, `adsutil.vbs enum`, LDIF of Active Directory and objects of WMI. Connecting and relaying keep their
modes and both their lists. Where a directory and a metabase tell of the same virtual server, each makes one of its
own: the directory is the master. Signing in by Windows (NTLM), settings of single domains, routes and mailboxes are
not carried, and named. Source of the facts: the metabase property reference of Windows Server 2003.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from arrowslit.imports.adsutil_text import is_adsutil, read_adsutil
from arrowslit.imports.as_entries import EVERYBODY, both
from arrowslit.imports.imported import (
    AccessList,
    Entry,
    Imported,
    ImportFailedError,
    Kind,
    Source,
    VirtualServer,
)
from arrowslit.imports.ldif_text import is_ldif, read_ldif
from arrowslit.imports.metabase_xml import is_metabase, read_metabase
from arrowslit.imports.smtp_domains import take_domains
from arrowslit.imports.smtp_lists import CONNECT, RELAY, access_list
from arrowslit.imports.smtp_values import Property, Service
from arrowslit.imports.stated import Stated, first_addresses
from arrowslit.imports.windows_objects import is_windows_objects, read_windows_objects
from arrowslit.mail.address_range import address_set, parse_range
from arrowslit.mail.address_set import AddressSet

FORMS: Final[tuple[tuple[Callable[[str], int], Callable[[Source], list[Service]]], ...]] = (
    (is_metabase, read_metabase),
    (is_ldif, read_ldif),
    (is_windows_objects, read_windows_objects),
    (is_adsutil, read_adsutil),
)
_ANONYMOUS, _BASIC, _WINDOWS = 1, 2, 4
_TLS: Final = 8


def recognise(text: str) -> int:
    """By the surest of the forms."""
    return max(sure(text) for sure, _ in FORMS)


def read(sources: Sequence[Source]) -> Imported:
    """All files together. Raises ImportFailedError where one is none of the forms, or none is of a virtual server."""
    found = Imported()
    services = [service for source in sources for service in _services(source)]
    if not services:
        names = ", ".join(source.name for source in sources) or "no file"
        raise ImportFailedError(f"there is no virtual server of the SMTP service in {names}")
    for service in services:
        take_domains(service, found)
    for service, name in _named(services, found):
        found.servers.append(_server(service, name, found))
    return found


def _services(source: Source) -> list[Service]:
    sure, reader = max(((form(source.text), reader) for form, reader in FORMS), key=lambda one: one[0])
    if not sure:
        raise ImportFailedError(
            f"{source.name} is no MetaBase.xml, no adsutil enum, no ldifde and no WMI export of the SMTP service"
        )
    return reader(source)


def _named(services: Sequence[Service], found: Imported) -> Iterable[tuple[Service, str]]:
    taken: set[str] = set()
    for service in services:
        name, count = service.name, 1
        while name in taken:
            count += 1
            name = f"{service.name}-{count}"
        if name != service.name:
            says = "another file told of a virtual server of this name: this one stands beside it"
            found.doubt(service.origin, name, says, "keep one; Active Directory is the master where both are Exchange")
        taken.add(name)
        yield service, name


def _server(service: Service, name: str, found: Imported) -> VirtualServer:
    made = VirtualServer(name, service.origin)
    made.connection_control = access_list(service, CONNECT, found)
    made.relay_restrictions = access_list(service, RELAY, found)
    _sign_in(service, made, found)
    made.require_tls = _demands_tls(service, found)
    for key, setting in (("message_bytes", "maxmessagesize"), ("recipients_a_message", "maxrecipients")):
        value = service.number(setting)
        if value is not None and value > 0:
            made.settings[key] = value
    _next_hop(service, found)
    _leave(service, found)
    _expect(made, found)
    return made


def _demands_tls(service: Service, found: Imported) -> bool:
    """By AccessSSLFlags; not told by a file that may leave things out, it is read as yes."""
    flags = service.number("accesssslflags")
    if flags is None and not service.whole:
        says = "whether everybody has to speak TLS is not known: read as yes"
        found.doubt(service.origin, "AccessSSLFlags is not told", says, "require_tls = false")
        return True
    return bool((flags or 0) & _TLS)


def _sign_in(service: Service, made: VirtualServer, found: Imported) -> None:
    """AuthFlags say who may come without a name; RelayForAuth whether a name lets relay."""
    flags, relay = service.number("authflags"), service.number("relayforauth")
    made.allow_authenticated = relay is not None and relay != 0
    if flags is None:
        says = "whether everybody has to sign in is not known: read as yes"
        found.doubt(
            service.origin, "AuthFlags is not told", says, "take the table authentication away if nobody has to"
        )
        made.authentication = made.authentication_required = True
        return
    origin = service.properties["authflags"].origin
    made.authentication_required = not flags & _ANONYMOUS
    made.authentication = bool(flags & _BASIC) or made.authentication_required
    if flags & _WINDOWS:
        says = "signing in by Windows (NTLM) is not spoken; PLAIN and LOGIN are"
        found.leave(origin, f"AuthFlags {flags}", says, "let clients sign in with name and password")
    if relay is None and made.authentication:
        says = "the console shows it as on, and the metabase has 0 where nothing is set: read as off"
        found.doubt(origin, "RelayForAuth is not told", says, "allow_authenticated = true")


def _next_hop(service: Service, found: Imported) -> None:
    host = service.text("smarthost").removeprefix("[").removesuffix("]")
    if host and not found.relay_next_hop:
        found.relay_next_hop = f"smtp://[{host}]:25" if ":" in host else f"smtp://{host}:25"


_NAMED: Final = (
    ("smtpiprestrictionflag", "what it means is not known", False),
    ("smtpdisablerelay", "its sense is the opposite of its name, and RelayIpList is what counts", False),
    ("serverbindings", "where it listens is a setting of the node", False),
)


def _leave(service: Service, found: Imported) -> None:
    for name, says, widens in _NAMED:
        one = service.properties.get(name)
        if one is not None:
            found.leave(one.origin, f"{one.origin.what} {_shown(one)}".strip(), says, widens=widens)


def _shown(one: Property) -> str:
    return ", ".join(one.value) if isinstance(one.value, tuple) else str(one.value)[:200]


def _expect(made: VirtualServer, found: Imported) -> None:
    """By the lists as the service counts them: IPv4 alone, relaying never without connecting."""
    relay = made.relay_restrictions or AccessList()
    connect = _may(made.connection_control)
    deliver = AddressSet() if made.authentication_required else connect
    relays = AddressSet() if made.authentication_required else both(connect, _may(relay))
    stated = Stated(found, made.name, deliver, relays, connect if made.authentication else AddressSet())
    for one in (relay, made.connection_control):
        listed = address_set(parse_range(each.value) for each in _counting(one))
        who = "who is listed" if one.mode == "only_listed" else "who is excepted"
        for address in list(first_addresses(listed.ranges()))[:5]:
            stated.of(address, who, one.origin or made.origin)
    lists = [each for one in (relay, made.connection_control) for each in _counting(one)]
    stated.of_a_stranger(address_set(parse_range(each.value) for each in lists), made.origin)
    stated.done()


def _counting(one: AccessList) -> list[Entry]:
    return one.only_listed if one.mode == "only_listed" else one.all_except_listed


def _may(one: AccessList) -> AddressSet:
    listed = address_set(parse_range(each.value) for each in _counting(one))
    return listed if one.mode == "only_listed" else EVERYBODY.subtract(listed)


SMTP_SERVICE: Final = Kind("smtp-service", "Exchange 2000 and 2003, and the SMTP service of IIS", recognise, read)
