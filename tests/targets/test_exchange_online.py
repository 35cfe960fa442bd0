"""The scripts for Exchange Online, step by step, on the fake of `models.exchange_online`."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from arrowslit.policy.decision import Action
from arrowslit.policy.expectations import facts_of
from arrowslit.policy.explain import explain
from arrowslit.policy.parts import Expectation
from tests.targets.models.exchange_online import Tenant
from tests.targets.models.powershell import Thrown
from tests.targets.samples import EVERYBODY_BUT, POLICIES, SMALL, made
from tests.targets.truth import TODAY, edges, may_connect, policy_of

CERTIFICATES = SMALL.replace(
    "only_listed = [\n",
    """only_listed = [
  { certificate = "mail.filter.example" },
  { certificate = "second.filter.example" },
  { certificate = "*.wild.example" },
  { certificate = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef" },
]
all_except_listed = [
""",
    1,
)
BOTH = ("exchange-online", "exchange-online-certificate")


def applied(name: str, policy: str, tenant: Tenant | None = None) -> Tenant:
    tenant = tenant or Tenant()
    tenant.shell.run(made(name, policy).text, Apply=True)
    return tenant


def state(tenant: Tenant) -> list[object]:
    return [sorted(str(one.fields) for one in tenant.connectors), sorted(tenant.blocked), sorted(tenant.blocked6)]


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("policy", [*POLICIES.values(), CERTIFICATES], ids=range(len(POLICIES) + 1))
def test_twice_is_once_and_undoing_brings_everything_back(name: str, policy: str) -> None:
    tenant = Tenant()
    before = state(tenant)
    tenant.shell.run(made(name, policy).text)
    assert (state(tenant), tenant.log, tenant.shell.files) == (before, [], {})
    once = state(applied(name, policy, tenant))
    assert state(applied(name, policy, tenant)) == once
    tenant.shell.run(made(name, policy).text, Undo=True)
    assert state(tenant) == before


def test_a_certificate_is_known_by_its_exact_name() -> None:
    tenant, policy = applied(BOTH[1], CERTIFICATES), policy_of(CERTIFICATES)
    compiled = made(BOTH[1], CERTIFICATES, waive=False)
    assert {gap.name for gap in compiled.gaps} == {"certificate-entry"}
    for certificate in ("mail.filter.example", "second.filter.example", "other.example", "a.mail.filter.example"):
        asked = Expectation("", "8.8.8.8", Action.PERMIT, certificate=certificate, mail_from="", to="x@example.org")
        decision = explain(policy, facts_of(asked, TODAY)).decision
        assert tenant.admits(ip_address("8.8.8.8"), certificate) is decision.permitted, certificate
    assert not tenant.admits(ip_address("8.8.8.8"), "mail.filter.example", tls=False)
    for certificate in ("a.wild.example", "wild.example", ""):
        assert not tenant.admits(ip_address("203.0.113.77"), certificate)


@pytest.mark.parametrize(("name", "policy"), [(BOTH[0], SMALL), (BOTH[1], CERTIFICATES)])
def test_nobody_who_is_listed_is_cut_off_on_the_way(name: str, policy: str) -> None:
    tenant, known = Tenant(), policy_of(policy)
    listed = [(one, "") for one in edges(known) if ":" not in one and may_connect(known, one)]
    listed += [("8.8.8.8", "mail.filter.example"), ("8.8.4.4", "second.filter.example")]
    listed = [(one, who) for one, who in listed if bool(who) is (name == BOTH[1])]

    def all_in() -> None:
        assert all(tenant.admits(ip_address(one), who) for one, who in listed), tenant.log

    tenant.watchers.append(all_in)
    for switches in ({"Apply": True}, {"Apply": True}, {"Undo": True}):
        tenant.shell.run(made(name, policy).text, **switches)


def test_large_prefixes_are_split_and_larger_ones_a_gap() -> None:
    policy = SMALL.replace("203.0.113.0/255.255.255.240", "10.16.0.0/14").replace("203.0.113.8/29", "10.0.0.0/8")
    compiled = made(BOTH[0], policy, waive=False)
    (gap,) = (gap for gap in compiled.gaps if gap.name == "too-many-ranges")
    assert gap.rules == ("default/connection_control/only_listed/group:10.0.0.0/8",)
    tenant = applied(BOTH[0], policy)
    assert tenant.admits(ip_address("10.19.255.255"))
    assert not tenant.admits(ip_address("10.20.0.0"))


def test_what_is_blocked_by_others_stays_blocked() -> None:
    tenant = applied(BOTH[0], EVERYBODY_BUT)
    assert "192.0.2.200" in tenant.blocked
    assert "2001:db8:2bad::/48" in tenant.blocked6
    fewer = EVERYBODY_BUT.replace('  { range = "203.0.113.5-203.0.113.9" },\n', "").replace("bad::1", "bad::2")
    applied(BOTH[0], fewer, tenant)
    assert sorted(tenant.blocked) == ["192.0.2.200", "198.51.100.0/24"]
    assert sorted(tenant.blocked6) == ["2001:db8:2bad::/48", "2001:db8:bad::2"]


def test_what_one_blocked_before_is_not_unblocked() -> None:
    tenant = Tenant()
    tenant.blocked.append("198.51.100.0/24")
    applied(BOTH[0], EVERYBODY_BUT, tenant)
    tenant.shell.run(made(BOTH[0], EVERYBODY_BUT).text, Undo=True)
    assert tenant.blocked == ["192.0.2.200", "198.51.100.0/24"]


def test_what_somebody_else_changed_is_left_alone() -> None:
    tenant = applied(BOTH[0], SMALL)
    tenant.connectors[-1].senderipaddresses.append("192.0.2.1")
    now = state(tenant)
    for switches in ({"Apply": True}, {"Undo": True}, {}):
        with pytest.raises(Thrown, match="is not as"):
            tenant.shell.run(made(BOTH[0], SMALL).text, **switches)
    assert state(tenant) == now


def test_it_never_opens_by_itself() -> None:
    tenant = applied(BOTH[0], SMALL)
    with pytest.raises(Thrown, match="opens the tenant"):
        applied(BOTH[0], EVERYBODY_BUT, tenant)
    assert not tenant.admits(ip_address("8.8.8.8"))


def test_another_list_takes_the_place_of_the_first() -> None:
    tenant = applied(BOTH[0], SMALL)
    applied(BOTH[0], POLICIES["nobody"], tenant)
    assert not tenant.admits(ip_address("203.0.113.77"))
    applied(BOTH[0], POLICIES["tls"], tenant)
    assert tenant.admits(ip_address("203.0.113.77"))
    assert "require-tls" in {gap.name for gap in made(BOTH[0], POLICIES["tls"], waive=False).gaps}
    assert any("From us" in one for one in tenant.shell.warned)
