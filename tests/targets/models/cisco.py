"""Cisco's access lists: entries in order, the first that fits decides, and who fits none is refused.

Written from Cisco's guides for IOS and for ASA; there is no device to hold it against. IOS has wildcards, ASA masks.
The ASA's list is taken to permit the port to anybody before the steps insert their lines at its head.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network

from arrowslit.mail.address import IPAddress
from tests.targets.models import Admits
from tests.targets.models.fortigate import steps

Networks = list[IPv4Network | IPv6Network]
ANY: dict[int, IPv4Network | IPv6Network] = {4: IPv4Network("0.0.0.0/0"), 6: IPv6Network("::/0")}


def ios(text: str) -> Admits:
    lists: dict[str, list[tuple[bool, IPv4Network | IPv6Network]]] = {}
    version = {"ip access-list extended": 4, "ipv6 access-list": 6}
    families: dict[str, int] = {}
    name = ""
    for line in text.split("\n"):
        if not line or line.startswith("!"):
            continue
        if found := re.fullmatch(r"(ip access-list extended|ipv6 access-list) ([A-Z0-9a-f-]+)", line):
            name = found[2]
            lists[name], families[name] = [], version[found[1]]
        elif line == "exit":
            name = ""
        elif line.startswith(" ") and name:
            lists[name].append(_ios_entry(line.strip(), families[name]))
        else:
            raise ValueError(line)
    bound = {}
    for line in steps(text, "apply", "!"):
        if found := re.fullmatch(r"(?:(ip access-group)|ipv6 traffic-filter) (\S+) in", line):
            bound[4 if found[1] else 6] = lists[found[2]]
            assert families[found[2]] == (4 if found[1] else 6)
    if bound.keys() != {4, 6}:
        raise ValueError("a family has no list")

    def admits(address: IPAddress) -> bool:
        return next((verdict for verdict, network in bound[address.version] if address in network), False)

    return admits


def _ios_entry(line: str, version: int) -> tuple[bool, IPv4Network | IPv6Network]:
    verdict, protocol, *words = line.split()
    if protocol == ("ip" if version == 4 else "ipv6") and words == ["any", "any"]:
        network = ANY[version]
    else:
        network = _ios_source(words, version)
        if protocol != "tcp" or not re.fullmatch(r"(any|host \S+) eq 25", " ".join(words)):
            raise ValueError(line)
    return {"permit": True, "deny": False}[verdict], network


def _ios_source(words: list[str], version: int) -> IPv4Network | IPv6Network:
    """Takes the source away from the front of the words."""
    first = words.pop(0)
    if first == "any":
        return ANY[version]
    if first == "host":
        return ip_network(words.pop(0))
    if version == 6:
        return IPv6Network(first)
    wildcard = int(IPv4Address(words.pop(0)))
    if wildcard & (wildcard + 1):
        raise ValueError("a wildcard with holes")
    return IPv4Network((first, 32 - wildcard.bit_length()))


def asa(text: str) -> Admits:
    groups: dict[str, Networks] = {}
    name = ""
    for line in text.split("\n"):
        if not line or line.startswith("!") or line == "exit":
            continue
        if found := re.fullmatch(r"object-group network ([A-Z0-9a-f-]{1,64})", line):
            name = found[1]
            groups[name] = []
        elif line.startswith(" network-object "):
            groups[name].append(_asa_object(line.split()[1:]))
        else:
            raise ValueError(line)
    if not all(groups.values()):
        raise ValueError("an empty group can't be used")
    entries = [_asa_entry(line, groups) for line in steps(text, "apply", "!") if line.startswith("access-list ")]
    numbers = [number for number, _, _ in entries]
    if numbers != list(range(1, len(entries) + 1)):
        raise ValueError("lines out of their order")

    def admits(address: IPAddress) -> bool:
        return next((verdict for _, verdict, networks in entries if any(address in one for one in networks)), True)

    return admits


def _asa_object(words: list[str]) -> IPv4Network | IPv6Network:
    if words[0] == "host":
        return ip_network(words[1])
    return IPv4Network("/".join(words)) if len(words) == 2 else IPv6Network(words[0])


def _asa_entry(line: str, groups: dict[str, Networks]) -> tuple[int, bool, Networks]:
    source, to = r"(object-group (\S+)|any([46]))", r"(host \S+|any[46])"
    found = re.fullmatch(rf"access-list LIST line (\d+) extended (permit|deny) tcp {source} {to} eq 25", line)
    if not found:
        raise ValueError(line)
    networks = groups[found[4]] if found[4] else [ANY[int(found[5])]]
    version = 6 if ":" in found[6] or found[6] == "any6" else 4
    if any(one.version != version for one in networks):
        raise ValueError(f"families: {line}")
    return int(found[1]), found[2] == "permit", networks


MODELS: dict[str, Callable[[str], Admits]] = {"cisco-ios": ios, "cisco-asa": asa}
