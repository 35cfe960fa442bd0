"""The scripts for Azure and Google Cloud before imitations of their command lines that remember rules.

There is no emulator of either cloud. The imitations take what the reference of each command names and nothing else, and
answer in its words; after each of their calls it is asked who gets in.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.targets.models.numbered_scripts import Rule, _decided, _one_family, azure_rule, gcp_rule
from tests.targets.samples import POLICIES, made
from tests.targets.truth import edges, may_connect, policy_of

pytest.importorskip("jmespath", reason="needs the packages of the development group: moto brings jmespath")

REMEMBER = r"""
import json, os, sys
state = json.loads(open("state").read()) if os.path.exists("state") else {}
if os.path.exists("unreachable"):
    sys.exit("cannot connect")
def option(name):
    return next(w.partition("=")[2] for w in words if w.startswith(name + "="))
def done():
    open("state", "w").write(json.dumps(state))
    open("history", "a").write(json.dumps(state) + "\n")
words = sys.argv[1:]
"""

AZ = (
    REMEMBER
    + r"""
import jmespath
assert words[:3] == ["network", "nsg", "rule"], words
verb, words = words[3], words[4:]
options, name = {}, ""
for word in words:
    if word.startswith("--"):
        name = word
        assert name not in options
        options[name] = []
    else:
        options[name].append(word)
where = {"--resource-group", "--nsg-name"}
if verb == "list":
    assert set(options) == where | {"--query", "--output"} and options["--output"] == ["tsv"], options
    for line in jmespath.search(options["--query"][0], [rule["azure"] for rule in state.values()]):
        print("\t".join("None" if one is None else str(one) for one in line) if isinstance(line, list) else line)
elif verb == "delete":
    assert set(options) == where | {"--name", "--output"}, options
    del state[options["--name"][0]]
    done()
else:
    assert (options["--name"][0] in state) is (verb == "update") and verb in {"create", "update"}, verb
    sources = options["--source-address-prefixes"]
    number = int(options["--priority"][0])
    others = [one["azure"]["priority"] for name, one in state.items() if name != options["--name"][0]]
    assert number not in others, "SecurityRuleConflict"
    rule = {"name": options["--name"][0], "direction": "Inbound", "access": options["--access"][0], "priority": number,
            "sourceAddressPrefix": sources[0] if len(sources) == 1 else None,
            "sourceAddressPrefixes": sources if len(sources) > 1 else []}
    state[rule["name"]] = {"azure": rule, "call": ["az", "network", "nsg", "rule", "create", *words]}
    done()
"""
)

GCLOUD = (
    REMEMBER
    + r"""
import re
assert words[:2] == ["compute", "firewall-rules"], words
verb, words = words[2], words[3:]
if verb == "list":
    found = re.fullmatch(r"name~(\S+)", option("--filter"))
    for name, rule in state.items():
        if found and re.search(found[1], name):
            assert option("--format") == "value(name,sourceRanges.list())"
            print(name, ",".join(rule["ranges"]), sep="\t")
    if not found:
        assert re.fullmatch(r"network~/mail\$ AND direction=INGRESS AND allowed:\* AND disabled=False AND "
                            r"priority<100", option("--filter")), option("--filter")
        assert option("--format") == "value(name)"
elif verb == "delete":
    assert words[1:] == ["--quiet"]
    del state[words[0]]
    done()
elif verb == "update":
    assert [w.partition("=")[0] for w in words[1:]] == ["--source-ranges", "--quiet"], words
    rule = state[words[0]]
    call = [w for w in rule["call"] if not w.startswith("--source-ranges=")] + [words[1]]
    state[words[0]] = {"ranges": option("--source-ranges").split(","), "call": call}
    done()
else:
    assert verb == "create" and words[0] not in state, words
    state[words[0]] = {"ranges": option("--source-ranges").split(","),
                       "call": ["gcloud", "compute", "firewall-rules", "create", *words]}
    done()
