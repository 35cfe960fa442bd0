"""`arrowslit target list|add|compile` as an administrator meets them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from arrowslit.cli.target import target
from arrowslit.targets.register import MODULES

SETTINGS = '# mine\n[node]\nname = "mx.example.org"\n[[listeners]]\naddress = "127.0.0.1:2525"\n'
POLICY = """\
version = 1
[next_hops.inner]
address = "smtp://192.168.0.5:25"
[accepted_domains."example.org"]
next_hop = "inner"
[virtual_servers.default.connection_control]
only_listed = [ { computer = "192.0.2.1" }, { domain = "*.branches.example.org" } ]
[virtual_servers.other.connection_control]
only_listed = [ { computer = "192.0.2.2" } ]
"""
WAIVER = '[[waivers]]\ntarget = "firewall"\ngap = "domain-entry"\nbecause = "known"\n'


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "arrowslit.toml").write_text(SETTINGS)
    (tmp_path / "policy.toml").write_text(POLICY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(target, arguments, standalone_mode=False)


def said(result: Result) -> str:
    return f"{result.exception}" if result.exception else ""


def test_a_point_is_added_below_what_is_there(site: Path) -> None:
    done = run("add", "firewall", "--target", "nftables", "--interface", "eth0", "--port", "25", "--port", "26")
    assert done.return_value == 0, said(done)
    assert "next: arrowslit target plan firewall" in done.stdout
    text = (site / "arrowslit.toml").read_text()
    assert text.startswith(SETTINGS)
    assert '[enforcement_points.firewall]\ntarget = "nftables"\nports = [25, 26]\ninterface = "eth0"\n' in text
    listed = json.loads(run("list", "--json").stdout)
    assert listed["enforcement_points"] == [{"name": "firewall", "target": "nftables", "live": True, "follow": False}]
    assert [one["name"] for one in listed["targets"]] == list(MODULES)
    assert run("list").stdout.startswith("[enforcement_points.firewall]  nftables, live\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("a", "--target", "nftable"), "would not load with it"),
        (("a", "--target", "nftables", "--server", "192.168.0.300"), "would not load with it"),
        (("here", "--target", "nftables"), "has an enforcement point here already"),
    ],
)
def test_what_would_not_load_is_not_written(site: Path, arguments: tuple[str, ...], says: str) -> None:
    run("add", "here", "--target", "sheet")
    before = (site / "arrowslit.toml").read_text()
    assert says in said(run("add", *arguments))
    assert (site / "arrowslit.toml").read_text() == before
    assert sorted(path.name for path in site.iterdir()) == ["arrowslit.toml", "policy.toml"]


def test_odd_names_are_names_all_the_same(site: Path) -> None:
    name = 'the "router" \\ ü]\n[node]'
    assert run("add", name, "--target", "sheet").return_value == 0
    assert json.loads(run("list", "--json").stdout)["enforcement_points"][0]["name"] == name
    assert "\n[node]\n" in run("list").stdout.replace("[enforcement_points.", "") or "\\x0a" in run("list").stdout


def test_a_gap_is_an_error_until_it_is_waived_by_the_name_of_the_point(site: Path) -> None:
    run("add", "firewall", "--target", "nftables")
    done = run("compile", "firewall")
    assert "can't express this policy" in said(done)
    assert done.stdout == ""
    assert '[[waivers]]  target = "firewall"  gap = "domain-entry"' in done.stderr
    as_json = run("compile", "firewall", "--json")
    assert as_json.return_value == 3
    found = json.loads(as_json.stdout)
    assert found["text"] is None
    assert [gap["name"] for gap in found["gaps"]] == ["domain-entry"]
    (site / "policy.toml").write_text(POLICY + WAIVER)
    done = run("compile", "firewall")
    assert done.return_value == 0, said(done)
    assert "192.0.2.1," in done.stdout
    assert "gap[domain-entry]: waived: known" in done.stderr


def test_another_virtual_server_another_port_and_a_file(site: Path) -> None:
    done = run("compile", "nftables", "--virtual-server", "other", "--port", "587", "-o", "out.nft", "-q")
    assert (done.return_value, done.output) == (0, "")
    text = (site / "out.nft").read_text()
    assert "192.0.2.2," in text
    assert "tcp dport { 587 }" in text
    again = run("compile", "nftables", "--virtual-server", "other", "--port", "587", "-o", "out.nft")
    assert f"sha256 {hashlib.sha256((site / 'out.nft').read_bytes()).hexdigest()}" in again.stderr
    assert 'has no virtual server "gone"' in said(run("compile", "nftables", "--virtual-server", "gone"))
    assert 'no target "nftable"' in said(run("compile", "nftable"))


@pytest.mark.parametrize("interface", ['eth0" accept', "a b", "", "eth0;x", "ü"])
def test_an_interface_is_a_name(site: Path, interface: str) -> None:
    assert "is no name of an interface" in said(run("compile", "nftables", "--interface", interface))


def test_a_policy_that_breaks_an_expectation_is_not_compiled(site: Path) -> None:
    broken = '[[expectations]]\nthat = "it holds"\nfrom = "203.0.113.9"\noutcome = "permit"\n'
    (site / "policy.toml").write_text(POLICY + WAIVER + broken)
    assert "broken: it holds" in said(run("compile", "sheet"))
