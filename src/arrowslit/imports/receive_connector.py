"""One receive connector of Exchange, read from an object of `Get-ReceiveConnector`.

Everything that decides about access must be told and whole: a connector that is half known might take a right away
that another one gives, so that the import is refused instead. What only limits (sizes, counts) may lack.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from arrowslit.imports.exchange_values import (
    AUTH_MECHANISMS,
    PERMISSION_GROUPS,
    TRANSPORT_ROLES,
    Binding,
    octets,
    parse_binding,
    parse_remote_range,
    seconds,
    texts_of,
)
from arrowslit.imports.imported import ImportFailedError, Origin
from arrowslit.imports.powershell import demand
from arrowslit.imports.things import Thing, Value, as_bool, as_int, as_text, flags
from arrowslit.mail.address_range import AddressRange

HOW: Final = "Get-ReceiveConnector | Export-Clixml connectors.xml"
NEEDED: Final = (
    "Name",
    "Enabled",
    "Bindings",
    "RemoteIPRanges",
    "PermissionGroups",
    "AuthMechanism",
    "RequireTLS",
)
MAX_RANGES: Final = 50_000
"""Remote ranges of all connectors; Exchange itself takes about 1,200 a connector."""


@dataclass(frozen=True, slots=True)
class Connector:
    """One connector that is enabled or not. `groups` and `mechanisms` are flags of `exchange_values`."""

    name: str
    server: str
    identity: str
    distinguished_name: str
    enabled: bool
    bindings: tuple[Binding, ...]
    ranges: tuple[AddressRange, ...]
    groups: int
    mechanisms: int
    require_tls: bool
    role: int | None
    message_bytes: int | None
    recipients: int | None
    connections_a_source: int | None
    tarpit: int | None
    thing: Thing = field(compare=False)

    def origin(self, what: str = "") -> Origin:
        """The place of the connector, with its name."""
        return self.thing.origin(f"{self.identity or self.name} {what}".rstrip())

    def holds(self, groups: int) -> bool:
        """True where one of these permission groups may use it."""
        return bool(self.groups & groups)

    def takes(self, mechanisms: int) -> bool:
        """True where one of these ways to sign in is on."""
        return bool(self.mechanisms & mechanisms)


def is_receive_connector(thing: Thing) -> bool:
    """True for an object of `Get-ReceiveConnector`, whole or not."""
    return thing.has("RemoteIPRanges") or thing.has("PermissionGroups", "AuthMechanism")


def connector_of(thing: Thing) -> Connector:
    """The connector. Raises ImportFailedError, with words, where something of it is missing, cut or not understood."""
    name = as_text(thing.get("Name")) or as_text(thing.get("Identity")) or "a receive connector"
    demand(thing, name, NEEDED, HOW)
    identity = as_text(thing.get("Identity"))
    server = as_text(thing.get("Server")) or (identity.rpartition("\\")[0] if "\\" in identity else "")
    return Connector(
        name,
        server,
        identity or (f"{server}\\{name}" if server else name),
        as_text(thing.get("DistinguishedName")),
        _flag(thing, name, "Enabled"),
        _bindings(thing, name),
        _ranges(thing, name),
        _flags(thing, name, "PermissionGroups", PERMISSION_GROUPS),
        _flags(thing, name, "AuthMechanism", AUTH_MECHANISMS),
        _flag(thing, name, "RequireTLS"),
        _role(thing.get("TransportRole")),
        octets(thing.get("MaxMessageSize")),
        as_int(thing.get("MaxRecipientsPerMessage")),
        as_int(thing.get("MaxInboundConnectionPerSource")),
        seconds(thing.get("TarpitInterval")),
        thing,
    )


def _refused(thing: Thing, name: str, what: str, says: str) -> ImportFailedError:
    return ImportFailedError(f"{thing.origin().text}: {what} of {name}: {says}. Export it with: {HOW}")


def _flag(thing: Thing, name: str, what: str) -> bool:
    found = as_bool(thing.get(what))
    if found is None:
        raise _refused(thing, name, what, f"{as_text(thing.get(what))[:60]!r} is neither True nor False")
    return found


def _flags(thing: Thing, name: str, what: str, names: dict[str, int]) -> int:
    found = flags(thing.get(what), names)
    if found is None:
        raise _refused(thing, name, what, "nothing stands there, not even None")
    number, unknown = found
    if unknown:
        raise _refused(thing, name, what, f"{unknown[0][:60]!r} is not known")
    return number


def _bindings(thing: Thing, name: str) -> tuple[Binding, ...]:
    try:
        return tuple(parse_binding(text) for text in texts_of(thing.get("Bindings")))
    except ValueError as error:
        raise _refused(thing, name, "Bindings", str(error)) from None


def _ranges(thing: Thing, name: str) -> tuple[AddressRange, ...]:
    try:
        found = tuple(dict.fromkeys(parse_remote_range(text) for text in texts_of(thing.get("RemoteIPRanges"))))
    except ValueError as error:
        raise _refused(thing, name, "RemoteIPRanges", str(error)) from None
    if not found:
        raise _refused(thing, name, "RemoteIPRanges", "no range stands there, and Exchange allows no such connector")
    return found


def _role(value: Value) -> int | None:
    found = flags(value, TRANSPORT_ROLES)
    return None if found is None or found[1] else found[0]
