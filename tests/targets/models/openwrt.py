"""OpenWrt's firewall: sections of the configuration, rules before redirects' packets are accepted, in their order.

There is no fw4 to be had as a package, so this model is all that the tests hold the target by. It is read from
OpenWrt's user guide and from the templates of fw4. Once, fw4 and uci were built from their sources: uci took the script
(applied, repeated, changed, undone), and through the tables that fw4 made of its sections packets got as far as this
says, with and without wide forwards of the router's own. IPv6 is refused unless a rule accepts it, which is what zone
wan does; where the text forwards nothing (mode "observe"), a wide forward of the router's own is assumed.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_network

from arrowslit.mail.address import IPAddress
from tests.targets.models import Admits

Section = dict[str, str]
_SERVER = {4: "192.168.0.5", 6: "2001:db8:5::5"}
_COMMON = {"name", "target", "src", "proto", "dest_ip", "dest_port", "ipset", ".type"}


def router(text: str) -> Admits:
    """The sections that the script hands to `uci batch`."""
    found = re.search(r"<<'END' \| uci batch\n(.*?)^END$", text, re.S | re.M)
    if found is None or "fw4 check\nuci commit firewall\n" not in text:
        raise ValueError("no batch")
    sections, lists = _sections([line for line in found[1].splitlines() if not line.startswith("#")])
    sets = {
        section["name"]: [ip_network(entry) for entry in lists.get(f"{name}.entry", [])]
        for name, section in sections.items()
        if section[".type"] == "ipset" and lists[f"{name}.match"] == ["src_net"]
    }
    ways = [section for section in sections.values() if section[".type"] != "ipset"]
    rules = [section for section in ways if _known(section, sets) == "rule"]
    redirects = [section for section in ways if section[".type"] == "redirect"]

    def admits(address: IPAddress) -> bool:
        for rule in rules:
            if rule["dest_ip"] == _SERVER[address.version] and _in_set(address, rule["ipset"], sets):
                if rule["target"] == "DROP":
                    return False
                if rule["target"] == "ACCEPT":
                    return True
        if not ways:
            return True
        return address.version == 4 and any(_in_set(address, one["ipset"], sets) for one in redirects)

    return admits


def _sections(lines: list[str]) -> tuple[dict[str, Section], dict[str, list[str]]]:
    """uci(1): `set` makes a section or an option, `add_list` adds to a list, `reorder` moves a section."""
    sections: dict[str, Section] = {}
    lists: dict[str, list[str]] = {}
    for line in lines:
        if made := re.fullmatch(r"set firewall\.(\w+)=(\w+)", line):
            sections[made[1]] = {".type": made[2]}
        elif option := re.fullmatch(r"set firewall\.(\w+)\.(\w+)='([^']*)'", line):
            sections[option[1]][option[2]] = option[3]
        elif added := re.fullmatch(r"add_list firewall\.(\w+\.\w+)='([^']*)'", line):
            lists.setdefault(added[1], []).append(added[2])
        elif moved := re.fullmatch(r"reorder firewall\.(\w+)=0", line):
            sections = {moved[1]: sections.pop(moved[1]), **sections}
        else:
            raise ValueError(line)
    return sections, lists


def _known(section: Section, sets: dict[str, list[IPv4Network | IPv6Network]]) -> str:
    """The kind of a section that fw4 would not skip."""
    kind = section[".type"]
    own = {"redirect": {"src_dport", "reflection"}, "rule": {"dest", "family"}}[kind]
    if set(section) != _COMMON | own or section["ipset"].lstrip("!") not in sets:
        raise ValueError(str(section))
    if (section["src"], section["proto"], section["dest_port"]) != ("wan0", "tcp", "25"):
        raise ValueError(str(section))
    if section["dest_ip"] not in _SERVER.values() or (kind == "rule" and section["dest"] != "*"):
        raise ValueError(str(section))
    return kind


def _in_set(address: IPAddress, said: str, sets: dict[str, list[IPv4Network | IPv6Network]]) -> bool:
    return any(address in network for network in sets[said.lstrip("!")]) is not said.startswith("!")


MODELS = {"openwrt": router}
