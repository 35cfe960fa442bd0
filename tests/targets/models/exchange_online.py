"""Exchange Online: the script is run against a tenant that is written from Microsoft's documentation.

No tenant is reached by these tests; nothing here has met one. The fake follows New- and Set-InboundConnector (a Partner
connector that restricts all sender domains refuses whom it does not name; a connector is found by address or by
certificate, and whom one of them names is in), "Configure connection filtering" (at most 1273 entries of at most /24)
and "Allow or block IPv6 addresses using the Tenant Allow/Block List" (500).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from ipaddress import ip_network

from arrowslit.mail.address import IPAddress
from tests.targets.models import Admits
from tests.targets.models.powershell import Record, Shell, Table, Thrown, stream, text_of


def _prefix(text: str, version: int, least: int) -> str:
    network = ip_network(text)
    if network.version != version or network.prefixlen < least:
        raise Thrown(f"{text} is not taken")
    return text


class Tenant:
    """A tenant with one connector from its own servers, and one address that is blocked already."""

    def __init__(self) -> None:
        self.shell = Shell()
        self.connectors = [self._connector("From us", connectortype="OnPremises", senderipaddresses=["192.0.2.77"])]
        self.blocked = ["192.0.2.200"]
        self.blocked6 = ["2001:db8:2bad::/48"]
        self.log: list[str] = []
        self.watchers: list[Callable[[], object]] = []
        self.shell.commands |= {
            "get-inboundconnector": self.get,
            "new-inboundconnector": self.new,
            "set-inboundconnector": self.set,
            "remove-inboundconnector": self.remove,
            "get-hostedconnectionfilterpolicy": lambda args, named, given: [Record(ipblocklist=list(self.blocked))],
            "set-hostedconnectionfilterpolicy": self.block,
            "get-tenantallowblocklistitems": lambda args, named, given: [Record(value=one) for one in self.blocked6],
            "new-tenantallowblocklistitems": self.block6,
            "remove-tenantallowblocklistitems": self.unblock6,
        }

    def _connector(self, name: str, **given: object) -> Record:
        settings: dict[str, object] = {
            "senderdomains": ["*"],
            "senderipaddresses": [],
            "tlssendercertificatename": None,
            "restrictdomainstocertificate": False,
            "restrictdomainstoipaddresses": False,
            "requiretls": True,
            "enabled": True,
        }
        return Record(name=name, identity=name, **(settings | given))

    def _changed(self, what: str) -> None:
        self.log.append(what)
        for after in self.watchers:
            after()

    def get(self, args, named, given):
        found = [one for one in self.connectors if not args or one.name == args[0]]
        if args and not found:
            raise Thrown(f"{args[0]} was not found")
        return copy.deepcopy(found)

    def _told(self, one: Record, named: dict) -> None:
        for name, value in named.items():
            if name == "senderipaddresses":
                if not value or len(stream(value)) > 1273:
                    raise Thrown(f"{value} is not taken")
                one.set(name, [_prefix(text, 4, 24) for text in stream(value)])
            elif name == "senderdomains":
                one.set(name, stream(value))
            elif name != "whatif":
                one.set(name, value)

    def new(self, args, named, given):
        if named.get("whatif"):
            return []
        if any(one.name == args[0] for one in self.connectors):
            raise Thrown(f"{args[0]} is there")
        one = self._connector(args[0], connectortype="")
        self._told(one, named)
        self.connectors.append(one)
        self._changed(f"new {args[0]}")
        return []

    def set(self, args, named, given):
        if not named.get("whatif"):
            (one,) = (one for one in self.connectors if one.name == args[0])
            self._told(one, named)
            self._changed(f"set {args[0]}")
        return []

    def remove(self, args, named, given):
        if not named.get("whatif"):
            self.connectors = [one for one in self.connectors if one.name != args[0]]
            self._changed(f"remove {args[0]}")
        return []

    def block(self, args, named, given):
        change = named["ipblocklist"]
        if args != ["Default"] or not isinstance(change, Table) or set(change) > {"add", "remove"}:
            raise ValueError(change)
        more = [_prefix(text, 4, 24) for text in stream(change.get("add", []))]
        self.blocked = [one for one in [*self.blocked, *more] if one not in stream(change.get("remove", []))]
        if len(self.blocked) > 1273 + 1:
            raise Thrown("too many entries")
        self._changed("block")
        return []

    def block6(self, args, named, given):
        if text_of(named["listtype"]) != "IP" or not named["block"] or not named["noexpiration"]:
            raise ValueError(named)
        self.blocked6 += [_prefix(text, 6, 1) for text in stream(named["entries"])]
        if len(self.blocked6) > 500 + 1:
            raise Thrown("too many entries")
        self._changed("block IPv6")
        return [Record(value=one) for one in stream(named["entries"])]

    def unblock6(self, args, named, given):
        gone = stream(named["entries"])
        if not set(gone) <= set(self.blocked6):
            raise Thrown("not there")
        self.blocked6 = [one for one in self.blocked6 if one not in gone]
        self._changed("unblock IPv6")
        return []

    def admits(self, address: IPAddress, certificate: str = "", *, tls: bool = True) -> bool:
        """Whether mail of that client is taken; `certificate` is the one name of its certificate."""
        if any(address in ip_network(text) for text in [*self.blocked, *self.blocked6]):
            return False
        found = [one for one in self.connectors if one.connectortype == "Partner" and one.enabled]
        if any(one.senderdomains != ["*"] for one in found):
            raise ValueError("sender domains")
        naming = [one for one in found if self._names(one, address, certificate)]
        if naming:
            return tls or not naming[0].requiretls
        return not any(one.restrictdomainstocertificate or one.restrictdomainstoipaddresses for one in found)

    def _names(self, one: Record, address: IPAddress, certificate: str) -> bool:
        if one.tlssendercertificatename:
            if one.tlssendercertificatename.startswith("*"):
                raise ValueError("a wildcard: also the domain itself")
            return certificate == one.tlssendercertificatename
        return any(address in ip_network(text) for text in one.senderipaddresses)


def applied(text: str) -> Admits:
    """Whose mail is taken after the script has run, with no certificate."""
    tenant = Tenant()
    tenant.shell.run(text, Apply=True)
    return tenant.admits


MODELS = {"exchange-online": applied, "exchange-online-certificate": applied}
