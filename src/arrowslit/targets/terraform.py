"""An AWS security group in Terraform's language: a managed prefix list for each family, and the rules that name it.

Grants: connecting. Terms: both families. As with the AWS script, there is nothing that refuses: a list of who may not
is written as everybody else, and a group takes 60 rules of a family, counted by the size of their lists. A family
without addresses has neither list nor rule. It never touches rules that it did not make, and applies nothing itself.

Sources: Terraform's language, "Syntax" and "Input variables"; the AWS provider's aws_ec2_managed_prefix_list and
aws_vpc_security_group_ingress_rule (provider 5 and later).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from arrowslit.targets.aws import WIDE_NOTES, size_gaps
from arrowslit.targets.cloud import FAMILIES, count, indented, permitted
from arrowslit.targets.gaps import Term
from arrowslit.targets.observed import before_nothing, close_by_hand
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import CONNECT, Body, Place, Target
from arrowslit.targets.text import HASH


def _write(rules: Rules, place: Place) -> Body:
    lists = {version: permitted(rules.connect, version) for version in FAMILIES}
    parts = [_VARIABLE]
    for version in () if rules.observes else FAMILIES:
        parts += _family(version, lists[version], place.ports)
    return Body(
        "\n".join(parts),
        apply=(
            *before_nothing(rules),
            "terraform fmt -check FILE && terraform plan -out=plan   (read it: nothing but arrowslit_ is to change)",
            "terraform apply plan",
            *close_by_hand(rules),
        ),
        check=("terraform plan -detailed-exitcode   (0: the group is as this file says)",),
        undo=("first the wide rules again, then FILE as it was before, or without it; terraform apply",),
        notes=(
            "a security group with ingress blocks of its own (aws_security_group) takes away rules that are declared "
            "beside it: declare its rules in resources of their own",
            *WIDE_NOTES,
        ),
        gaps=size_gaps(lists, len(place.ports)),
    )


_VARIABLE: Final = """\
variable "arrowslit_security_group" {
  description = "The mail server's security group"
  type        = string
}
"""


def _family(version: int, lines: list[str], ports: tuple[int, ...]) -> Iterator[str]:
    if not count(lines):
        return
    yield f"""\
resource "aws_ec2_managed_prefix_list" "arrowslit_ipv{version}" {{
  name           = "arrowslit-${{var.arrowslit_security_group}}-ipv{version}"
  address_family = "IPv{version}"
  max_entries    = {count(lines)}

{_entries(lines)}}}
"""
    for port in ports:
        yield f"""\
resource "aws_vpc_security_group_ingress_rule" "arrowslit_ipv{version}_{port}" {{
  security_group_id = var.arrowslit_security_group
  description       = "Arrowslit"
  ip_protocol       = "tcp"
  from_port         = {port}
  to_port           = {port}
  prefix_list_id    = aws_ec2_managed_prefix_list.arrowslit_ipv{version}.id
}}
"""


def _entries(lines: list[str]) -> str:
    """Each as its block; the language wants three lines for one."""
    return indented(lines, '  entry {\n    cidr = "', '"\n  }')


TERRAFORM: Final = Target(
    "terraform",
    "Terraform with an AWS security group",
    CONNECT,
    frozenset({Term.IPV6}),
    HASH,
    "tf",
    _write,
    frozenset({Term.SIZE.value}),
)