"""
)

FAKES = {"azure": ("az", AZ), "gcp": ("gcloud", GCLOUD)}


@dataclass
class Cloud:
    name: str
    folder: Path

    def step(self, sample: str, say: str) -> subprocess.CompletedProcess[str]:
        (self.folder / "script").write_text(made(self.name, POLICIES[sample]).text)
        (self.folder / "history").write_text("")
        return subprocess.run(
            ["sh", "script", say],
            cwd=self.folder,
            env={
                "PATH": f"{self.folder}/bin:/usr/bin:/bin",
                **{"RESOURCE_GROUP": "mail", "NSG": "mail-nsg", "NETWORK": "mail", "TARGET_TAG": "mail"},
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def now(self) -> dict[str, dict[str, list[str]]]:
        path = self.folder / "state"
        return json.loads(path.read_text()) if path.exists() else {}

    def history(self) -> list[dict[str, dict[str, list[str]]]]:
        return [json.loads(line) for line in (self.folder / "history").read_text().splitlines()]

    def admitted(self, state: dict[str, dict[str, list[str]]], clients: list[str]) -> set[str]:
        rule = azure_rule if self.name == "azure" else gcp_rule
        rules = [made_ for one in state.values() if (made_ := rule(one["call"])) is not None]
        # Behind ours stands a wide rule, as before a lock-down.
        wide = [Rule(5000, True, _one_family(["0.0.0.0/0"])), Rule(5001, True, _one_family(["::/0"]))]
        admits = _decided([*rules, *wide])
        return {one for one in clients if admits(ip_address(one))}


@pytest.fixture(params=sorted(FAKES))
def cloud(request: pytest.FixtureRequest, tmp_path: Path) -> Cloud:
    command, program = FAKES[request.param]
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / command).write_text(f"#!{sys.executable}\n{program}")
    (tmp_path / "bin" / command).chmod(0o755)
    return Cloud(request.param, tmp_path)


CLIENTS = sorted({one for name in ("small", "everybody-but", "ipv6-only") for one in edges(policy_of(POLICIES[name]))})
WAY = ["small", "observe", "everybody-but", "observe", "ipv6-only", "nobody", "everybody", "small"]


def test_no_step_opens_more_or_cuts_off_who_is_listed(cloud: Cloud) -> None:
    before = cloud.admitted({}, CLIENTS)
    for sample in WAY:
        done = cloud.step(sample, "apply")
        assert done.returncode == 0, done.stderr
        policy = policy_of(POLICIES[sample])
        after = {one for one in CLIENTS if may_connect(policy, one)}
        for state in cloud.history():
            between = cloud.admitted(state, CLIENTS)
            assert between <= before | after
            assert between >= before & after
        assert cloud.admitted(cloud.now(), CLIENTS) == after
        assert "as this file says" in cloud.step(sample, "check").stdout
        before = after


def test_a_second_time_changes_nothing(cloud: Cloud) -> None:
    cloud.step("small", "apply")
    done = cloud.step("small", "apply")
    assert "as this file says" in done.stdout
    assert cloud.history() == []


@pytest.mark.parametrize("earlier", ["", "everybody-but", "nobody"])
def test_undo_brings_back_what_was_there(cloud: Cloud, earlier: str) -> None:
    if earlier:
        cloud.step(earlier, "apply")
    before = cloud.now()
    cloud.step("small", "apply")
    assert cloud.step("small", "check").returncode == 0
    done = cloud.step("small", "undo")
    assert done.returncode == 0, done.stderr
    assert cloud.admitted(cloud.now(), CLIENTS) == cloud.admitted(before, CLIENTS)
    assert set(cloud.now()) == set(before)
    assert cloud.step("small", "check").returncode == 1


def test_a_cloud_that_does_not_answer_is_left_alone(cloud: Cloud) -> None:
    cloud.step("small", "apply")
    state = cloud.now()
    (cloud.folder / "unreachable").touch()
    for say in ("apply", "check", "undo"):
        done = cloud.step("nobody", say)
        assert done.returncode == 1
        assert "no answer" in done.stderr
    assert cloud.now() == state
