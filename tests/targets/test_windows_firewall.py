"""The script for Windows Firewall, step by step, on the fake of `models.windows_firewall`."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from tests.targets.models.powershell import Record, Thrown
from tests.targets.models.windows_firewall import Windows
from tests.targets.samples import POLICIES, SMALL, made
from tests.targets.truth import edges, may_connect, policy_of

NAME = "windows-firewall"


def applied(policy: str, windows: Windows | None = None) -> Windows:
    windows = windows or Windows()
    windows.shell.run(made(NAME, policy).text, Apply=True)
    return windows


def rules(windows: Windows) -> list[str]:
    return sorted(str([one.displayname, one.action, one.remoteaddress, one.localport]) for one in windows.rules)


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_twice_is_once_and_undoing_brings_everything_back(policy: str) -> None:
    windows = Windows()
    before = rules(windows)
    windows.shell.run(made(NAME, policy).text)
    assert (rules(windows), windows.log) == (before, [])
    once = rules(applied(policy, windows))
    for _ in range(3):
        assert rules(applied(policy, windows)) == once
    windows.shell.run(made(NAME, policy).text, Undo=True)
    assert rules(windows) == before


@pytest.mark.parametrize("first", POLICIES)
@pytest.mark.parametrize("then", ["small", "ipv6-only", "everybody-but"])
def test_on_the_way_from_one_policy_to_another_nobody_is_treated_worse_than_by_both(first: str, then: str) -> None:
    windows, before, after = applied(POLICIES[first]), policy_of(POLICIES[first]), policy_of(POLICIES[then])
    clients = [(one, may_connect(before, one), may_connect(after, one)) for one in edges(after, more=10)]

    def between() -> None:
        for one, was, will in clients:
            assert windows.admits(ip_address(one)) in {was, will}, (one, windows.log)

    windows.watchers.append(between)
    applied(POLICIES[then], windows)


def test_other_ports_and_this_machine_are_left_alone() -> None:
    windows = applied(POLICIES["nobody"])
    assert windows.admits(ip_address("8.8.8.8"), 443)
    assert windows.admits(ip_address("127.0.0.1"))
    assert windows.admits(ip_address("::1"))
    assert not windows.admits(ip_address("fe80::1"))


def test_who_is_listed_gets_in_where_nothing_else_allows() -> None:
    windows = Windows()
    windows.rules = []
    applied(SMALL, windows)
    assert windows.admits(ip_address("203.0.113.77"))
    assert not windows.admits(ip_address("203.0.113.78"))


def test_it_says_when_the_port_is_not_closed() -> None:
    windows = applied(SMALL)
    assert not windows.shell.warned
    windows.profiles[1].set("enabled", "False")
    windows.profiles[0].set("allowlocalfirewallrules", "False")
    windows.rules[1].set("override", "True")
    applied(SMALL, windows)
    assert len(windows.shell.warned) == 4
    assert windows.shell.warned[-1].startswith("THE PORT IS NOT CLOSED")


def test_a_rule_that_is_not_taken_leaves_the_former_ones() -> None:
    windows = applied(SMALL)
    windows.shell.commands["get-netfirewalladdressfilter"] = lambda args, named, given: [
        Record(remoteaddress=["192.0.2.9"])
    ]
    with pytest.raises(Thrown, match="the former rules stay"):
        applied(POLICIES["nobody"], windows)
    policy = policy_of(SMALL)
    assert not any(windows.admits(ip_address(one)) and not may_connect(policy, one) for one in edges(policy))


def test_many_addresses_are_shared_out() -> None:
    many = ", ".join(f'{{ computer = "10.0.{n // 100}.{n % 100 * 2}" }}' for n in range(1500))
    windows = applied(SMALL.replace('{ network = "office", note = "printers and clients" },', f"{many},"))
    assert sorted(one.name for one in windows.rules if one.name.startswith("Arrowslit")) == [
        "Arrowslit-A-allow-1",
        "Arrowslit-A-allow-2",
        "Arrowslit-A-block-1",
        "Arrowslit-A-block-2",
    ]
    assert windows.admits(ip_address("10.0.14.198"))
    assert not windows.admits(ip_address("10.0.14.199"))


@pytest.mark.parametrize("policy", ["everybody", "observe"])
def test_it_never_opens_by_itself(policy: str) -> None:
    windows = applied(SMALL)
    with pytest.raises(Thrown, match="opens the port"):
        applied(POLICIES[policy], windows)
    assert not windows.admits(ip_address("8.8.8.8"))
