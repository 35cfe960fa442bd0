"""EC2 as far as security groups and managed prefix lists go, through boto3 (the extra `aws`).

Sources: Amazon EC2 API Reference: Create-, Modify-, Restore-, Delete-, Describe- and GetManagedPrefixList(Entries,
Version), Authorize-, RevokeSecurityGroupIngress, DescribeSecurityGroupRules, DescribeNetworkInterfaces; Amazon VPC User
Guide, "Managed prefix lists" (100 entries a change, states, versions). boto3 is loaded when it is asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from arrowslit.mail.address_set import AddressSet
from arrowslit.rollout.credentials import Credentials
from arrowslit.rollout.edges import read_set
from arrowslit.rollout.point import RolloutError

FAMILIES: Final = ("4", "6")
AT_ONCE: Final = 100
_POLLS: Final = 60
_ALREADY: Final = frozenset(
    {
        "InvalidPermission.Duplicate",
        "InvalidPermission.NotFound",
        "InvalidSecurityGroupRuleId.NotFound",
        "InvalidPrefixListID.NotFound",
    }
)
"""What AWS says of a change that was made before."""

Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PrefixList:
    """A managed prefix list of ours."""

    id: str
    version: int
    most: int
    entries: tuple[str, ...]

    @property
    def listed(self) -> AddressSet:
        """The addresses of its entries."""
        return read_set(list(self.entries), f"the prefix list {self.id}")


@dataclass(slots=True)
class AwsApi:
    """Calls by what they are for. Every one raises RolloutError. `client` is boto3's of EC2."""

    client: Any
    group: str
    credentials: Credentials | None = None
    wait: Callable[[float], None] = field(default=time.sleep)

    def name(self, family: str) -> str:
        """The name of our prefix list of a family, as compiled texts have it too."""
        return f"arrowslit-{self.group}-ipv{family}"

    def prefix_list(self, family: str) -> PrefixList | None:
        """Our prefix list of a family, None where there is none."""
        wanted = [{"Name": "prefix-list-name", "Values": [self.name(family)]}]
        found = list(self._pages("describe_managed_prefix_lists", "PrefixLists", Filters=wanted))
        found = [one for one in found if not one["State"].startswith("delete")]
        if len(found) > 1:
            raise RolloutError(f"there are {len(found)} prefix lists {self.name(family)}: remove all but one")
        if not found:
            return None
        one = found[0]
        entries = self._pages("get_managed_prefix_list_entries", "Entries", PrefixListId=one["PrefixListId"])
        cidrs = tuple(sorted(entry["Cidr"] for entry in entries))
        return PrefixList(one["PrefixListId"], one["Version"], one["MaxEntries"], cidrs)

    def make_list(self, family: str, most: int) -> None:
        """Make our prefix list of a family, without entries."""
        made = self._call(
            "create_managed_prefix_list",
            PrefixListName=self.name(family),
            AddressFamily=f"IPv{family}",
            MaxEntries=max(most, 1),
        )
        self.settled(made["PrefixList"]["PrefixListId"])

    def grow(self, one: PrefixList, most: int) -> None:
        """Let a list take more entries; every rule with it counts as so many."""
        self._call("modify_managed_prefix_list", PrefixListId=one.id, MaxEntries=most)
        self.settled(one.id)

    def modify(self, one: PrefixList, version: int, add: Sequence[str], remove: Sequence[str]) -> None:
        """Add and remove up to a hundred entries each, in one change."""
        told: Data = {"PrefixListId": one.id, "CurrentVersion": version}
        told |= {"AddEntries": [{"Cidr": cidr} for cidr in add]} if add else {}
        told |= {"RemoveEntries": [{"Cidr": cidr} for cidr in remove]} if remove else {}
        self._call("modify_managed_prefix_list", **told)
        self.settled(one.id)

    def restore(self, one: PrefixList, version: int) -> None:
        """Let a list have the entries that it had in an earlier version."""
        self.settled(one.id, or_failed=True)
        told = {"PrefixListId": one.id, "PreviousVersion": version, "CurrentVersion": one.version}
        self._call("restore_managed_prefix_list_version", **told)
        self.settled(one.id)

    def delete_list(self, one: PrefixList) -> None:
        """Remove a list that no rule names."""
        self._call("delete_managed_prefix_list", PrefixListId=one.id)

    def settled(self, id: str, *, or_failed: bool = False) -> None:
        """Wait until what is under way with a list is done."""
        state = ""
        for number in range(_POLLS):
            found = self._call("describe_managed_prefix_lists", PrefixListIds=[id])["PrefixLists"]
            state = found[0]["State"] if found else "delete-complete"
            if state.endswith("-complete") or (or_failed and state.endswith("-failed")):
                return
            if state.endswith("-failed"):
                raise RolloutError(f"the prefix list {id}: {state}: {found[0].get('StateMessage', '')}")
            self.wait(min(0.2 * (number + 1), 2.0))
        raise RolloutError(f"the prefix list {id} stays {state}")

    def rules(self, groups: Sequence[str]) -> list[Data]:
        """The rules of security groups for what comes in."""
        wanted = [{"Name": "group-id", "Values": list(groups)}]
        found = self._pages("describe_security_group_rules", "SecurityGroupRules", Filters=wanted)
        return [one for one in found if not one["IsEgress"]]

    def other_groups(self) -> list[str]:
        """The groups that interfaces with our group have beside it; all of them add up."""
        wanted = [{"Name": "group-id", "Values": [self.group]}]
        found = self._pages("describe_network_interfaces", "NetworkInterfaces", Filters=wanted)
        groups = {one["GroupId"] for interface in found for one in interface["Groups"]}
        return sorted(groups - {self.group})

    def authorise(self, port: int, source: Data) -> None:
        """Let somebody in; that he is in already is as good."""
        permission = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **source}
        self._call("authorize_security_group_ingress", GroupId=self.group, IpPermissions=[permission])

    def revoke(self, rule: Data) -> None:
        """Remove a rule; that it is gone already is as good."""
        ids = [rule["SecurityGroupRuleId"]]
        self._call("revoke_security_group_ingress", GroupId=self.group, SecurityGroupRuleIds=ids)

    # --- inside -------------------------------------------------------------------------------------------------

    def _pages(self, operation: str, of: str, **told: Any) -> Iterator[Data]:
        token: Data = {}
        while True:
            found = self._call(operation, **told, **token)
            if not isinstance(found.get(of), list):
                raise RolloutError(f"AWS {operation}: the answer can't be understood")
            yield from found[of]
            if not found.get("NextToken"):
                return
            token = {"NextToken": found["NextToken"]}

    def _call(self, operation: str, **told: Any) -> Data:
        try:
            found: Data = getattr(self.client, operation)(**told)
        except Exception as error:  # botocore has many, and makes some of them as it goes
            answer = getattr(error, "response", None)
            said = answer.get("Error", {}) if isinstance(answer, dict) else {}
            if said.get("Code") in _ALREADY:
                return {}
            words = f"{said['Code']}: {said.get('Message', '')}" if said.get("Code") else f"{error}"
            words = words if self.credentials is None else self.credentials.without(words)
            raise RolloutError(f"AWS {operation}: {' '.join(words.split())[:300]}") from None
        return found


def ec2(region: str, url: str, ca_file: Path | None, credentials: Credentials | None) -> Any:
    """A client of boto3. Raises RolloutError where that is not installed or has no region."""
    try:
        import boto3  # noqa: PLC0415  optional, and half a second
        from botocore.config import Config  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415
    except ImportError:
        raise RolloutError("boto3 is not installed: pip install 'arrowslit[aws]'") from None
    told: Data = {} if credentials is None else {
        "aws_access_key_id": credentials.get("aws_access_key_id"),
        "aws_secret_access_key": credentials.get("aws_secret_access_key"),
    }  # fmt: skip
    config = Config(connect_timeout=5, read_timeout=30, retries={"max_attempts": 2})
    try:
        return boto3.client("ec2", region_name=region or None, endpoint_url=url or None, config=config,
                            verify=None if ca_file is None else str(ca_file), **told)  # fmt: skip
    except (BotoCoreError, ValueError) as error:
        raise RolloutError(f"AWS: {error}") from None
