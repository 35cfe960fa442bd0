"""Windows Firewall: the script is run against rules that are written from Microsoft's documentation.

No Windows runs where these tests do; nothing here has met one. The fake follows New-NetFirewallRule and the order of
rules in MS-FASP: for a connection from outside, a rule that blocks beats every rule that allows, whatever it names;
only a rule that overrides blocking goes before it; what no rule names is blocked. IPv4 prefixes are shown with a mask.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network

from arrowslit.mail.address import IPAddress
from tests.targets.models import Admits
from tests.targets.models.powershell import Record, Shell, Thrown

_KNOWN = {
    "name",
    "displayname",
    "direction",
    "action",
    "enabled",
    "profile",
    "protocol",
    "localport",
    "remoteaddress",
}


def _shown(text: str) -> str:
    if "-" in text:
        first, last = map(ip_address, text.split("-"))
        if first.version != last.version or first >= last:
            raise Thrown(f"no range: {text}")
        return text
    network = ip_network(text)
    if network.prefixlen == network.max_prefixlen:
        return str(network[0])
    return network.with_netmask if network.version == 4 else str(network)


def _holds(text: str, address: IPAddress) -> bool:
    if text == "Any":
        return True
    if "-" in text:
        first, last = map(ip_address, text.split("-"))
        return first.version == address.version and first <= address <= last
    return address in ip_network(text)


class Windows:
    """A server whose port is open to all by a rule for the port, one for the program and one for everything."""

    def __init__(self) -> None:
        self.shell = Shell()
        self.rules = [
            self._rule("smtp", localport=["25"]),
            self._rule("edgetransport", program="EdgeTransport.exe"),
            self._rule("anything", protocol="Any"),
        ]
        self.profiles = [
            Record(name=name, enabled="True", allowlocalfirewallrules="NotConfigured")
            for name in ("Domain", "Private", "Public")
        ]
        self.log: list[str] = []
        self.watchers: list[Callable[[], object]] = []
        self.shell.commands |= {
            "get-netfirewallrule": self.get,
            "new-netfirewallrule": self.new,
            "remove-netfirewallrule": self.remove,
            "get-netfirewallprofile": lambda args, named, given: copy.deepcopy(self.profiles),
            "get-netfirewalladdressfilter": lambda args, named, given: [
                Record(remoteaddress=list(one.remoteaddress)) for one in given
            ],
            "get-netfirewallsecurityfilter": lambda args, named, given: [
                Record(overrideblockrules=one.override, of=one.name) for one in self.rules
            ],
        }

    def _rule(self, name: str, **given: object) -> Record:
        settings: dict[str, object] = {
            "displayname": name,
            "direction": "Inbound",
            "action": "Allow",
            "enabled": "True",
            "protocol": "TCP",
            "localport": ["Any"],
            "remoteaddress": ["Any"],
            "program": "Any",
            "profile": "Any",
            "override": "False",
        }
        return Record(name=name, **(settings | given))

    def _changed(self, what: str) -> None:
        self.log.append(what)
        for after in self.watchers:
            after()

    def get(self, args, named, given):
        wanted = given[0].of if given else named["name"]
        found = [one for one in self.rules if fnmatchcase(one.name.lower(), wanted.lower())]
        if args or not (found or named.get("erroraction") == "SilentlyContinue"):
            raise Thrown(f"{named} was not found")
        return copy.deepcopy(found)

    def new(self, args, named, given):
        if args or not set(named) <= _KNOWN | {"whatif"}:
            raise ValueError(named)
        if named.get("whatif"):
            return []
        addresses = named["remoteaddress"]
        if not addresses or len(addresses) > 1000 or any(one.name == named["name"] for one in self.rules):
            raise Thrown(f"{named['name']} is not taken")
        settings = {name: value for name, value in named.items() if name != "whatif"}
        settings["remoteaddress"] = [_shown(text) for text in addresses]
        one = self._rule(**settings)
        self.rules.append(one)
        self._changed(f"new {one.name}")
        return [one]

    def remove(self, args, named, given):
        if not named.get("whatif"):
            self.get([], {"name": named["name"]}, None)
            self.rules = [one for one in self.rules if one.name != named["name"]]
            self._changed(f"remove {named['name']}")
        return []

    def admits(self, address: IPAddress, port: int = 25) -> bool:
        """Whether a connection to the mail server's program gets through."""
        for one in self.rules:
            if (one.direction, one.enabled, one.profile) != ("Inbound", "True", "Any"):
                raise ValueError(one.name)
        found = [
            one
            for one in self.rules
            if one.protocol in {"TCP", "Any"}
            and (one.localport == ["Any"] or str(port) in one.localport)
            and any(_holds(text, address) for text in one.remoteaddress)
        ]
        if any(one.override == "True" for one in found):
            return True
        return bool(found) and all(one.action == "Allow" for one in found)


def applied(text: str) -> Admits:
    """Who gets through after the script has run on a server that is open to all."""
    windows = Windows()
    windows.shell.run(text, Apply=True)
    return windows.admits


MODELS = {"windows-firewall": applied}
