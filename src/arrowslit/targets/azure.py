"""An Azure network security group, by a script for the Azure command line (`az`).

Grants: connecting. Terms: both families. Rules are tried by number, and what comes before ours decides; a last rule of
ours refuses everybody else on the ports, also the virtual network itself, which Azure's own rules let in. The probes of
Azure's load balancer stay admitted (they come from no client's address). It can't count (only flow logs could tell).
A rule without sources is a rule for all in `az`, so a family without addresses has none.

Sources: Azure CLI reference, az network nsg rule create, update, list, delete; Azure documentation, "Network security
groups" (priority, default rules, service tags) and "Azure subscription and service limits" (4000 addresses and ranges
in a group).
"""

from __future__ import annotations

from typing import Final

from arrowslit.targets.cloud import FAMILIES, count, listed, too_many
from arrowslit.targets.cloud_script import by_number
from arrowslit.targets.gaps import Term
from arrowslit.targets.observed import observed_or
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import CONNECT, Body, Place, Target
from arrowslit.targets.text import SHELL

MOST: Final = 4000
_CALL: Final = "RESOURCE_GROUP=... NSG=... sh FILE"


def _write(rules: Rules, place: Place) -> Body:
    found = sum(count(listed(rules.connect, version)) for version in FAMILIES)
    return Body(
        by_number(rules, _OWN.replace("PORTS", " ".join(map(str, place.ports))), "allow-probes"),
        apply=(
            f"{_CALL} apply   (NSG is the group's name; the rules have the numbers 100 to 108, or those from "
            "PRIORITY on: give one before every rule that permits the ports)",
        ),
        check=(f"{_CALL} check",),
        undo=(f"{_CALL} undo",),
        notes=(
            "what stood before is kept in the folder arrowslit-NSG where the script is run",
            "traffic passes the group of the subnet and that of the interface: either may refuse",
            *observed_or(rules, "wide rules behind ours count no more for these ports, and may stay"),
            "a gateway or load balancer that hides the client's address makes the list useless",
        ),
        gaps=too_many(found, MOST, "a network security group takes 4000 addresses and ranges in all"),
    )


_OWN: Final = r"""
resources=${RESOURCE_GROUP:?say RESOURCE_GROUP=the group of resources}
nsg=${NSG:?say NSG=the name of the network security group}
first=${PRIORITY:-100}
kept=arrowslit-$nsg

rules() {
	ask az network nsg rule list --resource-group "$resources" --nsg-name "$nsg" --query "$1" --output tsv
}

# Azure keeps a single source in a place of its own.
ours() {
	rules "[?starts_with(name, 'arrowslit-')].[name, join(' ', sourceAddressPrefixes || \`[]\`), sourceAddressPrefix]"
	sed 's/^arrowslit-//' "$work/answer" >"$work/rules"
	mv "$work/rules" "$work/answer"
}

set_rule() {
	case $2 in
	allow-*) access=Allow ;;
	*) access=Deny ;;
	esac
	az network nsg rule "$1" --resource-group "$resources" --nsg-name "$nsg" --name "arrowslit-$2" \
		--priority "$(number_of "$2")" --direction Inbound --access "$access" --protocol Tcp \
		--source-address-prefixes $3 --source-port-ranges '*' \
		--destination-address-prefixes '*' --destination-port-ranges PORTS --output none
}

drop_rule() {
	az network nsg rule delete --resource-group "$resources" --nsg-name "$nsg" --name "arrowslit-$1" --output none
}

before_ours() {
	rules "[?direction=='Inbound' && access=='Allow' && priority<\`$first\`].name"
}
"""


AZURE: Final = Target(
    "azure",
    "an Azure network security group",
    CONNECT,
    frozenset({Term.IPV6}),
    SHELL,
    "sh",
    _write,
    frozenset({Term.SIZE.value}),
)
