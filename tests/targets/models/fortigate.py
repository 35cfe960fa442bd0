"""FortiOS: address objects, groups of them, and the source that the steps give to the policy of the virtual IP.

Written from the FortiOS CLI reference; there is no device to hold it against. Before the steps the policy has the
source "all"; after it comes the implicit deny. A policy without an IPv6 source permits nobody over IPv6.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_address

from arrowslit.mail.address import IPAddress
from tests.targets.models import Admits

Networks = list[IPv4Network | IPv6Network]


def steps(text: str, word: str, sign: str = "#") -> list[str]:
    """The steps of that name in the head of a text."""
    found: list[str] = []
    within = False
    for line in text.split("\n"):
        if not line.startswith(sign):
            break
        if line.startswith(f"{sign} {word}:"):
            within = True
        elif not line.startswith(f"{sign}        "):
            within = False
        if within:
            found.append(line[len(sign) + 8 :])
    return found


def policy(text: str) -> Admits:
    groups = _groups(re.sub(r"(?m)^#.*\n", "", text))
    settings = [line for line in steps(text, "apply") if line.startswith("set ")]
    if not settings and any("leave the policies" in line for line in steps(text, "apply")):
        return lambda _: True
    found: dict[int, tuple[Networks, bool]] = {}
    for version, suffix in ((4, ""), (6, "6")):
        (source,) = [line for line in settings if line.startswith(f"set srcaddr{suffix} ")]
        (negated,) = [line for line in settings if line.startswith(f"set srcaddr{suffix}-negate ")]
        found[version] = groups[source.split('"')[1]], {"enable": True, "disable": False}[negated.split()[-1]]

    def admits(address: IPAddress) -> bool:
        networks, negate = found[address.version]
        return any(address in one for one in networks) is not negate

    return admits


def _groups(text: str) -> dict[str, Networks]:
    groups: dict[str, Networks] = {}
    objects: dict[str, Networks] = {}
    for table, body in re.findall(r"config firewall (\w+)\n(.*?)^end\n", text, re.M | re.S):
        for name, settings in re.findall(r"    edit \"([^\"]{1,79})\"\n(.*?)^    next\n", body, re.M | re.S):
            lines = [line.strip() for line in settings.splitlines()]
            if table in {"address", "address6"}:
                objects[name] = [_object(table, *lines)]
            elif table in {"addrgrp", "addrgrp6"}:
                groups[name] = [one for line in lines for one in _member(line, objects, groups)]
                if not lines or not lines[0].startswith("set ") or len(lines) > 300:
                    raise ValueError(f"members of {name}")
            else:
                raise ValueError(table)
    left = re.sub(r"config firewall \w+\n(    (edit|next|    (set|append)).*\n)*end\n", "", text)
    if left.strip():
        raise ValueError(left)
    return groups


def _object(table: str, line: str) -> IPv4Network | IPv6Network:
    if table == "address6":
        if not line.startswith("set ip6 "):
            raise ValueError(line)
        return IPv6Network(line.removeprefix("set ip6 "))
    _, kind, address, mask = line.split()
    if kind != "subnet" or ip_address(mask).version != 4:
        raise ValueError(line)
    return IPv4Network(f"{address}/{mask}")


def _member(line: str, objects: dict[str, Networks], groups: dict[str, Networks]) -> Networks:
    found = re.fullmatch(r"(?:set|append) member \"([^\"]+)\"", line)
    if not found:
        raise ValueError(line)
    return objects[found[1]] if found[1] in objects else groups[found[1]]


MODELS: dict[str, Callable[[str], Admits]] = {"fortigate": policy}
