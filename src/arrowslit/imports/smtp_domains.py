"""The domains of an SMTP virtual server of Windows: those of its own are accepted, the rest is named.

A domain of one's own is the default or an alias of it (or dropped into a folder). A remote domain may have rights of
its own to send to it, which are left: to accept it is for the administrator to say.
"""

from __future__ import annotations

from typing import Final

from arrowslit.imports.imported import AcceptedDomain, Imported, Origin
from arrowslit.imports.smtp_values import Service, number
from arrowslit.mail.domain import normalise_domain

_LOCAL: Final = 1 | 16 | 64
"""RouteAction of a domain of one's own: dropped here, an alias, the default."""
_RELAYED: Final = 1024 | 2048 | 4096


def take_domains(service: Service, found: Imported) -> None:
    """Puts the accepted ones to `found`, and what is lost."""
    default = service.text("defaultdomain")
    if default:
        _accept(default, service.properties["defaultdomain"].origin, found)
    for name, properties in service.domains.items():
        action = number(properties.get("routeaction")) or 0
        origin = properties["routeaction"].origin if "routeaction" in properties else service.origin
        if action & _LOCAL:
            _accept(name, origin, found)
        if action & _RELAYED:
            says = "who may send to this one domain has rules of its own, which are not carried over"
            found.leave(origin, f"{name} RouteAction {action}", says, "an accepted domain of kind external_relay")
        if "relayiplist" in properties:
            says = "a relay list of a single domain is not carried over"
            found.leave(properties["relayiplist"].origin, name, says, "an accepted domain with a delivery of its own")


def _accept(name: str, origin: Origin, found: Imported) -> None:
    star = "*." if name.startswith("*.") else ""
    try:
        normal = star + normalise_domain(name.removeprefix(star))
    except ValueError as error:
        found.leave(origin, name, str(error), "accept the domain under its own name")
        return
    if normal not in {one.name for one in found.accepted_domains}:
        found.accepted_domains.append(AcceptedDomain(normal, "authoritative", origin))
