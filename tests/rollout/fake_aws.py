"""Recorded protocol: EC2's security groups and managed prefix lists as the Amazon EC2 API Reference describes them.

Not AWS. It stands where boto3's client stands and is strict where moto is not: versions, a hundred entries a change,
the most entries of a list, states that take a while, the quota of a group, changes that were made before.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

Row = dict[str, Any]
GROUP = "sg-0aa"


class RefusedError(Exception):
    """As botocore's ClientError tells it."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(f"An error occurred ({code})")
        self.response = {"Error": {"Code": code, "Message": message}}


@dataclass
class FakeAws:
    rows: dict[str, Row] = field(default_factory=dict)
    lists: dict[str, Row] = field(default_factory=dict)
    interfaces: list[list[str]] = field(default_factory=lambda: [[GROUP, "sg-0bb"]])
    quota: int = 60
    before: Callable[[str], None] = lambda operation: None
    after: Callable[[str], None] = lambda operation: None
    written: list[str] = field(default_factory=list)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    def reaches(self, client: str) -> bool:
        return any(
            ip_address(client) in ip_network(cidr)
            for rule in self.rows.values()
            if rule["GroupId"] == GROUP and rule["FromPort"] <= 25 <= rule["ToPort"]
            for cidr in self._cidrs(rule)
            if ip_network(cidr).version == ip_address(client).version
        )

    def _cidrs(self, rule: Row) -> set[str]:
        if "PrefixListId" in rule:
            return set(self.lists[rule["PrefixListId"]]["versions"][-1])
        return {rule.get("CidrIpv4") or rule.get("CidrIpv6") or ""} - {""}

    def open(self, port: int, group: str = GROUP, last: int | None = None, **source: str) -> str:
        id = f"sgr-{next(self._numbers):04x}"
        self.rows[id] = {"SecurityGroupRuleId": id, "GroupId": group, "IsEgress": False, "IpProtocol": "tcp",
                         "FromPort": port, "ToPort": last or port, **source}  # fmt: skip
        return id

    # --- the client ---------------------------------------------------------------------------------------------

    def __getattr__(self, operation: str) -> Callable[..., Row]:
        found = type(self).__dict__.get(f"do_{operation}")
        if found is None:
            raise AttributeError(operation)

        def call(**told: Any) -> Row:
            reads = operation.startswith(("describe", "get"))
            if not reads:
                self.written.append(operation)
                self.before(operation)
            made: Row = found(self, **told)
            if not reads:
                self.after(operation)
            return made

        return call

    def do_describe_managed_prefix_lists(
        self, PrefixListIds: list[str] | None = None, Filters: list[Row] | None = None
    ) -> Row:
        found = [
            one for one in self.lists.values()
            if (PrefixListIds is None or one["PrefixListId"] in PrefixListIds)
            and all(one["PrefixListName"] in wanted["Values"] for wanted in Filters or ())
        ]  # fmt: skip
        shown = []
        for one in found:
            shown.append({key: value for key, value in one.items() if key not in {"versions", "waits"}})
            if one["waits"]:
                one["waits"] -= 1
                shown[-1]["State"] = one["State"].replace("-complete", "-in-progress")
            shown[-1]["Version"] = len(one["versions"])
        return {"PrefixLists": shown}

    def do_get_managed_prefix_list_entries(self, PrefixListId: str, NextToken: str = "") -> Row:
        entries = sorted(self.lists[PrefixListId]["versions"][-1])
        at = int(NextToken or 0)
        more = {"NextToken": str(at + 100)} if len(entries) > at + 100 else {}
        return {"Entries": [{"Cidr": cidr} for cidr in entries[at : at + 100]], **more}

    def do_create_managed_prefix_list(self, PrefixListName: str, AddressFamily: str, MaxEntries: int) -> Row:
        id = f"pl-{next(self._numbers):04x}"
        self.lists[id] = {
            "PrefixListId": id, "PrefixListName": PrefixListName, "AddressFamily": AddressFamily,
            "MaxEntries": MaxEntries, "State": "create-complete", "versions": [set()], "waits": 1,
        }  # fmt: skip
        return {"PrefixList": {"PrefixListId": id, "State": "create-in-progress"}}

    def do_modify_managed_prefix_list(
        self, PrefixListId: str, CurrentVersion: int = 0, AddEntries: list[Row] | None = None,
        RemoveEntries: list[Row] | None = None, MaxEntries: int = 0,
    ) -> Row:  # fmt: skip
        one = self._still(PrefixListId)
        one["State"], one["waits"] = "modify-complete", 1
        if MaxEntries:
            assert not AddEntries
            assert not RemoveEntries
            one["MaxEntries"] = MaxEntries
            self._within_quota()
            return {}
        add, remove = ({row["Cidr"] for row in rows or ()} for rows in (AddEntries, RemoveEntries))
        if CurrentVersion != len(one["versions"]):
            raise RefusedError("PrefixListVersionMismatch")
        if max(len(add), len(remove)) > 100:
            raise RefusedError("InvalidParameterValue", "more than 100 entries")
        now = (one["versions"][-1] - remove) | add
        if len(now) > one["MaxEntries"]:
            raise RefusedError("PrefixListMaxEntriesExceeded")
        one["versions"].append(now)
        return {}

    def do_restore_managed_prefix_list_version(
        self, PrefixListId: str, PreviousVersion: int, CurrentVersion: int
    ) -> Row:
        one = self._still(PrefixListId)
        if CurrentVersion != len(one["versions"]):
            raise RefusedError("PrefixListVersionMismatch")
        one["versions"].append(set(one["versions"][PreviousVersion - 1]))
        one["State"], one["waits"] = "restore-complete", 1
        return {}

    def do_delete_managed_prefix_list(self, PrefixListId: str) -> Row:
        if any(rule.get("PrefixListId") == PrefixListId for rule in self.rows.values()):
            raise RefusedError("DependencyViolation")
        if self.lists.pop(PrefixListId, None) is None:
            raise RefusedError("InvalidPrefixListID.NotFound")
        return {}

    def do_describe_security_group_rules(self, Filters: list[Row]) -> Row:
        groups = Filters[0]["Values"]
        return {"SecurityGroupRules": [dict(one) for one in self.rows.values() if one["GroupId"] in groups]}

    def do_describe_network_interfaces(self, Filters: list[Row]) -> Row:
        found = [one for one in self.interfaces if set(Filters[0]["Values"]) & set(one)]
        return {"NetworkInterfaces": [{"Groups": [{"GroupId": id} for id in one]} for one in found]}

    def do_authorize_security_group_ingress(self, GroupId: str, IpPermissions: list[Row]) -> Row:
        (permission,) = IpPermissions
        names = {"PrefixListIds": ("PrefixListId", "PrefixListId"), "IpRanges": ("CidrIp", "CidrIpv4"),
                 "Ipv6Ranges": ("CidrIpv6", "CidrIpv6")}  # fmt: skip
        key = next(key for key in names if key in permission)
        given, name = names[key]
        source = permission[key][0]
        for rule in self.rows.values():
            same = rule["FromPort"] == permission["FromPort"] and rule["GroupId"] == GroupId
            if same and rule.get(name) == source[given]:
                raise RefusedError("InvalidPermission.Duplicate")
        described = {"Description": source["Description"]} if "Description" in source else {}
        id = self.open(permission["FromPort"], GroupId, **{name: source[given]}, **described)
        try:
            self._within_quota()
        except RefusedError:
            del self.rows[id]
            raise
        return {}

    def do_revoke_security_group_ingress(self, GroupId: str, SecurityGroupRuleIds: list[str]) -> Row:
        if self.rows.pop(SecurityGroupRuleIds[0], None) is None:
            raise RefusedError("InvalidSecurityGroupRuleId.NotFound")
        return {}

    def _still(self, id: str) -> Row:
        if id not in self.lists:
            raise RefusedError("InvalidPrefixListID.NotFound")
        if self.lists[id]["waits"]:
            raise RefusedError("IncorrectState", "a change is in progress")
        return self.lists[id]

    def _within_quota(self) -> None:
        for family in ("IPv4", "IPv6"):
            size = sum(
                self.lists[rule["PrefixListId"]]["MaxEntries"]
                for rule in self.rows.values()
                if "PrefixListId" in rule and self.lists[rule["PrefixListId"]]["AddressFamily"] == family
            )
            if size > self.quota:
                raise RefusedError("RulesPerSecurityGroupLimitExceeded")
