"""iptables(8), ipset(8): what the files say that the script hands to `ipset restore` and to the two restores.

The shell around them is not run here (the packets do that): only that it swaps the new sets in under the names that
the chains ask for, and jumps from the chains that a packet of the place passes, is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network

from arrowslit.mail.address import IPAddress
from tests.targets.models import Admits

Sets = dict[str, set[IPv4Network | IPv6Network]]
Chains = dict[str, list[str]]

_PACKET = "-i wan0 -p tcp "
_CONDITIONS = (
    rf"{_PACKET}-m tcp --dport 25",
    r"-p tcp -i wan0 -m conntrack --ctorigdstport 25 --ctdir ORIGINAL",
)


def script(first: dict[str, str]) -> Callable[[str], Admits]:
    """A model of a script whose packets begin in these chains, each with the chain that it comes from."""

    def model(text: str) -> Admits:
        files = dict(re.findall(r"^(ipset|ip6?tables-restore)\b[^\n]*<<'END'\n(.*?)^END$", text, re.S | re.M))
        sets = _sets(text, files["ipset"])
        chains = {4: _chains(files["iptables-restore"]), 6: _chains(files["ip6tables-restore"])}
        for own, came_from in first.items():
            jump = f'for chain in {came_from}; do\n\t\ttables "$family" -C "$chain" -j {own} 2>/dev/null || '
            if f'{jump}tables "$family" -I "$chain" 1 -j {own}\n' not in text:
                raise ValueError(f"nothing jumps to {own}")

        def admits(address: IPAddress) -> bool:
            verdicts = {_passes(address, own, chains[address.version], sets) for own in first}
            if len(verdicts) != 1:
                raise ValueError("one way in is wider than the other")
            return verdicts.pop()

        return admits

    return model


def _sets(text: str, file: str) -> Sets:
    found: Sets = {}
    room: dict[str, int] = {}
    for line in file.splitlines():
        if line.startswith("#"):
            continue
        if created := re.fullmatch(r"create (\S+) hash:net family (inet6?) maxelem (\d+)", line):
            found[created[1]], room[created[1]] = set(), int(created[3])
        elif added := re.fullmatch(r"add (\S+) (\S+)", line):
            network = ip_network(added[2])
            if not network.prefixlen:
                raise ValueError("a prefix of length 0")
            found[added[1]].add(network)
        else:
            raise ValueError(line)
    if any(len(found[name]) > room[name] for name in found):
        raise ValueError("a set is full")
    (name,) = set(re.findall(r'ipset rename "arrowslit-new-\$family" "(\S+)-\$family"', text))
    return {f"{name}-{version}": found[f"arrowslit-new-{version}"] for version in (4, 6)}


def _chains(file: str) -> Chains:
    table, *lines, commit = (line for line in file.splitlines() if not line.startswith("#"))
    if (table, commit) != ("*filter", "COMMIT"):
        raise ValueError(file)
    chains: Chains = {line[1:].split()[0]: [] for line in lines if line.startswith(":")}
    for line in lines:
        if not line.startswith(":"):
            added = re.fullmatch(r"-A (\S+)( .*)?", line)
            if added is None:
                raise ValueError(line)
            chains[added[1]].append((added[2] or "").strip())
    return chains


def _passes(address: IPAddress, chain: str, chains: Chains, sets: Sets) -> bool:
    """True where no rule drops; RETURN leaves this chain for the one that it was called from."""
    for rule in chains[chain]:
        condition, _, target = rule.rpartition("-j ") if "-j " in rule else (rule, "", "")
        if not _matches(address, condition.strip(), sets):
            continue
        if target == "DROP":
            return False
        if target == "RETURN":
            return True
        if target and not _passes(address, target, chains, sets):
            return False
    return True


def _matches(address: IPAddress, condition: str, sets: Sets) -> bool:
    if not condition or condition in _CONDITIONS:
        return True
    if condition == "-i lo":
        return False
    member = re.fullmatch(r"-m set --match-set (\S+) src", condition)
    if member is None:
        raise ValueError(condition)
    return any(address in network for network in sets[member[1]])


MODELS = {
    "iptables": script({"ARROWSLIT": "INPUT"}),
    "iptables-docker": script({"ARROWSLIT": "INPUT", "ARROWSLIT-DOCKER": "FORWARD DOCKER-USER"}),
}
