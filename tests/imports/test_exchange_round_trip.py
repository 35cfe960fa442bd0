"""A policy is compiled for Exchange, run on the fake server, told by it as JSON, and imported: it decides the same."""

from __future__ import annotations

import json
from ipaddress import ip_address

import pytest

from arrowslit.imports.exchange import read
from arrowslit.imports.imported import Imported, Source
from tests.imports.as_policy import delivers, policy_of, relays
from tests.targets.models.exchange import SERVERS, Exchange
from tests.targets.models.powershell import Record
from tests.targets.samples import POLICIES, made
from tests.targets.truth import edges, outcome
from tests.targets.truth import policy_of as written

OWN = {"127.0.0.1", "::1", *(one.partition("%")[0] for each in SERVERS.values() for one in each)}


def connectors(server: Exchange) -> str:
    return json.dumps([_connector(one) for one in server.connectors])


def _connector(one: Record) -> dict[str, object]:
    return {
        "Name": one.name,
        "Identity": one.identity,
        "Server": "EX1",
        "Enabled": True,
        "Bindings": one.bindings,
        "RemoteIPRanges": one.remoteipranges,
        "PermissionGroups": one.permissiongroups,
        "AuthMechanism": one.authmechanism,
        "RequireTLS": one.requiretls,
        "TransportRole": one.transportrole,
    }


def permissions(server: Exchange) -> str:
    rows = [_row(one, "ms-Exch-SMTP-Submit") for one in server.connectors]
    rows += [
        _row(one, "ms-Exch-SMTP-Accept-Any-Recipient") for one in server.connectors if one.identity in server.relays
    ]
    return json.dumps(rows)


def _row(one: Record, right: str) -> dict[str, object]:
    user = "NT AUTHORITY\\ANONYMOUS LOGON"
    return {"Identity": one.identity, "User": user, "ExtendedRights": [right], "Deny": False, "IsInherited": False}


def imported(server: Exchange, *, with_permissions: bool = True) -> Imported:
    sources = [Source("connectors.json", connectors(server))]
    if with_permissions:
        sources.append(Source("permissions.json", permissions(server)))
    return read(sources)


def applied(policy: str) -> Exchange:
    server = Exchange()
    server.shell.run(made("exchange", policy).text, Apply=True)
    return server


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("tls", [True, False])
def test_it_decides_as_the_policy_that_it_was_compiled_from(name: str, tls: bool) -> None:
    server = applied(POLICIES[name])
    source, found = written(POLICIES[name]), policy_of(imported(server))
    for one in edges(source, more=5):
        if one in OWN:
            continue
        takes = server.takes(ip_address(one))
        assert delivers(found, one, tls=tls) is (takes is not None and (tls or not takes.requiretls)), one
        assert relays(found, one, tls=tls) is (server.relays_for(ip_address(one)) and (tls or not takes.requiretls)), (
            one
        )
        # "observe" narrows nothing on the server, so that it is only there wider than the policy.
        if name not in {"observe", "names-and-certificates"}:
            assert delivers(found, one, tls=tls) is outcome(source, one, "a@example.org", tls=tls).permitted, one
            assert relays(found, one, tls=tls) is outcome(source, one, "a@elsewhere.test", tls=tls).permitted, one


@pytest.mark.parametrize("name", POLICIES)
def test_without_permissions_nobody_relays(name: str) -> None:
    server = applied(POLICIES[name])
    found = imported(server, with_permissions=False)
    policy = policy_of(found)
    assert not any(relays(policy, one) for one in edges(written(POLICIES[name])))
    assert any(doubt.text == "relay unknown" for doubt in found.doubts)


def test_the_form_of_the_ranges_is_kept() -> None:
    found = imported(applied(POLICIES["small"]))
    entries = {(one.kind, one.value) for one in found.servers[0].connection_control.only_listed}
    assert {("computer", "203.0.113.77"), ("group", "2001:db8:25::/48")} <= entries
    (scanner,) = found.servers[0].relay_restrictions.only_listed
    assert (scanner.value, scanner.origin.text) == ("192.168.0.40", "connectors.json EX1\\Arrowslit relay 1")
