"""OPNsense and pfSense: a table of addresses, and the rules whose source the steps make it.

Written from opnsense/docs (aliases), opnsense/core (alias import) and pfsense/pfsense (`parse_aliases_file`): for
pfSense a `#` begins a comment, the first word of a line is an entry. OPNsense's script is read here and run elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_network

from arrowslit.mail.address import IPAddress
from tests.targets.models import Admits
from tests.targets.models.fortigate import steps


def pfsense(text: str) -> Admits:
    words = [line.partition("#")[0].split() for line in text.split("\n")]
    return table(text, [line[0] for line in words if line])


def opnsense(text: str) -> Admits:
    return table(text, re.findall(r"^add (.*)$", text, re.M))


def table(text: str, entries: list[str]) -> Admits:
    networks = [ip_network(one) for one in entries]
    todo = "\n".join(steps(text.removeprefix("#!/bin/sh\n"), "apply"))
    if "leave the rules" in todo:
        return lambda _: True
    found = re.findall(r"Source arrowslit, Invert (on|off)", todo)
    if len(found) != 2 or len(set(found)) != 1:
        raise ValueError("the forward and its rule have other sources")

    def admits(address: IPAddress) -> bool:
        return any(address in one for one in networks) is (found[0] == "off")

    return admits


MODELS: dict[str, Callable[[str], Admits]] = {"opnsense": opnsense, "pfsense": pfsense}
