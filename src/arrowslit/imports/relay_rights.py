"""The rights of those who do not sign in, from `Get-ADPermission` of receive connectors.

The right to relay is not in the connector: it is a row for `NT AUTHORITY\\ANONYMOUS LOGON` with
`ms-Exch-SMTP-Accept-Any-Recipient`. Without rows of a connector its relaying is *unknown*, which is no right. A denied
row takes the right away, inherited or not: the real order of Active Directory is never wider than that. Rows that name
no connector belong to none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from arrowslit.imports.exchange_values import texts_of
from arrowslit.imports.imported import Imported
from arrowslit.imports.powershell import demand
from arrowslit.imports.receive_connector import Connector
from arrowslit.imports.things import Thing, as_bool, as_text

HOW: Final = (
    "Get-ReceiveConnector | Get-ADPermission | Select-Object Identity,User,ExtendedRights,Deny | "
    "Export-Clixml permissions.xml"
)
ANY_RECIPIENT: Final = "ms-exch-smtp-accept-any-recipient"
BYPASS_ANTI_SPAM: Final = "ms-exch-bypass-anti-spam"
_ANONYMOUS: Final = frozenset({"anonymous logon", "anonymous-anmeldung", "s-1-5-7"})
_SIGNED_IN: Final = frozenset(
    {
        "authenticated users",
        "exchange servers",
        "exchangelegacyinterop",
        "hub transport servers",
        "edge transport servers",
        "externally secured servers",
        "partner servers",
        "legacy exchange servers",
    }
)
"""Groups that have the right from permission groups of the connector, which are read there."""
_NAMED: Final = 20
"""Rows of others that are told of by name."""


@dataclass(slots=True)
class Rights:
    """What rows say of one connector. `told` is true where there is any row of it."""

    told: bool = False
    granted: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)

    def anonymous(self, right: str) -> bool | None:
        """Whether who does not sign in has the right; None where no row tells of the connector."""
        if not self.told:
            return None
        return right in self.granted and right not in self.denied


def is_permission(thing: Thing) -> bool:
    """True for a row of `Get-ADPermission`."""
    return thing.has("User", "ExtendedRights")


def rights_of(rows: Iterable[Thing], connectors: Iterable[Connector], found: Imported) -> dict[str, Rights]:
    """The rights of each connector, by its identity. Raises ImportFailedError where a row is cut off."""
    names = _names(connectors)
    made = {one.identity: Rights() for one in connectors}
    nameless: list[Thing] = []
    strangers: list[tuple[Thing, str]] = []
    for row in rows:
        demand(row, "a row of Get-ADPermission", ("ExtendedRights", "User", "Deny"), HOW)
        place = as_text(row.get("Identity"))
        if not place:
            nameless.append(row)
            continue
        identity = _found(place, names)
        if identity is not None:
            user = _take(row, made[identity])
            if user:
                strangers.append((row, user))
    _tell(nameless, strangers, found)
    return made


def _names(connectors: Iterable[Connector]) -> dict[str, str | None]:
    """What a row may call a connector, in lower case, and its identity; None where two have the name."""
    made: dict[str, str | None] = {}
    for one in connectors:
        for name in {one.identity.lower(), one.distinguished_name.lower(), one.name.lower()} - {""}:
            made[name] = one.identity if made.get(name, one.identity) == one.identity else None
    return made


def _found(place: str, names: dict[str, str | None]) -> str | None:
    return names.get(place.lower())


def _take(row: Thing, rights: Rights) -> str:
    """Puts a row to the rights; gives the account of a right to relay that is somebody else's."""
    rights.told = True
    listed = {text.lower() for text in texts_of(row.get("ExtendedRights"))}
    user = as_text(row.get("User")).strip()
    account = user.lower()
    deny = as_bool(row.get("Deny"))
    if account.rpartition("\\")[2] in _ANONYMOUS:
        # What is neither True nor False may be a denial.
        (rights.granted if deny is False else rights.denied).update(listed)
        return ""
    known = account.rpartition("\\")[2] in _SIGNED_IN
    return user if ANY_RECIPIENT in listed and deny is False and not known else ""


def _tell(nameless: list[Thing], strangers: list[tuple[Thing, str]], found: Imported) -> None:
    if nameless:
        found.doubt(
            nameless[0].origin("Get-ADPermission"),
            f"{len(nameless)} rows without Identity",
            "they do not say of which connector they are, so that they give no right",
            f"export them with: {HOW}",
        )
    for row, user in strangers[:_NAMED]:
        found.leave(
            row.origin("Get-ADPermission"),
            f"{user} has ms-Exch-SMTP-Accept-Any-Recipient on {as_text(row.get('Identity'))}",
            "it is a right of one account that signs in, and a policy does not tell accounts apart",
            "see whether this account relays; let its computer relay by address",
        )
