"""A policy is compiled for the SMTP service, run on the fake, told by it as MetaBase.xml, and imported."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from arrowslit.imports.imported import Source
from arrowslit.imports.smtp_service import read
from tests.imports.as_policy import delivers, policy_of, relays
from tests.imports.ip_list import blob
from tests.targets.models.smtp_service import List, Service, run
from tests.targets.samples import POLICIES, made
from tests.targets.truth import edges
from tests.targets.truth import policy_of as written


def octets(one: List) -> str:
    return blob([], one.ipdeny).hex() if one.grantbydefault else blob(one.ipgrant).hex()


def metabase(service: Service) -> str:
    relay, connect = (octets(service.lists[name]) for name in ("relay", "connect"))
    return (
        '<configuration><MBProperty><IIsSmtpService Location="/LM/SMTPSVC" AuthFlags="1"/>'
        f'<IIsSmtpServer Location="/LM/SMTPSVC/1" RelayIpList="{relay}" IPSecurity="{connect}" '
        f'RelayForAuth="{service.for_auth}"/></MBProperty></configuration>'
    )


@pytest.mark.parametrize("target", ["exchange-2003", "iis-smtp"])
@pytest.mark.parametrize("name", POLICIES)
def test_it_decides_as_the_service(target: str, name: str) -> None:
    service = Service(exchange=target == "exchange-2003")
    run(service, made(target, POLICIES[name]).text, apply="")
    found = policy_of(read([Source("MetaBase.xml", metabase(service))]))
    for one in edges(written(POLICIES[name]), more=20):
        address = ip_address(one)
        if address.version == 4:
            assert delivers(found, one) is service.admits(address), one
            assert relays(found, one) is service.relays_for(address), one
