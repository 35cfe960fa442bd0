"""Programs that take the connections and hand them on: what is common to them.

A front hides the client from the server behind it, which then sees one address, often a trusted one. So a header of
the PROXY protocol goes before the dialogue, and the texts say what the server must be told.
"""

from __future__ import annotations

from typing import Final

from arrowslit.mail.address import IPAddress
from arrowslit.targets.target import Place, PlaceError

SILENCE: Final = "11m"
"""A client may wait 10 minutes for the reply to its message (RFC 5321, 4.5.3.2.6), and says nothing meanwhile."""


def server_behind(place: Place) -> IPAddress:
    """The mail server's address, IPv4 before IPv6: one path is enough. Raises PlaceError where there is none."""
    if not place.server:
        raise PlaceError("a front needs the address of the mail server behind it: give it with --server")
    return min(place.server, key=lambda address: address.version)


def notes(server: IPAddress, versions: str) -> tuple[str, ...]:
    """What has to be done on the server, and what this text can't see."""
    return (
        f"the server {server} must expect a PROXY header ({versions}) and trust it from here alone; one that knows no "
        "such header hangs or answers 500",
        "without the header the server sees this front's address for everybody: whoever trusts it there (mynetworks, "
        "relay lists, local networks) makes an open relay for all who get through",
        f"close the server's own port to all but this front: whoever reaches {server} itself goes round the list",
        f"this front takes the port on every address of its machine: {server} must be another machine",
        "programs on this machine that send through the port need an entry as well",
    )
