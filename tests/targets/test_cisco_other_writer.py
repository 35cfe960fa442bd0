"""The model of Cisco's lists understands what another writer of them (aerleon) makes of the same addresses, and agrees.

There is no device here; two writers and one reader that agree are the next best. Only the language is compared: how
aerleon brings a list to a device is another matter.
"""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from aerleon import api
from aerleon.lib import naming

from arrowslit.targets.rules import rules_of
from tests.targets.models import MODELS
from tests.targets.models.cisco import _ios_entry
from tests.targets.samples import POLICIES, made
from tests.targets.truth import TODAY, edges, policy_of

FAMILY = {4: "extended", 6: "inet6"}


def theirs(sample: str, version: int) -> list[str]:
    """The entries of aerleon's list."""
    listed = rules_of(policy_of(POLICIES[sample]), "default", TODAY).connect.listed
    found = [{"address": str(one)} for one in listed.cidrs() if one.version == version]
    names = naming.Naming()
    services = {"SMTP": [{"protocol": "tcp", "port": 25}]}
    names.ParseDefinitionsObject({"networks": {"LISTED": {"values": found}}, "services": services}, "names")
    mail = {"destination-port": "SMTP", "protocol": "tcp"}
    terms = [
        {"name": "listed", "source-address": "LISTED", "action": "accept", **mail},
        {"name": "others", "action": "deny", **mail},
        {"name": "rest", "action": "accept"},
    ]
    header = {"targets": {"cisco": f"GATE {FAMILY[version]}"}}
    (text,) = api.Generate([{"filename": "gate", "filters": [{"header": header, "terms": terms}]}], names).values()
    return [line.strip() for line in text.split("\n") if line.strip().startswith(("permit", "deny"))]


@pytest.mark.parametrize(("sample", "version"), [("small", 4), ("small", 6), ("ipv4-only", 4), ("ipv6-only", 6)])
def test_both_lists_admit_the_same_clients(sample: str, version: int) -> None:
    entries = [_ios_entry(line, version) for line in theirs(sample, version)]
    ours = MODELS["cisco-ios"](made("cisco-ios", POLICIES[sample]).text)
    clients = [ip_address(one) for one in edges(policy_of(POLICIES[sample]), more=500)]
    assert len(entries) > 2
    for client in clients:
        if client.version == version:
            assert next((may for may, network in entries if client in network), False) is ours(client)
