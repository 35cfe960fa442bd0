"""Inbound connectors of Exchange Online, by hand in three forms and told by the fake tenant after a script has run."""

from __future__ import annotations

import datetime
from ipaddress import ip_address

import pytest

from arrowslit.imports.imported import Imported, ImportFailedError, Source
from arrowslit.imports.inbound_connectors import read, recognise
from arrowslit.policy.decision import Action
from arrowslit.policy.expectations import facts_of
from arrowslit.policy.explain import explain
from arrowslit.policy.model import Policy
from arrowslit.policy.parts import Expectation
from tests.imports.as_policy import delivers, policy_of, relays
from tests.imports.exchange_samples import as_clixml, as_json, as_list
from tests.imports.loading import policy_from
from tests.targets.models.exchange_online import Tenant
from tests.targets.samples import POLICIES, made
from tests.targets.truth import edges
from tests.targets.truth import policy_of as written

LOCK: dict[str, object] = {
    "Name": "Only the filter",
    "Enabled": True,
    "ConnectorType": "Partner",
    "SenderDomains": ["smtp:*;1"],
    "SenderIPAddresses": ["192.0.2.0/24", "198.51.100.7"],
    "RequireTls": True,
    "RestrictDomainsToIPAddresses": True,
    "RestrictDomainsToCertificate": False,
    "TlsSenderCertificateName": None,
    "AssociatedAcceptedDomains": [],
    "TreatMessagesAsInternal": False,
    "EFSkipLastIP": True,
    "EFSkipIPs": [],
}
CERTIFICATE = LOCK | {
    "Name": "By certificate",
    "SenderIPAddresses": [],
    "RestrictDomainsToIPAddresses": False,
    "RestrictDomainsToCertificate": True,
    "TlsSenderCertificateName": "Mail.Filter.example",
}
HYBRID = LOCK | {
    "Name": "Own servers",
    "ConnectorType": "OnPremises",
    "SenderIPAddresses": ["203.0.113.5"],
    "RestrictDomainsToIPAddresses": False,
}
FORMS = {"json": as_json, "clixml": as_clixml, "list": as_list}


def imported(*connectors: dict[str, object]) -> Imported:
    found = read([Source("inbound.json", as_json(list(connectors)))])
    policy_of(found)
    policy_from(found)
    return found


def listed(found: Imported) -> list[tuple[str, str, bool]]:
    access = found.servers[0].connection_control
    assert access.mode == "only_listed"
    return [(one.kind, one.value, one.require_tls) for one in access.only_listed]


def told(found: Imported) -> list[str]:
    return [one.text for one in [*found.left, *found.doubts]]


def shows(policy: Policy, certificate: str) -> bool:
    asked = Expectation("", "203.0.113.9", Action.PERMIT, certificate=certificate, mail_from="", to="a@example.org")
    return explain(policy, facts_of(asked, datetime.date(2026, 3, 1))).decision.permitted


@pytest.mark.parametrize("form", FORMS)
def test_a_lock_by_address(form: str) -> None:
    text = FORMS[form]([LOCK, HYBRID])
    assert recognise(text) == 95
    found = read([Source("inbound", text)])
    assert listed(found) == [("group", "192.0.2.0/24", True), ("computer", "198.51.100.7", True)]
    assert {"EFSkipLastIP True", "OnPremises"} <= set(told(found))
    policy = policy_of(found)
    assert [delivers(policy, one) for one in ("192.0.2.9", "203.0.113.5", "203.0.113.9")] == [True, False, False]
    assert not delivers(policy, "192.0.2.9", tls=False)
    assert not relays(policy, "192.0.2.9")
    policy_from(found)


def test_a_lock_by_certificate() -> None:
    found = imported(CERTIFICATE)
    assert listed(found) == [("certificate", "mail.filter.example", False)]
    policy = policy_of(found)
    assert [shows(policy, name) for name in ("mail.filter.example", "other.example")] == [True, False]
    said = [(one.that, one.outcome) for one in found.expectations]
    assert ("who shows the certificate mail.filter.example may connect", "permit") in said
    assert ("a stranger (198.51.100.77) may not deliver", "reject") in said


def test_two_locks_let_in_whom_either_names() -> None:
    assert len(listed(imported(LOCK, CERTIFICATE))) == 3


def test_both_restrictions_in_one_connector_let_nobody_in() -> None:
    found = imported(LOCK | {"RestrictDomainsToCertificate": True, "TlsSenderCertificateName": "mail.filter.example"})
    assert listed(found) == []
    assert "both Restrict... are on" in told(found)


@pytest.mark.parametrize(
    "change", [{"Enabled": False}, {"ConnectorType": "OnPremises"}, {"SenderDomains": ["smtp:a.example;1"]}]
)
def test_what_does_not_lock(change: dict[str, object]) -> None:
    found = imported(LOCK | change)
    assert found.servers[0].connection_control.mode == "all_except_listed"
    assert "no lock in 1 connectors" in told(found)
    said = [(one.that, one.outcome) for one in found.expectations]
    assert ("a stranger (198.51.100.77) may deliver", "permit") in said
    assert not any("relay" in one.that and one.outcome == "permit" for one in found.expectations)


def test_recipients_of_some_domains_only() -> None:
    assert "AssociatedAcceptedDomains" in told(
        imported(LOCK | {"AssociatedAcceptedDomains": ["example.onmicrosoft.com"]})
    )


def test_a_certificate_that_no_entry_can_hold() -> None:
    found = imported(CERTIFICATE | {"TlsSenderCertificateName": "<I>CN=Root<S>CN=mail"})
    assert listed(found) == []


@pytest.mark.parametrize("name", ["Enabled", "SenderIPAddresses", "RestrictDomainsToIPAddresses", "SenderDomains"])
def test_what_decides_must_be_there(name: str) -> None:
    half = {key: value for key, value in LOCK.items() if key != name}
    with pytest.raises(ImportFailedError, match=f"without {name}.*Get-InboundConnector"):
        read([Source("inbound", as_json([half]))])


@pytest.mark.parametrize("mark", ["...", "…"])
def test_a_list_that_was_cut_is_refused(mark: str) -> None:
    with pytest.raises(ImportFailedError, match="SenderIPAddresses of Only the filter is not whole"):
        read([Source("inbound", as_list([LOCK | {"SenderIPAddresses": ["192.0.2.1", "192.0.2.2" + mark]}]))])


def test_what_is_not_understood_is_refused() -> None:
    for change in ({"SenderIPAddresses": ["192.0.2.300"]}, {"ConnectorType": "Odd"}, {"RequireTls": "perhaps"}):
        with pytest.raises(ImportFailedError, match="Only the filter"):
            read([Source("inbound", as_json([LOCK | change]))])
    with pytest.raises(ImportFailedError, match="no inbound connector"):
        read([Source("inbound", "[]")])


@pytest.mark.parametrize("name", ["small", "ipv4-only", "tls", "nobody"])
def test_it_decides_as_the_tenant(name: str) -> None:
    tenant = Tenant()
    tenant.shell.run(made("exchange-online", POLICIES[name]).text, Apply=True)
    found = policy_of(read([Source("inbound", as_json([_shown(one) for one in tenant.connectors]))]))
    for one in edges(written(POLICIES[name]), more=20):
        for tls in (True, False):
            if ":" not in one:
                assert delivers(found, one, tls=tls) is tenant.admits(ip_address(one), tls=tls), (one, tls)


def _shown(one) -> dict[str, object]:
    names = {name.lower(): name for name in LOCK}
    return {names[name]: value for name, value in one.fields.items() if name in names}
