"""nft(8): named interval sets, and a chain whose rules are tried in order until one gives a verdict."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network

from arrowslit.mail.address import IPAddress
from tests.targets.models import Admits

Range = tuple[IPAddress, IPAddress]


def host_gate(text: str) -> Admits:
    """The gate of the target nftables: whoever it does not drop gets in."""
    if "tcp dport { 25 } jump gate_a" not in text or "\t\tjump entry_a\n" not in text:
        raise ValueError("nothing jumps to the gate")
    return gate_of(text, "_a")


def gate_of(text: str, suffix: str = "") -> Admits:
    """What the chain `gate` of a text does; `suffix` ends the names in it."""
    text = re.sub(r"#[^\n]*", "", text)
    sets = {name: _elements(body) for name, body in re.findall(r"\tset (\w+) \{(.*?)\n\t\}", text, re.S)}
    (gate,) = re.findall(rf"chain gate{suffix} \{{(.*?)\n\t\}}", text, re.S)
    rules = [line.strip() for line in gate.strip().splitlines()]

    def admits(address: IPAddress) -> bool:
        for rule in rules:
            if rule.startswith('iifname "lo" '):
                continue
            match = re.fullmatch(rf"(?:ip(6?) saddr @(\w+) )?(return|counter name refused{suffix}( drop)?)", rule)
            if match is None:
                raise ValueError(rule)
            family, name, verdict, drops = match.groups()
            version = 6 if family else 4
            if name and (address.version != version or not any(a <= address <= b for a, b in sets[name])):
                continue
            if verdict == "return" or drops:
                return verdict == "return"
        return True

    return admits


def _elements(body: str) -> list[Range]:
    found = re.search(r"elements = \{(.*?)\}", body, re.S)
    return [_range(one) for one in found.group(1).replace("\n", "").split(",") if one.strip()] if found else []


def _range(text: str) -> Range:
    text = text.strip()
    if "-" in text:
        first, _, last = text.partition("-")
        return ip_address(first), ip_address(last)
    network = ip_network(text)
    return network[0], network[-1]


MODELS = {"nftables": host_gate}
