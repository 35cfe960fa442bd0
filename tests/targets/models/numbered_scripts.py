"""Scripts for `az` and `gcloud`, run by a real shell where nothing stands yet; the calls make a list of numbered rules.

Azure ("Network security groups"): the rule with the lowest number that matches decides; behind them Azure's own refuse
the Internet. Google Cloud ("VPC firewall rules"): the same, and ingress that nothing permits is refused; a rule is of
one family. There is no checker for either: every option is compared with what the reference of the command names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from arrowslit.mail.address import IPAddress
from tests.targets.models import Admits
from tests.targets.models.run_script import called, option, words

CREATE_AZURE = {
    *("--resource-group", "--nsg-name", "--name", "--priority", "--direction", "--access", "--protocol"),
    *("--source-address-prefixes", "--source-port-ranges", "--destination-address-prefixes"),
    *("--destination-port-ranges", "--output"),
}
CREATE_GCP = {
    *("--network", "--direction", "--priority", "--action", "--rules", "--source-ranges", "--target-tags", "--quiet"),
}


@dataclass(frozen=True)
class Rule:
    number: int
    permits: bool
    sources: Sequence[IPv4Network | IPv6Network]


def _decided(rules: Sequence[Rule]) -> Admits:
    ordered = sorted(rules, key=lambda rule: rule.number)
    if len({rule.number for rule in rules}) != len(rules):
        raise ValueError("two rules have one number")

    def admits(address: IPAddress) -> bool:
        if not ordered:
            return True  # nothing is touched: it is as open as it was
        for rule in ordered:
            if any(address in net for net in rule.sources):
                return rule.permits
        return False

    return admits


def azure_rule(call: list[str]) -> Rule | None:
    """The rule that a call makes, None for one of Azure's own probes."""
    if {word for word in call if word.startswith("--")} != CREATE_AZURE:
        raise ValueError(str(call))
    fixed = [option(call, name) for name in ("--direction", "--protocol", "--source-port-ranges")]
    if [*fixed, option(call, "--destination-address-prefixes")] != ["Inbound", "Tcp", "*", "*"]:
        raise ValueError(str(call))
    if words(call, "--destination-port-ranges") != ["25"]:
        raise ValueError(str(call))
    sources = words(call, "--source-address-prefixes")
    if not sources:
        raise ValueError("a rule for everybody")
    if sources == ["AzureLoadBalancer"]:
        return None
    number = int(option(call, "--priority"))
    if not 100 <= number <= 4096:
        raise ValueError(str(number))
    permits = {"Allow": True, "Deny": False}[option(call, "--access")]
    return Rule(number, permits, _one_family(sources))


def azure(text: str) -> Admits:
    calls = called('az() { record az "$@"; }\n', text, {"RESOURCE_GROUP": "mail", "NSG": "mail-nsg"})
    made = [call for call in calls if call[:5] != ["az", "network", "nsg", "rule", "list"]]
    if any(call[:5] != ["az", "network", "nsg", "rule", "create"] for call in made):
        raise ValueError(str(made))
    return _decided([rule for rule in map(azure_rule, made) if rule is not None])


def gcp_rule(call: list[str]) -> Rule:
    """The rule that a call makes."""
    said = dict(word.partition("=")[::2] for word in call[5:])
    if set(said) != CREATE_GCP or said["--direction"] != "INGRESS" or said["--rules"] != "tcp:25":
        raise ValueError(str(call))
    if not said["--source-ranges"] or not said["--target-tags"]:
        raise ValueError("a rule for everybody or everywhere")
    permits = {"ALLOW": True, "DENY": False}[said["--action"]]
    return Rule(int(said["--priority"]), permits, _one_family(said["--source-ranges"].split(",")))


def gcp(text: str) -> Admits:
    calls = called('gcloud() { record gcloud "$@"; }\n', text, {"NETWORK": "mail", "TARGET_TAG": "mail"})
    made = [call for call in calls if call[:4] != ["gcloud", "compute", "firewall-rules", "list"]]
    if any(call[:4] != ["gcloud", "compute", "firewall-rules", "create"] for call in made):
        raise ValueError(str(made))
    return _decided([gcp_rule(call) for call in made])


def _one_family(sources: Sequence[str]) -> list[IPv4Network | IPv6Network]:
    nets = [ip_network(one) for one in sources]
    if len({net.version for net in nets}) != 1:
        raise ValueError("a rule of both families")
    return nets


MODELS = {"azure": azure, "gcp": gcp}
