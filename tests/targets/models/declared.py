"""Terraform, CloudFormation and Kubernetes: declarations, read as their languages say.

AWS: whoever stands in a prefix list that an ingress rule of the group names may connect. Kubernetes: a chosen pod is
reached by whom some rule names, a rule without `from` is for anybody, `except` is taken out of its block. Terraform is
read here by its lines and once more by a parser of the language, where there is one (`test_declared`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

import yaml

from arrowslit.mail.address import IPAddress
from tests.targets.models import Admits

Net = IPv4Network | IPv6Network


def one_of(nets: Iterable[Net]) -> Admits:
    found = list(nets)

    def admits(address: IPAddress) -> bool:
        return any(address in net for net in found)

    return admits


def list_of(family: str, most: int, cidrs: list[str]) -> list[Net]:
    """A managed prefix list: one family, no doubles, no more than its size."""
    nets = [ip_network(one) for one in cidrs]
    if any(f"IPv{net.version}" != family for net in nets) or not 0 < len(set(nets)) == len(nets) <= most:
        raise ValueError(str(cidrs))
    return nets


CLOSES = "take out the rules that open the port to everybody"
"""The last step by hand: without it the rules that were there stay, and a group's rules only add up."""


def everybody(_: IPAddress) -> bool:
    """What is left alone is as open as it was."""
    return True


LIST = re.compile(
    r'resource "aws_ec2_managed_prefix_list" "(\w+)" \{\n\s*name\s*= "arrowslit-\$\{var\.\w+\}-ipv\d"\n'
    r'\s*address_family = "(IPv\d)"\n\s*max_entries\s*= (\d+)\n((?:\s*entry \{\n\s*cidr = "[^"$%\\]+"\n\s*\}\n)*)\}\n'
)
RULE = re.compile(
    r'resource "aws_vpc_security_group_ingress_rule" "\w+" \{\n\s*security_group_id = var\.arrowslit_security_group\n'
    r'\s*description\s*= "Arrowslit"\n\s*ip_protocol\s*= "tcp"\n\s*from_port\s*= 25\n\s*to_port\s*= 25\n'
    r"\s*prefix_list_id\s*= aws_ec2_managed_prefix_list\.(\w+)\.id\n\}\n"
)


def terraform(text: str) -> Admits:
    closes = CLOSES in text
    text = re.sub(r"(?m)^\s*#.*\n", "", text)
    lists = {
        name: list_of(family, int(most), re.findall(r'cidr = "(.*?)"', entries))
        for name, family, most, entries in LIST.findall(text)
    }
    named = RULE.findall(text)
    stays = not named and not lists and not closes
    rest = RULE.sub("", LIST.sub("", text)).strip()
    if not re.fullmatch(r'variable "arrowslit_security_group" \{[^{}]*\}', rest) or set(named) != set(lists):
        raise ValueError(rest)
    return everybody if stays else one_of(net for name in named for net in lists[name])


class _Tags(yaml.SafeLoader):
    """YAML with CloudFormation's short functions."""


_Tags.add_multi_constructor("!", lambda loader, tag, node: {tag: loader.construct_scalar(node)})


def cloudformation(text: str) -> Admits:
    # yaml.load with a loader that makes plain values only
    template: dict[str, Any] = yaml.load(text, _Tags)
    lists: dict[str, list[Net]] = {}
    named = []
    for name, resource in template["Resources"].items():
        said = resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::EC2::PrefixList":
                cidrs = [entry["Cidr"] for entry in said["Entries"]]
                lists[name] = list_of(said["AddressFamily"], said["MaxEntries"], cidrs)
            case "AWS::EC2::SecurityGroupIngress":
                if (said["IpProtocol"], said["FromPort"], said["ToPort"]) != ("tcp", 25, 25):
                    raise ValueError(str(said))
                named.append(said["SourcePrefixListId"]["Ref"])
            case kind if kind != "AWS::CloudFormation::WaitConditionHandle":
                raise ValueError(kind)
    if not lists and CLOSES not in text:
        return everybody
    return one_of(net for name in named for net in lists[name])


def kubernetes(text: str) -> Admits:
    """Of pods with both labels: rules of all policies that choose a pod add up; one that none chooses is open."""
    rules: list[dict[str, Any]] = []
    choosing = 0
    for policy in yaml.safe_load_all(text):
        spec = policy["spec"]
        if policy["apiVersion"] != "networking.k8s.io/v1" or policy["kind"] != "NetworkPolicy":
            raise ValueError(str(policy))
        if spec["policyTypes"] != ["Ingress"] or not spec["podSelector"]["matchLabels"]:
            raise ValueError(str(policy))
        if not _chooses(spec["podSelector"]):
            continue
        choosing += 1
        rules += spec["ingress"]
    if not choosing:
        return everybody
    admits: list[Admits] = []
    for rule in rules:
        if not _has(rule["ports"], 25):
            if not all(_has(rule["ports"], port) for port in (1, 24, 26, 143, 993, 65535)):
                raise ValueError("closes other ports")
            continue
        if rule["ports"] != [{"protocol": "TCP", "port": 25}] or not rule["from"]:
            raise ValueError("a rule for anybody")
        admits += [_block(peer["ipBlock"]) for peer in rule["from"]]
    return lambda address: any(one(address) for one in admits)


LABELS = {"arrowslit": "guarded", "arrowslit-other-ports": "open"}


def _chooses(selector: dict[str, Any]) -> bool:
    """All conditions of a selector must hold (LabelSelector, API reference)."""
    for one in selector.get("matchExpressions", ()):
        if one["operator"] != "DoesNotExist" or "values" in one:
            raise ValueError(str(one))
        if one["key"] in LABELS:
            return False
    return all(LABELS[key] == value for key, value in selector["matchLabels"].items())


def _has(ports: list[dict[str, Any]], port: int) -> bool:
    return any(
        one["protocol"] == "TCP" and one.get("port", 0) <= port <= one.get("endPort", one.get("port", 65535))
        for one in ports
    )


def _block(said: dict[str, Any]) -> Admits:
    net, out = ip_network(said["cidr"]), [ip_network(one) for one in said.get("except", [])]
    for one in out:
        if one.version != net.version or one == net or not net.supernet_of(one):  # type: ignore[arg-type]
            raise ValueError(f"{one} is not within {net}")
    return lambda address: address in net and not any(address in one for one in out)


MODELS = {"terraform": terraform, "cloudformation": cloudformation, "kubernetes": kubernetes}
