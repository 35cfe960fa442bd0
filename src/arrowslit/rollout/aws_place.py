"""What an AWS account has of ours and beside it: the rules of a security group, our prefix lists, and wide rules.

Read over the API, and judged; nothing is changed from here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from ipaddress import ip_network
from typing import Any, Final

from arrowslit.mail.address_set import EMPTY, AddressSet
from arrowslit.rollout.aws_api import FAMILIES, AwsApi, Data, PrefixList
from arrowslit.rollout.edges import token_of

_EVERYBODY: Final = {"CidrIpv4": "0.0.0.0/0", "CidrIpv6": "::/0"}


@dataclass(frozen=True, slots=True)
class Account:
    """The rules of the group that open a port of ours, and our list of each family."""

    rules: list[Data]
    lists: dict[str, PrefixList | None]
    token: str

    def own(self, family: str) -> dict[int, Data]:
        """Our rules of a family by their port."""
        one = self.lists[family]
        found = [rule for rule in self.rules if one is not None and rule.get("PrefixListId") == one.id]
        return {rule["FromPort"]: rule for rule in found if rule["FromPort"] == rule["ToPort"]}

    def listed(self, ports: tuple[int, ...]) -> AddressSet:
        """Whom our rules let in on all ports."""
        lists = (one for family, one in self.lists.items() if one is not None and self.own(family).keys() >= set(ports))
        return EMPTY.union(*(one.listed for one in lists))


def read_account(api: AwsApi, ports: tuple[int, ...], *, close: bool) -> Account:
    """What is there; with `close` the token also changes with rules that would be closed. Raises RolloutError."""
    rules = [rule for rule in api.rules([api.group]) if _opens(rule, ports)]
    lists = {family: api.prefix_list(family) for family in FAMILIES}
    own = {one.id for one in lists.values() if one is not None}
    ours = sorted((rule["SecurityGroupRuleId"], rule["FromPort"], rule["ToPort"]) for rule in rules
                  if rule.get("PrefixListId") in own or (close and opens_to_everybody(rule)))  # fmt: skip
    token = token_of(ours, [None if one is None else asdict(one) for one in lists.values()])
    return Account(rules, lists, token)


def wide_rules(api: AwsApi, account: Account, ports: tuple[int, ...]) -> Iterator[str]:
    """The rules beside ours that let strangers in, of all groups of the same interfaces, a sentence each."""
    own = {one.id for one in account.lists.values() if one is not None}
    others = api.other_groups()
    rules = [*account.rules, *(api.rules(others) if others else ())]
    for rule in rules:
        source = rule.get("CidrIpv4") or rule.get("CidrIpv6") or rule.get("PrefixListId") or ""
        if _opens(rule, ports) and source not in own and _strangers(source):
            port = next(port for port in ports if _opens(rule, (port,)))
            yield f"port {port} is also open to {source} (group {rule['GroupId']}, {rule['SecurityGroupRuleId']})"


def opens_to_everybody(rule: Data) -> bool:
    """Whether a rule opens one port, and no other, to the whole of a family."""
    exact = rule["IpProtocol"] in {"tcp", "6"} and rule["FromPort"] == rule["ToPort"]
    return exact and any(rule.get(key) == cidr for key, cidr in _EVERYBODY.items())


def _opens(rule: Data, ports: tuple[int, ...]) -> bool:
    if rule["IpProtocol"] == "-1":
        return True
    return rule["IpProtocol"] in {"tcp", "6"} and any(rule["FromPort"] <= port <= rule["ToPort"] for port in ports)


def _strangers(source: str) -> bool:
    """Whether strangers may be among them; another group's members are none."""
    if source.startswith("pl-"):
        return True
    return bool(source) and not ip_network(source).is_private


def saved(rule: Data) -> Data:
    """What brings a rule back, its description too."""
    described = {"Description": rule["Description"]} if rule.get("Description") else {}
    ranges: dict[str, Any] = (
        {"IpRanges": [{"CidrIp": rule["CidrIpv4"], **described}]}
        if rule.get("CidrIpv4")
        else {"Ipv6Ranges": [{"CidrIpv6": rule["CidrIpv6"], **described}]}
    )
    return {"port": rule["FromPort"], "source": ranges}
