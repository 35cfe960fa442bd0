"""What is common to the units for the mail server behind the gateway, the *inner* server.

Behind a gateway every client looks like the gateway. So its address must have no right to relay there, and nothing may
count against it that is meant for single clients: limits of connections, tarpits, greylisting, SPF, fail2ban. But the
check for bare newlines stays: mail has been smuggled through just that exemption. And where the inner server takes it,
it is told who the client really is.

These targets decide nothing about who may do what, so their scope is empty and no policy has a gap there.
`Place.server` are the addresses that the gateway comes from, as the inner server sees them; there may be several: an
enforcement point has only one kind of address to say, and the server itself is where the unit is applied.
"""

from __future__ import annotations

from arrowslit.mail.address import IPAddress
from arrowslit.targets.gaps import Grant, Term
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import Place, PlaceError

SCOPE: frozenset[Grant] = frozenset()
TERMS = frozenset(Term)


def gateway(place: Place) -> tuple[IPAddress, ...]:
    """Where the gateway comes from. Raises PlaceError."""
    if not place.server:
        raise PlaceError("the gateway's address as the inner server sees it is missing: --server ADDRESS")
    return tuple(sorted(place.server, key=lambda one: (one.version, one)))


def identities(rules: Rules) -> frozenset[str]:
    """How the policy has the inner servers told who the client is (`identify_client`)."""
    names = {one.next_hop for one in rules.accepted} | {rules.server.relay_next_hop}
    return frozenset(hop.identify_client for name, hop in rules.next_hops.items() if name in names) - {"none"}
