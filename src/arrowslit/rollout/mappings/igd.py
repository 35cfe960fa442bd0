"""What a router says of itself, and the three things that it is asked (WANIPConnection 1 and 2): list, find, delete.

WANPPPConnection has the same actions; routers at DSL lines have one or the other, or both for the same mappings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from arrowslit.rollout.mappings.ask import Where, ask, where_of
from arrowslit.rollout.mappings.elements import Element, read_elements
from arrowslit.rollout.point import RolloutError

_KINDS: Final = (
    "urn:schemas-upnp-org:service:WANIPConnection:1",
    "urn:schemas-upnp-org:service:WANIPConnection:2",
    "urn:schemas-upnp-org:service:WANPPPConnection:1",
)
_SERVICES: Final = 8
_NAME: Final = 80
_NO_MORE: Final = (713, 714)
"""SpecifiedArrayIndexInvalid, NoSuchEntryInArray."""

NOT_AUTHORIZED: Final = 606


@dataclass(frozen=True, slots=True)
class Service:
    """Where mappings are asked for."""

    kind: str
    control: Where


@dataclass(frozen=True, slots=True)
class Device:
    """A router. `name` is its own and may be anything."""

    place: Where
    name: str
    services: tuple[Service, ...]


class FaultError(RolloutError):
    """The router refuses an action, with a number of the standard or of its own."""

    def __init__(self, code: int, says: str) -> None:
        super().__init__(f"it says {code}" + (f" ({says[:_NAME]})" if says else ""))
        self.code = code


def device_at(place: Where, deadline: float) -> Device:
    """What describes itself there; a router without UPnP mappings has no services. Raises RolloutError."""
    root = read_elements(ask(place, deadline))
    base = root.of("URLBase") or place.text
    services = [
        Service(kind, where_of(one.of("controlURL"), place.address, base))
        for one in root.every("service")
        if (kind := one.of("serviceType")) in _KINDS and one.of("controlURL")
    ]
    name = next((one.of("friendlyName") for one in root.every("device")), "")
    return Device(place, name[:_NAME], tuple(dict.fromkeys(services))[:_SERVICES])


def entry(service: Service, index: int, deadline: float) -> Element | None:
    """Mapping number `index`; None behind the last. Raises RolloutError."""
    return _asked(service, "GetGenericPortMappingEntry", [("NewPortMappingIndex", str(index))], deadline)


def specific(service: Service, remote_host: str, port: int, protocol: str, deadline: float) -> Element | None:
    """The mapping of that port; None where there is none. Raises RolloutError."""
    return _asked(service, "GetSpecificPortMappingEntry", _key(remote_host, port, protocol), deadline)


def delete(service: Service, remote_host: str, port: int, protocol: str, deadline: float) -> None:
    """Let the router delete it; that there is none is as good. Raises RolloutError."""
    _asked(service, "DeletePortMapping", _key(remote_host, port, protocol), deadline)


def _key(remote_host: str, port: int, protocol: str) -> list[tuple[str, str]]:
    return [("NewRemoteHost", remote_host), ("NewExternalPort", str(port)), ("NewProtocol", protocol)]


def _asked(service: Service, action: str, said: Sequence[tuple[str, str]], deadline: float) -> Element | None:
    try:
        return _call(service, action, said, deadline)
    except FaultError as fault:
        if fault.code in _NO_MORE:
            return None
        raise


def _call(service: Service, action: str, said: Sequence[tuple[str, str]], deadline: float) -> Element:
    words = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in said)
    body = (
        '<?xml version="1.0"?>\r\n<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
        's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>'
        f'<u:{action} xmlns:u="{service.kind}">{words}</u:{action}></s:Body></s:Envelope>\r\n'
    )
    headers = {"Content-Type": 'text/xml; charset="utf-8"', "SOAPAction": f'"{service.kind}#{action}"'}
    root = read_elements(ask(service.control, deadline, body.encode(), headers))
    for fault in root.every("UPnPError"):
        code = fault.of("errorCode")
        raise FaultError(
            int(code) if code.isascii() and code.isdigit() and len(code) < 6 else 0, fault.of("errorDescription")
        )
    answer = next(root.every(f"{action}Response"), None)
    if answer is None:
        raise RolloutError(f"it does not answer {action}")
    return answer
