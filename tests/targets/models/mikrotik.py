"""RouterOS, as far as an import of ours goes: tables of items, menus, `add`, `remove [find]`, `:foreach`, `:if`.

Written from help.mikrotik.com (Scripting, Address-lists, RAW). There is no program to hold it against, so it knows
very little and refuses all else. Rules of the raw table are tried in order; drop ends, passthrough goes on; who passes
all of them gets in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from arrowslit.mail.address import IPAddress
from tests.targets.models import Admits

Item = dict[str, str]
_MENUS = {f"{ip} firewall {table}" for ip in ("/ip", "/ipv6") for table in ("address-list", "raw")}
_RULE = {
    *("chain", "action", "in-interface", "in-interface-list", "protocol", "dst-port", "dst-address-type"),
    *("dst-address", "src-address-list", "comment"),
}


@dataclass
class Router:
    """Its tables. `run` executes an import, and yields after each line that did something."""

    tables: dict[str, list[Item]] = field(default_factory=lambda: {menu: [] for menu in _MENUS})

    def run(self, text: str) -> Iterator[None]:
        menu = ""
        for line in text.split("\n"):
            if not line or line.startswith("#"):
                continue
            if line in _MENUS:
                menu = line
            elif line.startswith(":if "):
                self._stop(line)
            else:
                self._command(menu, line)
            yield

    def _stop(self, line: str) -> None:
        found = re.fullmatch(
            r':if \(\[:len \[(/\S+ firewall raw) find (comment="[^"]+")\]\] > 0\) do=\{ :error "[a-z :,]+" \}', line
        )
        if not found:
            raise ValueError(line)
        if self._found(found[1], found[2]):
            raise InterruptedError(line)

    def _found(self, menu: str, what: str) -> list[Item]:
        ((name, value),) = _properties(what).items()
        return [item for item in self.tables[menu] if item.get(name) == value]

    def _command(self, menu: str, line: str) -> None:
        if found := re.fullmatch(r"remove \[find (.*)\]", line):
            gone = self._found(menu, found[1])
            self.tables[menu] = [item for item in self.tables[menu] if not any(item is one for one in gone)]
        elif found := re.fullmatch(
            r":foreach entry in=\[find (.*)\] do=\{ add list=\"(\S+)\" address=\[get \$entry address\] \}", line
        ):
            for item in self._found(menu, found[1]):
                self._add(menu, {"list": found[2], "address": item["address"]})
        elif line.startswith("add "):
            self._add(menu, _properties(line[4:]))
        else:
            raise ValueError(line)

    def _add(self, menu: str, item: Item) -> None:
        if menu.endswith("raw"):
            if not item.keys() <= _RULE or item["protocol"] != "tcp" or item["chain"] != "prerouting":
                raise ValueError(f"{item}")
        else:
            _network(menu, item["address"])
            if item.keys() != {"list", "address"} or item in self.tables[menu]:
                raise ValueError(f"failure: already have such entry: {item}")
        self.tables[menu].append(item)

    def admits(self, address: IPAddress) -> bool:
        ip = "/ip firewall" if address.version == 4 else "/ipv6 firewall"
        for rule in self.tables[f"{ip} raw"]:
            if "25" not in rule["dst-port"].split(","):
                raise ValueError(f"{rule}")
            name = rule["src-address-list"]
            entries = [one["address"] for one in self.tables[f"{ip} address-list"] if one["list"] == name.lstrip("!")]
            listed = any(address in _network(ip, one) for one in entries)
            if listed is not name.startswith("!") and rule["action"] == "drop":
                return False
            if rule["action"] not in {"drop", "passthrough"}:
                raise ValueError(f"{rule}")
        return True


def _network(menu: str, text: str):  # type: ignore[no-untyped-def]
    network = ip_network(text)
    if network.version != (4 if menu.startswith("/ip ") else 6):
        raise ValueError(f"{text} in {menu}")
    return network


def _properties(text: str) -> Item:
    found = re.findall(r'([a-z0-9-]+)=("[^"\\$]*"|[^\s"]+)(?: |$)', text)
    if " ".join(f"{name}={value}" for name, value in found) != text:
        raise ValueError(text)
    return {name: value.strip('"') for name, value in found}


def imported(text: str) -> Admits:
    router = Router()
    for _ in router.run(text):
        pass
    if not router.tables["/ip firewall raw"] or not router.tables["/ipv6 firewall raw"]:
        raise ValueError("no rule")
    return lambda address: router.admits(ip_address(str(address)))


MODELS: dict[str, Callable[[str], Admits]] = {"mikrotik": imported}
