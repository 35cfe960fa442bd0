"""Receive connectors: the script is run against a server that is written from Microsoft's documentation.

No Exchange server runs where these tests do; nothing here has met one. The fake follows New-, Set-, Get- and
Remove-ReceiveConnector, Add-ADPermission and "Understanding Receive Connectors": ranges of two connectors with a
binding in common may overlap only where one lies within the other, and of those that hold a client the smallest one
takes it. A list of ranges must not be empty. `Thrown` is raised where the real cmdlet would stop.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address, ip_network

from arrowslit.mail.address import IPAddress
from tests.targets.models import Admits
from tests.targets.models.powershell import Record, Shell, Table, Thrown, text_of

Span = tuple[int, int, int]
"""The family, the first and the last address."""

EVERYBODY = ["0.0.0.0-255.255.255.255", "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]
SERVERS = {"ex1.example.org": ["192.168.77.5", "fe80::5%11", "2001:db8:77::5"], "ex2.example.org": ["192.168.77.6"]}


@lru_cache(maxsize=50_000)
def span(text: str) -> Span:
    """A remote range."""
    first, _, last = text.partition("-")
    if last:
        low, high = ip_address(first), ip_address(last)
    else:
        network = ip_network(first, strict=False)
        low, high = network[0], network[-1]
    if low.version != high.version or low > high:
        raise Thrown(f"no range: {text}")
    return low.version, int(low), int(high)


_NOT_SHOWN = {
    "server",
    "custom",
    "whatif",
    "maxinboundconnectionpersource",
    "maxinboundconnectionpercentagepersource",
}
_RIGHT = Table([("user", "NT AUTHORITY\\ANONYMOUS LOGON"), ("extendedrights", "ms-Exch-SMTP-Accept-Any-Recipient")])


class Exchange:
    """One server, as it is after the set-up of Exchange 2013 or later, or of 2007 and 2010 with `roles` False."""

    def __init__(self, *, roles: bool = True, edge: bool = False) -> None:
        self.shell = Shell(computername="EX1")
        self.connectors: list[Record] = []
        self.relays: set[str] = set()
        self.edge = edge
        self.log: list[str] = []
        self.watchers: list[Callable[[], object]] = []
        self.hold(self._connector("Default Frontend EX1", EVERYBODY, ["0.0.0.0:25", "[::]:25"], "FrontendTransport"))
        self.hold(self._connector("Client Frontend EX1", EVERYBODY, ["0.0.0.0:587", "[::]:587"], "FrontendTransport"))
        shell = self.shell
        known = ["Name", "Bindings", "RemoteIPRanges", *(["TransportRole"] if roles else [])]
        self.new.__func__.parameters = known  # type: ignore[attr-defined]
        shell.commands |= {
            "get-receiveconnector": self.get,
            "new-receiveconnector": self.new,
            "set-receiveconnector": self.set,
            "remove-receiveconnector": self.remove,
            "get-exchangeserver": self.servers,
            "add-adpermission": self.permit,
        }
        shell.statics["system.net.dns", "gethostaddresses"] = lambda name: list(SERVERS[name])
        account = Record(value="NT AUTHORITY\\ANONYMOUS LOGON")
        shell.types["system.security.principal.securityidentifier"] = lambda sid: Record(
            translate=lambda kind: account if sid == "S-1-5-7" else None
        )

    def _connector(self, name: str, ranges: list[str], bindings: list[str], role: str) -> Record:
        return Record(
            name=name,
            identity=f"EX1\\{name}",
            remoteipranges=list(ranges),
            bindings=list(bindings),
            transportrole=role,
            permissiongroups="AnonymousUsers, ExchangeServers",
            authmechanism="Tls, ExchangeServer",
            requiretls=False,
            protocollogginglevel="None",
        )

    def hold(self, one: Record) -> None:
        """Takes a new or changed connector, or refuses it as Exchange does."""
        others = [other for other in self.connectors if other.identity != one.identity]
        if not one.remoteipranges or len(one.remoteipranges) > 1200:
            raise Thrown(f"{one.identity}: {len(one.remoteipranges)} ranges")
        spans = [span(text_of(text)) for text in one.remoteipranges]
        for other in others:
            if not set(other.bindings) & set(one.bindings):
                continue
            for mine in spans:
                for theirs in map(span, other.remoteipranges):
                    if mine == theirs or _across(mine, theirs):
                        raise Thrown(f"{one.identity} and {other.identity} conflict: {mine}")
        self.connectors = [*others, one]
        for after in self.watchers:
            after()

    def get(self, args, named, given):
        found = [
            one for one in self.connectors if not args or args[0].lower() in (one.identity.lower(), one.name.lower())
        ]
        if args and not found:
            raise Thrown(f"{args[0]} was not found")
        return copy.deepcopy(found)

    def _changed(self, one: Record, named: dict) -> Record:
        one = copy.deepcopy(one)
        for name, value in named.items():
            if name in {"remoteipranges", "bindings"}:
                one.set(name, [text_of(text) for text in (value if isinstance(value, list) else [value])])
            elif name not in _NOT_SHOWN:
                one.set(name, value)
        return one

    def new(self, args, named, given):
        if named.get("whatif"):
            return []
        if ("transportrole" in named) is (self.edge or "TransportRole" not in self.new.__func__.parameters):
            raise Thrown("TransportRole")
        if any(one.name == args[0] for one in self.connectors):
            raise Thrown(f"{args[0]} is there")
        self.log.append(f"new {args[0]}")
        self.hold(self._changed(self._connector(args[0], [], [], "HubTransport"), named))
        return self.get([args[0]], {}, [])

    def set(self, args, named, given):
        (one,) = self.get(args, {}, [])
        if not named.get("whatif"):
            self.log.append(f"set {one.name}")
            self.hold(self._changed(one, named))
        return []

    def remove(self, args, named, given):
        (one,) = self.get(args, {}, [])
        if not named.get("whatif"):
            self.log.append(f"remove {one.name}")
            self.connectors = [other for other in self.connectors if other.identity != one.identity]
            self.relays.discard(one.identity)
            for after in self.watchers:
                after()
        return []

    def servers(self, args, named, given):
        names = [name for name in SERVERS if not args or name.split(".")[0] == args[0].lower()]
        return [Record(name=name.split(".")[0], fqdn=name, isedgeserver=self.edge) for name in names]

    def permit(self, args, named, given):
        if named != _RIGHT:
            raise ValueError(named)
        self.relays |= {one.identity for one in given}
        return []

    def takes(self, address: IPAddress, port: int = 25) -> Record | None:
        """The connector that takes a client."""
        found = []
        for one in self.connectors:
            if any(binding.endswith(f":{port}") for binding in one.bindings):
                spans = [span(text) for text in one.remoteipranges]
                sizes = [c - b for a, b, c in spans if a == address.version and b <= int(address) <= c]
                found += [(size, one.name, one) for size in sizes]
        return min(found)[2] if found else None

    def admits(self, address: IPAddress) -> bool:
        """Whether a stranger gets a session; in it, TLS may be demanded."""
        return self.takes(address) is not None

    def relays_for(self, address: IPAddress) -> bool:
        """Whether a client that has not signed in may relay."""
        one = self.takes(address)
        return one is not None and "AnonymousUsers" in one.permissiongroups and one.identity in self.relays


def _across(one: Span, other: Span) -> bool:
    """Overlapping, and neither within the other."""
    if one[0] != other[0] or one[2] < other[1] or other[2] < one[1]:
        return False
    within = one[1] >= other[1] and one[2] <= other[2]
    return not within and not (other[1] >= one[1] and other[2] <= one[2])


def applied(text: str) -> Admits:
    """Who gets a session after the script has run on a server that took everybody."""
    server = Exchange()
    server.shell.run(text, Apply=True)
    return server.admits


MODELS = {"exchange": applied}
