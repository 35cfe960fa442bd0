"""Firewall rules of a Google Cloud network, by a script for its command line (`gcloud`).

Grants: connecting. Terms: both families, each with rules of its own, since a rule takes one family only. Rules are
tried by number, and the target tag says for which machines; a last rule of ours refuses everybody else on the ports.
It can't count: a rule that logs also decides. A rule without source ranges is a rule for 0.0.0.0/0, so a family
without addresses has none.

Sources: gcloud reference, compute firewall-rules create, update, list, delete; Google Cloud documentation, "VPC
firewall rules" (priority, sources, targets) and "Quotas and limits" (5000 source ranges in a rule).
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

MOST: Final = 2500
"""Half of what a rule takes: all ranges are one word of a command, and Linux takes 128 KiB in one."""

_CALL: Final = "NETWORK=... TARGET_TAG=... sh FILE"


def _write(rules: Rules, place: Place) -> Body:
    found = max(count(listed(rules.connect, version)) for version in FAMILIES)
    ports = ",".join(f"tcp:{port}" for port in place.ports)
    return Body(
        by_number(rules, _OWN.replace("PORTS", ports)),
        apply=(
            f"{_CALL} apply   (TARGET_TAG is the network tag of the mail servers; the rules have the numbers 100 to "
            "107, or those from PRIORITY on: give one before every rule that permits the ports)",
        ),
        check=(f"{_CALL} check",),
        undo=(f"{_CALL} undo",),
        notes=(
            "what stood before is kept in the folder arrowslit-TARGET_TAG where the script is run",
            "firewall policies of the organization, the folder and the network may decide before these rules",
            *observed_or(rules, "wide rules behind ours count no more for these ports, and may stay"),
            "health checks of a load balancer come from 35.191.0.0/16 and 130.211.0.0/22 and need an entry; a load "
            "balancer that hides the client's address makes the list useless",
        ),
        gaps=too_many(found, MOST, "one rule of one family takes so many here"),
    )


_OWN: Final = r"""
network=${NETWORK:?say NETWORK=the name of the network}
tag=${TARGET_TAG:?say TARGET_TAG=the network tag of the mail servers}
first=${PRIORITY:-100}
kept=arrowslit-$tag

ours() {
	ask gcloud compute firewall-rules list --filter="name~^arrowslit-$tag-" --format='value(name,sourceRanges.list())'
	sed "s/^arrowslit-$tag-//; s/[,;]/ /g" "$work/answer" >"$work/rules"
	mv "$work/rules" "$work/answer"
}

set_rule() {
	ranges=$(echo "$3" | tr '\n' ',')
	case $1-$2 in
	update-*)
		gcloud compute firewall-rules update "arrowslit-$tag-$2" --source-ranges="${ranges%,}" --quiet
		return
		;;
	*-allow-*) action=ALLOW ;;
	*) action=DENY ;;
	esac
	gcloud compute firewall-rules create "arrowslit-$tag-$2" --network="$network" --direction=INGRESS \
		--priority="$(number_of "$2")" --action="$action" --rules=PORTS \
		--source-ranges="${ranges%,}" --target-tags="$tag" --quiet
}

drop_rule() {
	gcloud compute firewall-rules delete "arrowslit-$tag-$1" --quiet
}

before_ours() {
	ask gcloud compute firewall-rules list --format='value(name)' \
		--filter="network~/$network\$ AND direction=INGRESS AND allowed:* AND disabled=False AND priority<$first"
}
"""


GCP: Final = Target(
    "gcp",
    "firewall rules of a Google Cloud network",
    CONNECT,
    frozenset({Term.IPV6}),
    SHELL,
    "sh",
    _write,
    frozenset({Term.SIZE.value}),
)
