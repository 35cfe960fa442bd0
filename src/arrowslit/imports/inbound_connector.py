"""One inbound connector of Exchange Online, read from an object of `Get-InboundConnector`.

Everything that decides about access must be told and whole, as with receive connectors: else the import is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from arrowslit.imports.exchange_values import texts_of
from arrowslit.imports.imported import ImportFailedError
from arrowslit.imports.powershell import demand
from arrowslit.imports.things import Thing, as_bool, as_text, as_texts
from arrowslit.mail.address_range import AddressRange, parse_range

HOW: Final = "Get-InboundConnector | Export-Clixml inbound.xml"
NEEDED: Final = (
    "Name",
    "Enabled",
    "ConnectorType",
    "SenderDomains",
    "SenderIPAddresses",
    "RequireTls",
    "RestrictDomainsToIPAddresses",
    "RestrictDomainsToCertificate",
    "TlsSenderCertificateName",
)
_TYPES: Final = {"partner": "Partner", "onpremises": "OnPremises"}


@dataclass(frozen=True, slots=True)
class Inbound:
    """One connector. `certificate` is "" where none is named; `for_all` where it is for every sender domain."""

    name: str
    enabled: bool
    partner: bool
    for_all: bool
    for_some_recipients: bool
    ranges: tuple[AddressRange, ...]
    certificate: str
    require_tls: bool
    by_address: bool
    by_certificate: bool
    thing: Thing

    @property
    def locks(self) -> bool:
        """True where it refuses everybody that no connector names."""
        return self.enabled and self.partner and self.for_all and (self.by_address or self.by_certificate)


def is_inbound(thing: Thing) -> bool:
    """True for an object of `Get-InboundConnector`, whole or not."""
    return thing.has("SenderIPAddresses", "ConnectorType") or thing.has("RestrictDomainsToIPAddresses")


def inbound_of(thing: Thing) -> Inbound:
    """The connector. Raises ImportFailedError, with words."""
    name = as_text(thing.get("Name")) or "an inbound connector"
    demand(thing, name, NEEDED, HOW)
    domains = {_sender_domain(text) for one in as_texts(thing.get("SenderDomains")) for text in _parts(one)}
    type_ = _TYPES.get(as_text(thing.get("ConnectorType")).lower())
    if type_ is None:
        raise _refused(thing, name, "ConnectorType", "it is neither Partner nor OnPremises")
    return Inbound(
        name,
        _flag(thing, name, "Enabled"),
        type_ == "Partner",
        domains == {"*"},
        bool(as_texts(thing.get("AssociatedAcceptedDomains"))),
        _ranges(thing, name),
        as_text(thing.get("TlsSenderCertificateName")).strip(),
        _flag(thing, name, "RequireTls"),
        _flag(thing, name, "RestrictDomainsToIPAddresses"),
        _flag(thing, name, "RestrictDomainsToCertificate"),
        thing,
    )


def _refused(thing: Thing, name: str, what: str, says: str) -> ImportFailedError:
    return ImportFailedError(f"{thing.origin().text}: {what} of {name}: {says}. Export it with: {HOW}")


def _parts(text: str) -> list[str]:
    """A list that was joined to one text."""
    return text.replace(",", " ").split()


def _sender_domain(text: str) -> str:
    """`*` is read back as `smtp:*;1`, with the cost of the way."""
    return text.removeprefix("smtp:").partition(";")[0]


def _flag(thing: Thing, name: str, what: str) -> bool:
    value = as_bool(thing.get(what))
    if value is None:
        raise _refused(thing, name, what, "it is neither True nor False")
    return value


def _ranges(thing: Thing, name: str) -> tuple[AddressRange, ...]:
    try:
        return tuple(dict.fromkeys(parse_range(text) for text in texts_of(thing.get("SenderIPAddresses"))))
    except ValueError as error:
        raise _refused(thing, name, "SenderIPAddresses", str(error)) from None
