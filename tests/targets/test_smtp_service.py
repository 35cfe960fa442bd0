"""The scripts for Exchange 2000 and 2003 and for IIS, step by step, on the fake of `models.smtp_service`."""

from __future__ import annotations

import copy
from ipaddress import ip_address

import pytest

from tests.targets.models.smtp_service import Service, run
from tests.targets.samples import POLICIES, SMALL, made
from tests.targets.truth import edges, may_connect, outcome, policy_of

BOTH = ("exchange-2003", "iis-smtp")
NAMES = pytest.mark.parametrize("name", BOTH)
FOREIGN = "somebody@elsewhere.test"


def fresh(name: str) -> Service:
    return Service(exchange=name == BOTH[0])


def set_up(name: str) -> Service:
    """One whose lists were set by hand before."""
    service = fresh(name)
    relay = service.lists["relay"]
    relay.grantbydefault, relay.ipgrant, relay.written = False, ["10.1.1.1, 255.255.255.255"], True
    connect = service.lists["connect"]
    connect.ipdeny, connect.domaindeny = ["192.0.2.0,255.255.255.0"], ["spam.example"]
    return service


def state(service: Service) -> list[object]:
    found: list[object] = [service.for_auth]
    for one in service.lists.values():
        grant = bool(one.grantbydefault)
        entries, domains = (one.ipdeny, one.domaindeny) if grant else (one.ipgrant, one.domaingrant)
        found.append([grant, sorted(text.replace(" ", "") for text in entries), sorted(domains)])
    return found


@NAMES
@pytest.mark.parametrize("sample", POLICIES)
def test_whoever_relays_may_and_nobody_else(name: str, sample: str) -> None:
    policy = policy_of(POLICIES[sample])
    for service in (fresh(name), set_up(name)):
        run(service, made(name, POLICIES[sample]).text, apply="")
        for one in edges(policy, more=100):
            wanted = outcome(policy, one, FOREIGN, tls=True).permitted
            assert service.relays_for(ip_address(one)) is (wanted and ":" not in one), one


@NAMES
@pytest.mark.parametrize("sample", POLICIES)
def test_twice_is_once_and_undoing_brings_everything_back(name: str, sample: str) -> None:
    service, text = set_up(name), made(name, POLICIES[sample]).text
    before = state(service)
    run(service, text)
    assert (state(service), service.host.files) == (before, {})
    assert "run it with /apply" in service.host.said[-1]
    run(service, text, apply="")
    once = state(service)
    run(service, text, apply="")
    assert state(service) == once
    run(service, text, undo="")
    assert state(service) == before
    run(service, text, apply="")
    run(service, text, undo="")
    assert state(service) == before


@NAMES
def test_undoing_never_opens_the_relay(name: str) -> None:
    service, text = fresh(name), made(name, SMALL).text
    run(service, text, apply="")
    run(service, text, undo="")
    assert service.admits(ip_address("8.8.8.8"))
    assert not service.relays_for(ip_address("8.8.8.8"))
    assert not service.lists["relay"].grantbydefault


@NAMES
def test_nobody_who_is_listed_is_cut_off_on_the_way_and_nobody_else_let_in(name: str) -> None:
    service, policy = fresh(name), policy_of(SMALL)
    clients = [ip_address(one) for one in edges(policy, more=20) if ":" not in one]

    def between() -> None:
        for one in clients:
            assert service.admits(one) or not may_connect(policy, str(one)), one
            assert not service.relays_for(one) or outcome(policy, str(one), FOREIGN).permitted, one

    service.watchers.append(between)
    for switches in ({"apply": ""}, {"apply": ""}, {"undo": ""}):
        run(service, made(name, SMALL).text, **switches)


@NAMES
@pytest.mark.parametrize("which", ["connect", "relay"])
def test_what_somebody_else_changed_is_left_alone(name: str, which: str) -> None:
    service, text = set_up(name), made(name, SMALL).text
    run(service, text, apply="")
    service.lists[which].ipgrant.append("192.0.2.1, 255.255.255.255")
    now = copy.deepcopy(state(service))
    for switches in ({"apply": ""}, {"undo": ""}, {}):
        with pytest.raises(ValueError, match="changed by somebody else"):
            run(service, text, **switches)
    assert state(service) == now


@NAMES
def test_it_never_opens_by_itself(name: str) -> None:
    service = fresh(name)
    run(service, made(name, SMALL).text, apply="")
    for sample in ("everybody", "observe"):
        with pytest.raises(ValueError, match="opens the server"):
            run(service, made(name, POLICIES[sample]).text, apply="")
    assert not service.admits(ip_address("8.8.8.8"))


@NAMES
def test_this_machine_may_connect_and_not_relay(name: str) -> None:
    service = fresh(name)
    run(service, made(name, POLICIES["nobody"]).text, apply="")
    assert service.admits(ip_address("127.0.0.1"))
    assert not service.relays_for(ip_address("127.0.0.1"))


@NAMES
def test_nothing_is_undone_without_the_saved_file(name: str) -> None:
    with pytest.raises(ValueError, match="is not here"):
        run(fresh(name), made(name, SMALL).text, undo="")


def test_who_signs_in_relays_where_the_policy_says_so() -> None:
    signs_in = '\n[virtual_servers.default.authentication]\nwith = "users"\n'
    for policy, wanted in ((SMALL, 0), (SMALL + signs_in, -1)):
        service = fresh("iis-smtp")
        run(service, made("iis-smtp", policy).text, apply="")
        assert service.for_auth == wanted
        run(service, made("iis-smtp", policy).text, undo="")
        assert service.for_auth == -1


def test_exchange_wants_a_domain_controller() -> None:
    service = fresh("exchange-2003")
    assert service.host.run(made("exchange-2003", SMALL).text) == 1
    assert "/dc:NAME" in service.host.said[-1]
