"""An EC2 security group, by a script for the AWS command line: a managed prefix list for each family, and its rules.

Grants: connecting. Terms: both families. A security group has no rule that refuses: a list of who may not is written
as everybody else, which soon is more than a group takes, since a rule counts as many times as its list may have entries
(quota: 60 for each family). It can't count: in mode "observe" it sets nothing. Of the rules beside ours it takes away
none but those that open a port of ours alone to the whole Internet, when `close` is said.

Sources: AWS CLI Command Reference, ec2 create-, modify-, describe- and get-managed-prefix-list(-entries),
authorize- and revoke-security-group-ingress, describe-security-group-rules; Amazon VPC User Guide, "Managed prefix
lists" and "Amazon VPC quotas".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from arrowslit.targets.aws_script import SCRIPT
from arrowslit.targets.cloud import FAMILIES, count, permitted, too_many
from arrowslit.targets.cloud_script import START, here
from arrowslit.targets.gaps import Gap, Term
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import CONNECT, Body, Place, Target
from arrowslit.targets.text import SHELL

QUOTA: Final = 60
COUNTED: Final = "a security group's 60 rules of a family count a prefix list by its size, once for each port"


def size_gaps(lists: dict[int, list[str]], ports: int) -> tuple[Gap, ...]:
    """The gap where one family's list is too long for a group as AWS sets it up."""
    return too_many(max(count(lines) for lines in lists.values()) * ports, QUOTA, COUNTED)


WIDE_NOTES: Final = (
    "all security groups of an interface add up: a rule for the port in any other one lets strangers in",
    "the quota of 60 rules can be raised (Service Quotas, Inbound or outbound rules per security group)",
    "a load balancer that hides the client's address makes the list useless; one that checks the port needs an entry",
)


def _write(rules: Rules, place: Place) -> Body:
    lists = {version: permitted(rules.connect, version) for version in FAMILIES}
    written = {version: [] if rules.observes else lines for version, lines in lists.items()}
    text = f"""{START}
mode={"observe" if rules.observes else "enforce"}
group=${{SECURITY_GROUP:?say which group with SECURITY_GROUP=sg-...}}
ports='{" ".join(map(str, place.ports))}'
kept=arrowslit-$group
{here("listed4", written[4])}
{here("listed6", written[6])}{SCRIPT}"""
    return Body(
        text,
        apply=tuple(_apply(rules)),
        check=("SECURITY_GROUP=sg-... sh FILE check",),
        undo=("SECURITY_GROUP=sg-... sh FILE undo",),
        notes=(
            "what stood before is kept in the folder arrowslit-sg-... where the script is run",
            *WIDE_NOTES,
            "a list's size (MaxEntries), which the quota counts, only grows here",
            "who is connected already stays connected",
        ),
        gaps=size_gaps(lists, len(place.ports)),
    )


def _apply(rules: Rules) -> Iterator[str]:
    if rules.observes:
        yield "SECURITY_GROUP=sg-... sh FILE apply   (opens again what an earlier file closed, and sets nothing)"
        return
    yield "SECURITY_GROUP=sg-... sh FILE apply"
    yield "SECURITY_GROUP=sg-... sh FILE close   (then the rules that open these ports alone to everybody go)"


AWS: Final = Target(
    "aws",
    "an AWS security group",
    CONNECT,
    frozenset({Term.IPV6}),
    SHELL,
    "sh",
    _write,
    frozenset({Term.SIZE.value}),
)
