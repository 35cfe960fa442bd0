"""OPNsense by hand and by the agent: the compiled script with its steps, and the live point, come to the same rules.

Both work on a firewall of the recorded protocol (`fake_opnsense`) over HTTPS, from one settings file and one policy.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from arrowslit.rollout.in_force import InForce, Wanted
from arrowslit.rollout.live import live_point
from arrowslit.targets.register import target
from tests.peers import process
from tests.peers.certs import Authority
from tests.rollout.api_server import ApiServer, serving
from tests.rollout.fake_opnsense import FORWARD, PASS6, FakeOpnsense
from tests.targets.samples import POLICIES
from tests.targets.truth import TODAY, edges, may_connect, policy_of

SECRET = "a very secret word"
SETTINGS = """\
[node]
name = "mx.example.test"
[[listeners]]
address = "127.0.0.1:2525"
[enforcement_points.firewall]
target = "opnsense"
url = "{url}"
ca_file = "{ca}"
credentials_file = "credentials"
rule = "SMTP"
interface = "wan"
"""
SAMPLES = sorted(set(POLICIES) - {"observe"})


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@contextmanager
def firewall(authority: Authority) -> Iterator[tuple[FakeOpnsense, ApiServer]]:
    fake = FakeOpnsense()
    with serving(ApiServer(fake), authority.issue("127.0.0.1")) as server:
        yield fake, server


def wanted(folder: Path, sample: str, url: str, authority: Authority) -> tuple[InForce, Wanted]:
    waivers = "".join(
        f'\n[[waivers]]\ntarget = "opnsense"\ngap = "{gap}"\nbecause = "a test"\n' for gap in target("opnsense").gaps
    )
    (folder / "policy.toml").write_text(POLICIES[sample] + waivers)
    (folder / "arrowslit.toml").write_text(SETTINGS.format(url=url, ca=authority.file))
    credentials = folder / "credentials"
    credentials.write_text(f"key=key\nsecret={SECRET}\n")
    credentials.chmod(0o600)
    in_force = InForce(folder / "arrowslit.toml", lambda: TODAY)
    return in_force, in_force.wanted("firewall")


def by_hand(fake: FakeOpnsense, text: str, steps: tuple[str, ...], url: str, ca: Path, folder: Path) -> None:
    """The script in a real shell with a real curl, then what the steps say of the rules."""
    netrc, curl = folder / "netrc", folder / "curl"
    netrc.write_text(f'machine 127.0.0.1 login key password "{SECRET}"\n')
    curl.write_text(f'#!/bin/sh\nexec {shlex.join(process.by_loader("curl", "usr/bin/curl"))} "$@"\n')
    curl.chmod(0o700)
    (folder / "script.sh").write_text(text)
    given = {"PATH": f"{folder}:/usr/bin:/bin", "OPNSENSE_NETRC": str(netrc), "NO_PROXY": "*", "OPNSENSE": url}
    done = subprocess.run(["sh", str(folder / "script.sh")], env={**given, "CURL_CA_BUNDLE": str(ca)},
                          capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.strip().split("\n")[-1]) == {"status": "ok"}
    found = re.findall(r"Source (\w+), Invert (on|off)", "\n".join(steps))
    assert len(found) == 2  # the forward, and the filter rule that the last step has "the same" for over IPv6
    rules = (
        (fake.forwards[FORWARD], "source.network", "source.not"),
        (fake.filters[PASS6], "source_net", "source_not"),
    )
    for (name, invert), (rule, network, inverted) in zip(found, rules, strict=True):
        rule |= {network: name, inverted: "1" if invert == "on" else "0"}
    fake._load_rules()


def rules_of(fake: FakeOpnsense, alias: str) -> object:
    """All rules that are loaded, with the alias under one name."""
    return json.loads(json.dumps([fake.loaded["forwards"], fake.loaded["filters"]]).replace(f'"{alias}"', '"ours"'))


@pytest.mark.peer("curl")
@pytest.mark.parametrize("sample", SAMPLES)
def test_the_script_and_the_agent_come_to_the_same(sample: str, tmp_path: Path, authority: Authority) -> None:
    policy = policy_of(POLICIES[sample])
    with firewall(authority) as (first, server):
        _, one = wanted(tmp_path, sample, server.url, authority)
        assert not one.compiled.gaps
        by_hand(first, one.compiled.text, one.compiled.body.apply, server.url, authority.file, tmp_path)
    with firewall(authority) as (second, server):
        in_force, other = wanted(tmp_path, sample, server.url, authority)
        assert other.compiled.text == one.compiled.text
        point = live_point(in_force.point("firewall"), tmp_path / "kept.json")
        seen = point.apply(other.rules, other.place, point.look().token, None)
    assert first.tables == {"arrowslit": seen.listed}
    assert second.tables == {"arrowslit_a": seen.listed}
    assert rules_of(first, "arrowslit") == rules_of(second, "arrowslit_a")
    for client in edges(policy, more=50):
        assert first.reaches(client) is second.reaches(client) is may_connect(policy, client), client
