"""Texts of another generator, aerleon, read by the models of ours: what a model knows of a language is not ours alone.

aerleon is given each family for itself and no empty list, since a term whose addresses are all of the other family can
become a term for anybody there (docs/adr/0015).
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any
from xml.etree import ElementTree

import pytest

from arrowslit.policy.model import Policy
from arrowslit.targets.cloud import count, halved, is_comment, listed
from arrowslit.targets.rules import rules_of
from tests.targets.models import Admits
from tests.targets.models.routers_of_large_sites import filters_of, pf, tree_of
from tests.targets.samples import POLICIES, made
from tests.targets.truth import TODAY, edges, may_connect, policy_of

pytest.importorskip("aerleon", reason="needs the packages of the development group: aerleon")

from aerleon import api
from aerleon.lib import naming

SAMPLES = sorted(set(POLICIES) - {"observe"})
OPTIONS = {
    "juniper": "arrowslit {family}",
    "packetfilter": "arrowslit {family}",
    "paloalto": "from-zone wan to-zone any {family} no-addr-obj",
}


def written(language: str, policy: Policy, version: int) -> str:
    """What aerleon makes of one family of who may connect, "" where nobody is listed."""
    access = rules_of(policy, "default", TODAY).connect
    addresses = [one for one in listed(access, version) if not is_comment(one)]
    if not addresses:
        return ""
    names = naming.Naming()
    network = {"values": [{"address": one} for one in addresses]}
    services = {"MAIL": [{"protocol": "tcp", "port": 25}]}
    names.ParseDefinitionsObject({"networks": {"LISTED": network}, "services": services}, "names")
    mail = {"destination-port": "MAIL", "protocol": "tcp"}
    first, then = ("accept", "deny") if access.only_listed else ("deny", "accept")
    terms: list[dict[str, Any]] = [
        {"name": "listed", "source-address": "LISTED", "action": first, **mail},
        {"name": "others", "action": then, **mail},
    ]
    options = OPTIONS[language].format(family="inet" if version == 4 else "inet6")
    header = {"targets": {language: options}}
    made_ = api.Generate([{"filename": "x", "filters": [{"header": header, "terms": terms}]}], names)
    assert made_ is not None
    (text,) = made_.values()
    return text


def read_juniper(text: str, version: int) -> Admits:
    return filters_of(tree_of(text))[version].admits


def read_pf(text: str, version: int) -> Admits:
    return pf(text)


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize(("language", "read"), [("juniper", read_juniper), ("packetfilter", read_pf)])
def test_a_model_reads_what_another_generator_writes(language: str, read: Any, version: int, sample: str) -> None:
    policy = policy_of(POLICIES[sample])
    text = written(language, policy, version)
    if not text:
        return
    admits = read(text, version)
    clients = [one for one in edges(policy) if ip_address(one).version == version]
    assert {one for one in clients if admits(ip_address(one))} == {one for one in clients if may_connect(policy, one)}


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("version", [4, 6])
def test_pan_os_has_the_fields_and_the_addresses_that_our_commands_set(version: int, sample: str) -> None:
    policy = policy_of(POLICIES[sample])
    text = written("paloalto", policy, version)
    if not text:
        return
    (vsys,) = ElementTree.fromstring(text).iter("vsys")
    (entry,) = vsys
    (other,) = (one for one in entry.findall("rulebase/security/rules/entry") if one.get("name") == "listed")
    ours = made("paloalto", POLICIES[sample]).text
    start = f"set rulebase security rules arrowslit-listed-ipv{version} "
    lines = [line.removeprefix(start).split() for line in ours.splitlines() if line.startswith(start)]
    fields = {word for word in lines[0] if word in {field.tag for field in other}} | {lines[1][0]}
    assert fields == {"from", "to", "source", "destination", "application", "service", "action"}
    assert {line[1] for line in lines[1:]} == {member.text for member in other.findall("source/member")}
    assert other.findtext("action") in {"allow", "deny"}
    assert entry.findtext("service/entry/protocol/tcp/port") == "25"
    assert "set service arrowslit protocol tcp port 25\n" in ours


def test_every_family_of_every_sample_was_there() -> None:
    """No sample was left out for want of addresses but those that have none."""
    empty = {
        (sample, version)
        for sample in SAMPLES
        for version in (4, 6)
        if not count(listed(rules_of(policy_of(POLICIES[sample]), "default", TODAY).connect, version))
    }
    assert empty == {("ipv4-only", 6), ("ipv6-only", 4)} | {(one, v) for one in ("nobody", "everybody") for v in (4, 6)}
    assert halved(rules_of(policy_of(POLICIES["small"]), "default", TODAY).connect.listed, 6) == ["2001:db8:25::/48"]
