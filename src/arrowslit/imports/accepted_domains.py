"""Accepted domains from objects of `Get-AcceptedDomain`, of a server or of Exchange Online.

`*` takes mail for all the world, which no policy may: it is left, and so is what is no domain name.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from arrowslit.imports.imported import AcceptedDomain, Imported
from arrowslit.imports.powershell import demand
from arrowslit.imports.things import Thing, as_bool, as_text, flags
from arrowslit.mail.domain import normalise_domain

HOW: Final = "Get-AcceptedDomain | Export-Clixml domains.xml"
_TYPES: Final = {"authoritative": 0, "externalrelay": 1, "internalrelay": 2}
_KINDS: Final = ("authoritative", "external_relay", "internal_relay")


def is_accepted_domain(thing: Thing) -> bool:
    """True for an object of `Get-AcceptedDomain`."""
    return thing.has("DomainName", "DomainType")


def take_accepted_domains(things: Iterable[Thing], found: Imported) -> None:
    """Puts all of them to `found`. Raises ImportFailedError where one is cut off."""
    seen: set[str] = set()
    for thing in things:
        demand(thing, "an accepted domain", ("DomainName", "DomainType"), HOW)
        written, kind = as_text(thing.get("DomainName")), _kind(thing)
        origin = thing.origin(written)
        name = _name(written)
        if written == "*":
            says = "it takes mail for every domain there is: an open relay for whoever may connect"
            found.leave(origin, "DomainName *", says, "accept each of your own domains by name")
        elif not name or not kind:
            says = "the name is no domain name" if not name else "its type is not known"
            found.leave(origin, f"{written} {as_text(thing.get('DomainType'))}", says, "add it by hand")
        else:
            below = as_bool(thing.get("MatchSubDomains")) is True and not name.startswith("*.")
            for one in (name, f"*.{name}") if below else (name,):
                if one not in seen:
                    seen.add(one)
                    found.accepted_domains.append(AcceptedDomain(one, kind, origin))


def _kind(thing: Thing) -> str:
    read = flags(thing.get("DomainType"), _TYPES)
    if read is None or read[1] or not 0 <= read[0] < len(_KINDS):
        return ""
    return _KINDS[read[0]]


def _name(written: str) -> str:
    star = "*." if written.startswith("*.") else ""
    try:
        return star + normalise_domain(written.removeprefix(star))
    except ValueError:
        return ""
