"""The script for receive connectors, step by step, on the fake of `models.exchange`."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrowslit.mail.address import IPAddress
from tests.targets.models.exchange import SERVERS, Exchange
from tests.targets.models.powershell import Thrown
from tests.targets.samples import POLICIES, SMALL, made
from tests.targets.truth import edges, may_connect, outcome, policy_of

FOREIGN = "somebody@elsewhere.test"
RELAYS = SMALL.replace(
    '[ { computer = "192.168.0.40", note = "scanner" } ]',
    '[ { group = "192.168.0.32/28" }, { computer = "10.1.2.3" }, { computer = "203.0.113.77", require_tls = true } ]',
)
BOTH_IN_TLS = RELAYS.replace('note = "branch in Leeds"', "require_tls = true")


def text(policy: str = SMALL) -> str:
    return made("exchange", policy).text


def applied(policy: str = SMALL, server: Exchange | None = None) -> Exchange:
    server = server or Exchange()
    server.shell.run(text(policy), Apply=True)
    return server


def state(server: Exchange) -> list[object]:
    return [*sorted((one.identity, sorted(one.remoteipranges)) for one in server.connectors), server.relays]


@pytest.mark.parametrize("policy", [*POLICIES.values(), RELAYS, BOTH_IN_TLS], ids=range(len(POLICIES) + 2))
def test_whoever_relays_may_and_nobody_else(policy: str) -> None:
    server, known = applied(policy), policy_of(policy)
    for one in edges(known, more=200):
        takes = server.takes(ip_address(one))
        relays = server.relays_for(ip_address(one))
        assert relays is outcome(known, one, FOREIGN, tls=True).permitted, one
        if takes is not None and not takes.requiretls:
            assert may_connect(known, one)
            assert not relays or outcome(known, one, FOREIGN, tls=False).permitted, one


def test_tls_is_demanded_of_whom_the_policy_demands_it() -> None:
    server = applied(POLICIES["tls"])
    assert server.takes(ip_address("83.245.15.239")).requiretls
    assert not server.takes(ip_address("203.0.113.77")).requiretls
    assert not made("exchange", BOTH_IN_TLS, waive=False).gaps
    assert [gap.name for gap in made("exchange", RELAYS, waive=False).gaps] == ["require-tls"]


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_showing_changes_nothing(policy: str) -> None:
    server = Exchange()
    before = state(server)
    server.shell.run(text(policy))
    assert (state(server), server.log, server.shell.files) == (before, [], {})
    assert "run it with -Apply" in server.shell.warned[-1]


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_twice_is_once_and_undoing_brings_everything_back(policy: str) -> None:
    server = Exchange()
    before = state(server)
    once = state(applied(policy, server))
    assert state(applied(policy, server)) == once
    if any(name.endswith(".xml") for name in server.shell.files):
        server.shell.run(text(policy), Undo=True)
        assert state(server) == before


@settings(max_examples=25)
@given(st.lists(st.sampled_from(sorted(POLICIES)), max_size=3), st.sampled_from(sorted(POLICIES)))
def test_whatever_was_applied_before_the_last_one_counts(before: list[str], last: str) -> None:
    server = Exchange()
    for name in [*before, last]:
        try:
            applied(POLICIES[name], server)
        except Thrown as error:
            assert "refuses nobody now" in str(error)
            server.shell.run(text(POLICIES[name]), Undo=True)
            applied(POLICIES[name], server)
    policy = policy_of(POLICIES[last])
    narrowed = next(one for one in server.connectors if one.name.startswith("Default")).remoteipranges
    for one in edges(policy, more=5):
        assert server.admits(ip_address(one)) is may_connect(policy, one), (one, narrowed)


def watched(server: Exchange, addresses: list[IPAddress], allowed: Callable[[IPAddress, bool], bool]) -> None:
    before = {one: server.admits(one) for one in addresses}
    server.watchers.append(lambda: [_ok(server, one, allowed, before[one]) for one in addresses])


def _ok(server: Exchange, one: IPAddress, allowed: Callable[[IPAddress, bool], bool], before: bool) -> None:
    assert allowed(one, before), one


def test_nobody_who_is_listed_is_cut_off_on_the_way_and_nobody_else_let_in() -> None:
    policy = policy_of(SMALL)
    clients = [ip_address(one) for one in edges(policy, more=20)]
    server = Exchange()
    watched(server, clients, lambda one, before: server.admits(one) or not may_connect(policy, str(one)))
    applied(SMALL, server)
    server.watchers.clear()
    watched(server, clients, lambda one, before: before or not server.admits(one))
    applied(SMALL, server)
    server.watchers.clear()
    watched(server, clients, lambda one, before: server.admits(one) or not before)
    server.shell.run(text(), Undo=True)


def test_the_server_itself_and_its_like_and_what_is_kept_by_hand_stay_on_its_own_connector() -> None:
    server = Exchange()
    server.shell.run(text(), Apply=True, AlsoKeep=["203.0.113.0/24"])
    for address in ["127.0.0.1", "::1", "203.0.113.200", "fe80::5", *SERVERS["ex2.example.org"]]:
        assert server.takes(ip_address(address)).name == "Default Frontend EX1"
    assert server.takes(ip_address("203.0.113.77")).name == "Arrowslit connect 1"


def test_an_exchange_server_that_is_listed_stays_on_its_own_connector() -> None:
    server = applied(SMALL.replace('"192.168.0.40"', '"192.168.77.6"').replace("192.168.0.0/24", "192.168.77.6"))
    assert server.takes(ip_address("192.168.77.6")).name == "Default Frontend EX1"


def test_what_somebody_else_changed_is_left_alone() -> None:
    server = applied()
    default = next(one for one in server.connectors if one.name.startswith("Default"))
    default.remoteipranges.append("198.51.100.99")
    now = state(server)
    for switches in ({"Apply": True}, {"Undo": True}, {}):
        with pytest.raises(Thrown, match="changed by somebody else"):
            server.shell.run(text(), **switches)
    assert state(server) == now


def test_it_goes_on_where_it_was_stopped() -> None:
    server = Exchange()
    steps = iter(range(1))
    server.watchers.append(lambda: next(steps))
    with pytest.raises(StopIteration):
        applied(RELAYS, server)
    server.watchers.clear()
    policy = policy_of(RELAYS)
    applied(RELAYS, server)
    assert all(server.admits(ip_address(one)) is may_connect(policy, one) for one in edges(policy))


def test_connectors_of_others_are_named_and_left() -> None:
    server = Exchange()
    server.hold(server._connector("Scanners", ["10.9.9.0/24"], ["0.0.0.0:25"], "FrontendTransport"))
    applied(SMALL, server)
    assert "EX1\\Scanners also takes clients, by rules of its own: 10.9.9.0/24" in server.shell.warned
    assert server.takes(ip_address("10.9.9.9")).name == "Scanners"


def test_nothing_is_undone_without_the_saved_file() -> None:
    with pytest.raises(Thrown, match="is not here"):
        Exchange().shell.run(text(), Undo=True)


@pytest.mark.parametrize("kind", [{"roles": False}, {"edge": True}, {"roles": False, "edge": True}])
def test_servers_without_a_transport_role(kind: dict[str, bool]) -> None:
    server = applied(SMALL, Exchange(**kind))
    assert server.admits(ip_address("203.0.113.77"))
    assert not server.admits(ip_address("8.8.8.8"))


def test_watching_logs_and_narrows_nothing() -> None:
    server = applied(POLICIES["observe"])
    default = server.takes(ip_address("8.8.8.8"))
    assert (default.name, default.protocollogginglevel) == ("Default Frontend EX1", "Verbose")
    assert server.takes(ip_address("203.0.113.77")).name == "Arrowslit connect 1"
    server.shell.run(text(POLICIES["observe"]), Undo=True)
    assert server.takes(ip_address("8.8.8.8")).protocollogginglevel == "None"


def test_many_ranges_are_shared_out() -> None:
    many = ", ".join(f'{{ computer = "10.0.{n // 100}.{n % 100 * 2}" }}' for n in range(1100))
    policy = SMALL.replace('{ network = "office", note = "printers and clients" },', f"{many},")
    server = applied(policy)
    assert sum(one.name.startswith("Arrowslit connect ") for one in server.connectors) == 2
    assert server.admits(ip_address("10.0.10.198"))
    assert not server.admits(ip_address("10.0.10.199"))


def test_who_signs_in() -> None:
    signs_in = SMALL + '\n[virtual_servers.default.authentication]\nrequired = true\nwith = "users"\n'
    server = applied(signs_in)
    one = server.takes(ip_address("203.0.113.77"))
    assert (one.permissiongroups, one.authmechanism) == ("ExchangeUsers", "Tls, BasicAuth, BasicAuthRequireTLS")
    assert not server.relays_for(ip_address("192.168.0.40"))
