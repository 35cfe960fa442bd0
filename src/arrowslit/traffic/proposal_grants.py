"""Which lists an entry would have to stand on for a client that is newly refused, by the reason of the refusal."""

from __future__ import annotations

from typing import Final

from arrowslit.policy import reasons
from arrowslit.policy.model import Policy
from arrowslit.policy.parts import ONLY_LISTED, VirtualServer
from arrowslit.traffic.clients import Client

CONNECTION: Final = "connection"
RELAY: Final = "relay"
DELIVERY: Final = "delivery"

_BY_HAND: Final = {
    reasons.NOT_DELIVER: "an accepted domain, or the virtual server, says itself who may deliver: change that by hand",
    reasons.ENTRY_NEEDS_TLS: "its entry counts in TLS only: let it use TLS, or take require_tls off the entry",
    reasons.TLS_MISSING: "the virtual server demands TLS: let it use TLS",
    reasons.NOT_SIGNED_IN: "the virtual server demands signing in: let it sign in",
    reasons.SENDER_NOT_OWN: "it writes under an address that is not its account's own",
    reasons.OWN_DOMAIN_OUTSIDE: "it writes in the name of a domain of yours from outside (own_domains_from_outside)",
}
_EXCEPTED: Final = "the list in force says who may not, and it stands there: see arrowslit entry list"


def grants_for(client: Client, policy: Policy, server: str) -> tuple[tuple[str, ...], str]:
    """The lists, and why there are none. A client who wrote to domains that aren't ours needs to relay as well."""
    found = policy.virtual_servers.get(server)
    if found is None:
        return (), f"the policy has no virtual server {server}"
    if client.reason == reasons.NOT_CONNECT:
        relays = client.relayed > client.signed_in and found.relay_restrictions.mode == ONLY_LISTED
        listed = found.connection_control.mode == ONLY_LISTED
        return ((CONNECTION, RELAY) if relays else (CONNECTION,), "") if listed else ((), _EXCEPTED)
    if client.reason == reasons.NOT_RELAY:
        return ((RELAY,), "") if found.relay_restrictions.mode == ONLY_LISTED else ((), _EXCEPTED)
    if client.reason == reasons.NOT_DELIVER and _lists_deliverers(policy, found):
        return (DELIVERY,), ""
    why = _BY_HAND.get(client.reason) or reasons.REASONS.get(client.reason, "no entry would change it")
    return (), why


def _lists_deliverers(policy: Policy, server: VirtualServer) -> bool:
    """True where the virtual server's own list alone says who may deliver."""
    own = any(domain.delivery is not None for domain in policy.accepted_domains.values())
    return server.delivery.mode == ONLY_LISTED and not own
