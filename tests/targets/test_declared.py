"""Declarations in the hands of their languages' own tools: cfn-lint, a parser of Terraform's language."""

from __future__ import annotations

import json
import subprocess
import sys
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from arrowslit.targets.target import Place
from tests.targets.samples import POLICIES, made
from tests.targets.truth import edges, may_connect, policy_of


@pytest.mark.parametrize("sample", ["small", "ipv6-only", "nobody"])
def test_cfn_lint_finds_nothing(tmp_path: Path, sample: str) -> None:
    pytest.importorskip("cfnlint", reason="needs the packages of the development group: cfn-lint")
    template = tmp_path / "template.yaml"
    template.write_text(made("cloudformation", POLICIES[sample], Place(ports=(25, 2525))).text)
    unused = ["--ignore-checks", "W2001"] if sample == "nobody" else []  # no rule names the group
    lint = [sys.executable, "-c", "from cfnlint.runner import main; main()", *unused, "--format", "json"]
    argv = [*lint, "--regions", "eu-central-1", "--", str(template)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=100, check=False)
    assert json.loads(done.stdout) == [], done.stdout + done.stderr


@pytest.mark.parametrize("sample", sorted(POLICIES))
def test_a_parser_of_terraform_reads_the_same(sample: str) -> None:
    hcl2 = pytest.importorskip("hcl2", reason="needs the packages of the development group: python-hcl2")
    read = hcl2.loads(made("terraform", POLICIES[sample]).text)
    found: dict[str, list[str]] = {}
    rules = []
    for resource in read.get("resource", []):
        for kind, said in resource.items():
            for name, values in said.items():
                if kind.strip('"') == "aws_ec2_managed_prefix_list":
                    found[name.strip('"')] = [entry["cidr"].strip('"') for entry in values["entry"]]
                else:
                    rules.append(values["prefix_list_id"])
    assert rules == [f"${{aws_ec2_managed_prefix_list.{name}.id}}" for name in found]
    nets = [ip_network(one) for cidrs in found.values() for one in cidrs]
    if sample == "observe":
        assert not nets  # it can't count, so it has nothing
        return
    policy = policy_of(POLICIES[sample])
    for one in edges(policy):
        assert any(ip_address(one) in net for net in nets) is may_connect(policy, one)
