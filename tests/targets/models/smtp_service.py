"""The SMTP service of Windows 2000 and 2003: the script is run against a service that is written from documentation.

No such server runs where these tests do; nothing here has met one. The fake follows IIsIPSecurity (ADSI), RelayIpList
and Knowledge Base article 810913: two lists, each with GrantByDefault and the entries that count then, "address, mask".
ExIPSec loads one list at a time and forgets it when it is written; ADSI hands out a copy that counts when it is put.
A relay list that is not set at all reads like "all except", with nobody listed, and means nobody.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from ipaddress import IPv4Network

from arrowslit.mail.address import IPAddress
from tests.targets.models import Admits
from tests.targets.models.vbscript import Host


class List:
    """One list, with the spaces that consoles write."""

    def __init__(self) -> None:
        self.grantbydefault: bool | int = True
        self.ipgrant: list[str] = []
        self.ipdeny: list[str] = []
        self.domaingrant: list[str] = []
        self.domaindeny: list[str] = []
        self.written = False

    def lets(self, address: IPAddress) -> bool:
        """Whether the client is on the right side of the list."""
        listed = [self._network(text) for text in (self.ipdeny if self.grantbydefault else self.ipgrant)]
        return any(address in one for one in listed) is not bool(self.grantbydefault)

    @staticmethod
    def _network(text: str) -> IPv4Network:
        address, mask = text.split(",")
        return IPv4Network(f"{address.strip()}/{mask.strip()}")


class Service:
    """One virtual server; `exchange` says which component reaches its lists."""

    def __init__(self, *, exchange: bool) -> None:
        self.lists = {"connect": List(), "relay": List()}
        self.for_auth = -1
        self.watchers: list[Callable[[], object]] = []
        if exchange:
            self.host = Host({"exipsec.exipsecurity": lambda: Component(self)})
        else:
            self.host = Host({}, self._adsi)

    def _adsi(self, path: str) -> Object:
        assert path == "IIS://localhost/SmtpSvc/1"
        return Object(self)

    def write(self, which: str, new: List) -> None:
        """Takes a list as a whole."""
        for text in (*new.ipgrant, *new.ipdeny):
            List._network(text)
        self.lists[which] = copy.deepcopy(new)
        self.lists[which].written = True
        for after in self.watchers:
            after()

    def admits(self, address: IPAddress) -> bool:
        """Whether the client may connect; the service knows no IPv6."""
        return address.version == 4 and self.lists["connect"].lets(address)

    def relays_for(self, address: IPAddress) -> bool:
        """Whether a client that has not signed in may relay."""
        relay = self.lists["relay"]
        return self.admits(address) and relay.written and relay.lets(address)


class Component:
    """ExIpSec.ExIpSecurity."""

    def __init__(self, service: Service) -> None:
        self._service, self._which = service, ""
        self._bound = False

    def bindtosmtpvsi(self, server: str, instance: str, controller: str) -> None:
        assert (server, instance, controller) == ("", "1", "dc1")
        self._bound = True

    def _load(self, which: str) -> None:
        assert self._bound
        self._which = which
        for name, value in vars(copy.deepcopy(self._service.lists[which])).items():
            setattr(self, name, int(value) if name == "grantbydefault" else value)

    def getipsecuritylist(self) -> None:
        self._load("connect")

    def getrelayiplist(self) -> None:
        self._load("relay")

    def writelist(self) -> None:
        new = List()
        for name in vars(new):
            setattr(new, name, getattr(self, name))
            delattr(self, name)
        self._service.write(self._which, new)

    def releasebinding(self) -> None:
        self._bound = False


_NAMES = {"IPSecurity": "connect", "RelayIpList": "relay"}


class Object:
    """IIS://localhost/SmtpSvc/1."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._new: dict[str, object] = {}

    def get(self, name: str) -> object:
        if name == "RelayForAuth":
            return self._service.for_auth
        return copy.deepcopy(self._service.lists[_NAMES[name]])

    def put(self, name: str, value: object) -> None:
        self._new[name] = value

    def setinfo(self) -> None:
        for name, value in self._new.items():
            if name == "RelayForAuth":
                assert isinstance(value, int)
                self._service.for_auth = value
            else:
                assert isinstance(value, List)
                self._service.write(_NAMES[name], value)


def run(service: Service, text: str, **arguments: str) -> None:
    """Runs the script, which must not stop."""
    if service.host.run(text, dc="dc1", **arguments):
        raise ValueError(service.host.said[-1])


def model(*, exchange: bool) -> Callable[[str], Admits]:
    """Who may connect after the script has run on a service that took everybody."""

    def applied(text: str) -> Admits:
        service = Service(exchange=exchange)
        run(service, text, apply="")
        return service.admits

    return applied


MODELS = {"exchange-2003": model(exchange=True), "iis-smtp": model(exchange=False)}
