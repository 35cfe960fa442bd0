"""firewalld.richlanguage(5): rules of a policy in the order of their priority; what none of them decides goes to zones.

A zone that lets everybody in is assumed, as there was before. Only what is handed to firewall-cmd is read here.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_network

from arrowslit.mail.address import IPAddress
from tests.targets.models import Admits

_RULE = re.compile(
    r'rule priority="(-?\d+)" (?:family="ipv([46])" source ipset="([\w-]+)" )?port port="25" protocol="tcp" '
    r'(accept|drop|log prefix="[a-z ]+" level="info" limit value="10/m")'
)


def policy(text: str) -> Admits:
    """The policy and the sets that its rules name."""
    sets: dict[str, list[IPv4Network | IPv6Network]] = {}
    for name, family, body in re.findall(r"^fill (\S+) (inet6?) <<'END'\n(.*?)^END$", text, re.S | re.M):
        sets[name] = [ip_network(line) for line in body.splitlines() if not line.startswith("#")]
        if any((one.version == 6) is not (family == "inet6") or not one.prefixlen for one in sets[name]):
            raise ValueError(f"{name} takes no such network")
    found = re.search(r"^cat >\"\$folder/rules\" <<'END'\n(.*?)^END$", text, re.S | re.M)
    if found is None or "--add-ingress-zone=ANY" not in text or "--add-egress-zone=HOST" not in text:
        raise ValueError("no policy")
    rules = []
    for line in found[1].splitlines():
        rule = _RULE.fullmatch(line)
        if rule is None or (rule[3] and rule[3] not in sets):
            raise ValueError(line)
        rules.append(rule)
    rules.sort(key=lambda rule: int(rule[1]))

    def admits(address: IPAddress) -> bool:
        for rule in rules:
            if rule[3] and (address.version != int(rule[2]) or not any(address in one for one in sets[rule[3]])):
                continue
            if rule[4] in {"accept", "drop"}:
                return rule[4] == "accept"
        return True

    return admits


MODELS = {"firewalld": policy}
