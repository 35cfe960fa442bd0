"""The script in the AWS command line itself, against an imitation of EC2: what a group lets in after each step."""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from tests.targets.samples import POLICIES, made
from tests.targets.truth import edges, may_connect, policy_of

pytest.importorskip("moto", reason="needs the packages of the development group: moto")
from tests.targets.aws_account import Account, account

pytestmark = [pytest.mark.peer("awscli")]


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with account(tmp_path_factory.mktemp("aws")) as found:
        yield found


@pytest.fixture
def group(aws: Account, request: pytest.FixtureRequest) -> str:
    """A group that lets everybody in on port 25, and on 22."""
    name = request.node.name.replace("_", "-")[:200].translate(str.maketrans("[]", "  "))
    made_ = aws.run("ec2", "create-security-group", "--group-name", name, "--description", "mail", "--query", "GroupId")
    for port, wide in ((25, "IpRanges=[{CidrIp=0.0.0.0/0}]"), (25, "Ipv6Ranges=[{CidrIpv6=::/0}]")):
        _authorise(aws, made_, port, wide)
    _authorise(aws, made_, 22, "IpRanges=[{CidrIp=0.0.0.0/0}]")
    return made_


def _authorise(aws: Account, group: str, port: int, wide: str) -> None:
    permission = f"IpProtocol=tcp,FromPort={port},ToPort={port},{wide}"
    aws.run("ec2", "authorize-security-group-ingress", "--group-id", group, "--ip-permissions", permission)


def admitted(aws: Account, group: str) -> set[str]:
    """The prefixes that the group lets in on port 25, those of lists too."""
    rules = aws.run("ec2", "describe-security-group-rules", "--filters", f"Name=group-id,Values={group}", "--query",
        "SecurityGroupRules[?IsEgress==`false` && FromPort==`25`].[CidrIpv4 || CidrIpv6 || PrefixListId]")  # fmt: skip
    found: set[str] = set()
    for one in rules.split():
        if one.startswith("pl-"):
            listed = ["ec2", "get-managed-prefix-list-entries", "--prefix-list-id", one, "--query", "Entries[].Cidr"]
            found.update(aws.run(*listed).split())
        else:
            found.add(one)
    return found


def step(aws: Account, sample: str, say: str, group: str) -> str:
    done = aws.script(made("aws", POLICIES[sample]).text, say, SECURITY_GROUP=group)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


WIDE = {"0.0.0.0/0", "::/0"}


def test_it_locks_a_group_down_and_undoes_it(aws: Account, group: str) -> None:
    said = step(aws, "small", "apply", group)
    assert said.count("also open on 25:") == 2
    assert admitted(aws, group) > WIDE
    again = step(aws, "small", "apply", group)
    assert again == "the group is as this file says\n" + said
    assert "closed:" in step(aws, "small", "close", group)
    nets = [ip_network(one) for one in admitted(aws, group)]
    policy = policy_of(POLICIES["small"])
    for one in edges(policy):
        assert any(ip_address(one) in net for net in nets) is may_connect(policy, one)
    assert "22" in aws.run("ec2", "describe-security-groups", "--group-ids", group)
    assert "also open" not in step(aws, "small", "check", group)
    step(aws, "small", "undo", group)
    assert admitted(aws, group) == WIDE


def test_a_list_that_changes_is_changed(aws: Account, group: str) -> None:
    step(aws, "small", "apply", group)
    step(aws, "small", "close", group)
    before = admitted(aws, group)
    step(aws, "ipv6-only", "apply", group)
    assert admitted(aws, group) == {"2001:db8:25::/48", "2001:db8:26::7/128"}
    step(aws, "nobody", "apply", group)
    assert admitted(aws, group) == set()
    step(aws, "small", "apply", group)
    assert admitted(aws, group) == before


def test_a_long_list_goes_in_by_hundreds(aws: Account, group: str) -> None:
    entries = ", ".join(f'{{ computer = "10.1.{n // 100}.{n % 100 * 2}" }}' for n in range(250))
    other = ", ".join(f'{{ computer = "10.2.{n // 100}.{n % 100 * 2}" }}' for n in range(130))
    for listed in (entries, other):
        text = POLICIES["nobody"].replace("only_listed = []", f"only_listed = [ {listed} ]")
        done = aws.script(made("aws", text).text, "apply", SECURITY_GROUP=group)
        assert done.returncode == 0, done.stderr
        wanted = [one.split('"')[1] for one in listed.split(", ")]
        assert admitted(aws, group) - WIDE == {f"{one}/32" for one in wanted}


def test_nothing_is_closed_before_the_list_is_there(aws: Account, group: str) -> None:
    done = aws.script(made("aws", POLICIES["small"]).text, "close", SECURITY_GROUP=group)
    assert done.returncode == 1
    assert "apply first" in done.stderr
    assert admitted(aws, group) == WIDE


def test_what_was_closed_is_written_down_first(aws: Account, group: str, tmp_path: Path) -> None:
    step(aws, "nobody", "apply", group)
    step(aws, "nobody", "close", group)
    assert admitted(aws, group) == set()
    kept = json.loads((aws.folder / f"arrowslit-{group}/rules.json").read_text())
    assert {rule.get("CidrIpv4") or rule.get("CidrIpv6") for rule in kept["SecurityGroupRules"]} >= WIDE


def test_to_observe_sets_nothing(aws: Account, group: str) -> None:
    assert "nothing was set" in step(aws, "observe", "apply", group)
    assert admitted(aws, group) == WIDE
    done = aws.script(made("aws", POLICIES["observe"]).text, "close", SECURITY_GROUP=group)
    assert (done.returncode, "nothing is closed" in done.stderr) == (1, True)
    assert admitted(aws, group) == WIDE


def test_to_observe_opens_what_was_closed_and_cuts_nobody_off(aws: Account, group: str) -> None:
    step(aws, "small", "apply", group)
    step(aws, "small", "close", group)
    before = admitted(aws, group)
    done = aws.script(made("aws", POLICIES["observe"]).text, "check", SECURITY_GROUP=group)
    assert (done.returncode, "still closed" in done.stderr) == (1, True)
    for _ in range(2):
        step(aws, "observe", "apply", group)
        assert admitted(aws, group) == before | WIDE
    assert "also open on 25" in step(aws, "observe", "check", group)
