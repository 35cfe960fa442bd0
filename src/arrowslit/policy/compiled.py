"""A policy made ready for deciding: every list an index, every domain a key.

Built once for each policy value and never changed. Holds no meaning of its own: what the parts mean together is in
`policy.decide`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from arrowslit.mail.mailbox import ForwardPath, Postmaster
from arrowslit.policy.access_index import AccessIndex
from arrowslit.policy.parts import (
    EVERYBODY_LISTED,
    ONLY_LISTED,
    AcceptedDomain,
    AccessList,
    ConnectionControl,
    Network,
    NextHop,
    VirtualServer,
)
from arrowslit.policy.verdict import Verdict

CONNECTION: Final = "connection_control"
DELIVERY: Final = "delivery"
SKIP_CHECKS: Final = "skip_checks"
RELAY: Final = "relay_restrictions"


class Grant:
    """One list with its index. `rule` is the front of its rule ids, `server/grant/mode/`."""

    __slots__ = ("access", "everybody", "index", "matched", "nobody", "only_listed", "permits_when_dns_fails", "rule")

    def __init__(self, rule: str, access: AccessList, networks: Mapping[str, Network]) -> None:
        self.access = access
        self.rule = f"{rule}/{access.mode}/"
        self.only_listed = access.mode == ONLY_LISTED
        self.index = AccessIndex(access.entries, networks)
        self.matched: list[Verdict | None] = [None] * len(access.entries)
        self.nobody = self.only_listed and not access.entries
        self.everybody = not self.only_listed and not access.entries
        self.permits_when_dns_fails = (
            not self.only_listed and isinstance(access, ConnectionControl) and access.when_dns_fails == "permit"
        )


class CompiledServer:
    """One virtual server ready for deciding."""

    __slots__ = (
        "at_connect",
        "connection",
        "delivers_by_default",
        "delivery",
        "exceptions",
        "may_normalise",
        "name",
        "nobody_relays",
        "relay",
        "settings",
        "signs_in",
        "skip_checks",
    )

    def __init__(self, server: VirtualServer, networks: Mapping[str, Network]) -> None:
        name = self.name = server.name
        self.settings = server
        self.connection = Grant(f"{name}/{CONNECTION}", server.connection_control, networks)
        self.delivery = Grant(f"{name}/{DELIVERY}", server.delivery, networks)
        self.skip_checks = Grant(f"{name}/{SKIP_CHECKS}", server.skip_checks, networks)
        self.relay = Grant(f"{name}/{RELAY}", server.relay_restrictions, networks)
        self.at_connect = server.refuse_at == "connect" or server.forward == "splice"
        self.exceptions = frozenset(address.lower() for address in server.recipient_exceptions)
        self.signs_in = server.signs_in
        self.nobody_relays = self.relay.nobody and not self.signs_in
        self.delivers_by_default = server.delivery == EVERYBODY_LISTED
        self.may_normalise = any(
            grant.only_listed and grant.index.normalises
            for grant in (self.connection, self.delivery, self.skip_checks, self.relay)
        )


class CompiledPolicy:
    """All of a policy that deciding needs."""

    __slots__ = ("_exact", "_wildcards", "deliveries", "first_accepted", "next_hops", "only_next_hop", "servers")

    def __init__(
        self,
        networks: Mapping[str, Network],
        next_hops: Mapping[str, NextHop],
        accepted_domains: Mapping[str, AcceptedDomain],
        virtual_servers: Mapping[str, VirtualServer],
    ) -> None:
        self._exact: dict[str, AcceptedDomain] = {}
        self._wildcards: dict[str, AcceptedDomain] = {}
        for accepted in accepted_domains.values():
            if accepted.name.startswith("*."):
                self._wildcards[accepted.name[1:]] = accepted
            else:
                self._exact[accepted.name] = accepted
        self.next_hops = next_hops
        self.servers = {name: CompiledServer(server, networks) for name, server in virtual_servers.items()}
        self.deliveries: dict[str, Grant] = {
            accepted.name: Grant(f"{DELIVERY}@{accepted.name}", accepted.delivery, networks)
            for accepted in accepted_domains.values()
            if accepted.delivery is not None
        }
        used = list(dict.fromkeys(accepted.next_hop for accepted in accepted_domains.values()))
        self.first_accepted: dict[str | None, AcceptedDomain] = {}
        for accepted in accepted_domains.values():
            self.first_accepted.setdefault(accepted.next_hop, accepted)
        self.only_next_hop = used[0] if used else None

    def accepted(self, domain: str) -> AcceptedDomain | None:
        """The accepted domain that `domain` (normal form) falls under: exact first, then the longest wildcard."""
        found = self._exact.get(domain)
        if found is None and self._wildcards and not domain.startswith("["):
            for suffix in _suffixes(domain):
                found = self._wildcards.get(suffix)
                if found is not None:
                    return found
        return found

    def accepted_for(self, server: CompiledServer, path: ForwardPath) -> AcceptedDomain | None:
        """The accepted domain of a forward-path; `<postmaster>` counts as postmaster@ one of them (decisions 13)."""
        if isinstance(path, Postmaster):
            chosen = server.settings.postmaster_next_hop or self.only_next_hop
            return self.first_accepted.get(chosen) or next(iter(self.first_accepted.values()), None)
        return self.accepted(path.domain)


def _suffixes(domain: str) -> Iterator[str]:
    at = domain.find(".")
    while at >= 0:
        yield domain[at:]
        at = domain.find(".", at + 1)
