"""An AWS security group as a CloudFormation template: a managed prefix list for each family, and rules that name it.

Grants, terms and limits are those of the AWS script. A family without addresses has neither list nor rule; a template
needs a resource, so one for nobody has a handle that does nothing. It never touches rules that are not in the stack.

Sources: AWS CloudFormation Template Reference, AWS::EC2::PrefixList, AWS::EC2::SecurityGroupIngress and
AWS::CloudFormation::WaitConditionHandle.
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
    families = () if rules.observes else FAMILIES
    resources = "".join("".join(_family(version, lists[version], place.ports)) for version in families)
    deploy = "aws cloudformation deploy --template-file FILE --stack-name arrowslit --parameter-overrides"
    return Body(
        _HEAD + (resources or _NOBODY),
        apply=(
            *before_nothing(rules),
            "keep the template that stands: aws cloudformation get-template --stack-name arrowslit --query "
            "TemplateBody --output text > FILE.before",
            f"{deploy} SecurityGroup=sg-...",
            *close_by_hand(rules),
        ),
        check=(
            "aws cloudformation detect-stack-drift --stack-name arrowslit, then aws cloudformation "
            "describe-stack-resource-drifts --stack-name arrowslit",
        ),
        undo=(
            "first the wide rules again; then deploy FILE.before the same way, or aws cloudformation delete-stack "
            "--stack-name arrowslit where there was none",
        ),
        notes=(*WIDE_NOTES, "CloudFormation takes 100 entries in a list, whatever the quota"),
        gaps=size_gaps(lists, len(place.ports)),
    )


_HEAD: Final = """\
AWSTemplateFormatVersion: "2010-09-09"
Description: Who may connect to the mail server
Parameters:
  SecurityGroup:
    Type: AWS::EC2::SecurityGroup::Id
    Description: The mail server's security group
Resources:
"""

_NOBODY: Final = """\
  Nobody:
    Type: AWS::CloudFormation::WaitConditionHandle
"""


def _family(version: int, lines: list[str], ports: tuple[int, ...]) -> Iterator[str]:
    if not count(lines):
        return
    entries = indented(lines, '        - Cidr: "', '"')
    yield f"""\
  ListedIpv{version}:
    Type: AWS::EC2::PrefixList
    Properties:
      PrefixListName: !Sub arrowslit-${{SecurityGroup}}-ipv{version}
      AddressFamily: IPv{version}
      MaxEntries: {count(lines)}
      Entries:
{entries}"""
    for port in ports:
        yield f"""\
  Ipv{version}Port{port}:
    Type: AWS::EC2::SecurityGroupIngress
    Properties:
      GroupId: !Ref SecurityGroup
      Description: Arrowslit
      IpProtocol: tcp
      FromPort: {port}
      ToPort: {port}
      SourcePrefixListId: !Ref ListedIpv{version}
"""


CLOUDFORMATION: Final = Target(
    "cloudformation",
    "CloudFormation with an AWS security group",
    CONNECT,
    frozenset({Term.IPV6}),
    HASH,
    "yaml",
    _write,
    frozenset({Term.SIZE.value}),
)
