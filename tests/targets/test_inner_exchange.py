"""The script for Exchange behind the gateway, on the fake of `models.exchange`: no Exchange has met it."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from arrowslit.targets.target import Place
from tests.targets.models.exchange import EVERYBODY, Exchange
from tests.targets.models.powershell import Record, Thrown, text_of
from tests.targets.samples import SMALL, made

GATEWAY, GATEWAY6, OTHER = "192.168.0.5", "2001:db8:5::5", "192.168.0.9"
PLACE = Place(server=(ip_address(GATEWAY), ip_address(GATEWAY6)))
NAME = "EX1\\Arrowslit gateway"


class Behind(Exchange):
    """With the settings of the organisation, and with rights that can be read."""

    def __init__(self, *, roles: bool = True) -> None:
        super().__init__(roles=roles)
        self.internal = ["10.0.0.1"]
        self.strange_right = False
        self.shell.commands |= {
            "get-transportconfig": lambda args, named, given: [Record(internalsmtpservers=list(self.internal))],
            "set-transportconfig": self.transport,
            "get-adpermission": self.rights,
            "remove-item": lambda args, named, given: [self.shell.files.pop(args[0])],
        }

    def transport(self, args, named, given):
        ((_, change),) = named.items()
        for what, address in change.items():
            if what.lower() == "add":
                self.internal.append(text_of(address))
            else:
                self.internal.remove(text_of(address))
        return []

    def rights(self, args, named, given):
        right = "ms-Exch-SMTP-Accept-Any-Recipient" if self.strange_right else "ms-Exch-SMTP-Submit"
        return [Record(user="NT AUTHORITY\\ANONYMOUS LOGON", deny=False, extendedrights=right)]

    def _connector(self, name, ranges, bindings, role):
        one = super()._connector(name, ranges, bindings, role)
        more = {"distinguishedname": f"CN={name}", "barelinefeedrejectionenabled": False}
        more |= {"messageratelimit": "Unlimited", "maxprotocolerrors": "5"}
        more |= {"tarpitinterval": "00:00:05", "maxacknowledgementdelay": "00:00:30"}
        return Record(**one.fields, **more)


def text() -> str:
    return made("inner-exchange", SMALL, PLACE).text


@pytest.mark.parametrize("roles", [True, False])
def test_the_gateway_gets_a_connector_of_its_own_and_no_right_to_relay(roles: bool) -> None:
    server = Behind(roles=roles)
    relay = server._connector("Relay", ["192.168.0.0/24"], ["0.0.0.0:25"], "FrontendTransport")
    server.hold(relay)
    server.relays.add("EX1\\Relay")
    assert server.relays_for(ip_address(GATEWAY))
    for _ in range(2):
        server.shell.run(text(), Apply=True)
        for one in (GATEWAY, GATEWAY6):
            taken = server.takes(ip_address(one))
            assert taken is not None
            assert taken.identity == NAME
            assert taken.barelinefeedrejectionenabled is True
            assert taken.tarpitinterval == "00:00:00"
            assert not server.relays_for(ip_address(one))
        assert server.relays_for(ip_address(OTHER))
        assert server.internal == ["10.0.0.1", GATEWAY, GATEWAY6]
    server.shell.run(text(), Undo=True)
    assert server.internal == ["10.0.0.1"]
    assert NAME not in [one.identity for one in server.connectors]
    server.shell.run(text(), Undo=True)


def test_it_shows_first_what_it_would_do() -> None:
    server = Behind()
    server.shell.run(text())
    assert (server.log, server.internal) == ([], ["10.0.0.1"])


def test_another_connector_for_the_very_address_stops_it() -> None:
    server = Behind()
    server.hold(server._connector("Relay", [GATEWAY], ["0.0.0.0:25"], "FrontendTransport"))
    with pytest.raises(Thrown, match="names"):
        server.shell.run(text(), Apply=True)
    assert server.log == []


def test_a_right_to_relay_that_it_would_inherit_takes_it_out_again() -> None:
    server = Behind()
    server.strange_right = True
    with pytest.raises(Thrown, match="any recipient"):
        server.shell.run(text(), Apply=True)
    assert NAME not in [one.identity for one in server.connectors]
    assert server.connectors[0].remoteipranges == EVERYBODY
    assert server.internal == ["10.0.0.1"]
