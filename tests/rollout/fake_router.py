"""A router that does as a test says, good or bad. Not a real one: `tests.peers.home_router` is.

It plays the three questions of UPnP IGD as the standard has them, and any of them may be answered otherwise.
"""

from __future__ import annotations

import re
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from ipaddress import IPv4Address
from typing import BinaryIO
from xml.sax.saxutils import escape

from arrowslit.rollout.mappings.ask import Where

KIND = "urn:schemas-upnp-org:service:WANIPConnection:1"
Answer = bytes | Iterator[bytes]


@dataclass(slots=True)
class Fake:
    """`instead` answers a question otherwise, by its name: `description` or that of an action."""

    port: int = 0
    listed: list[dict[str, str]] = field(default_factory=list)
    hidden: list[dict[str, str]] = field(default_factory=list)
    """Found by their port only."""

    instead: dict[str, Callable[[str], Answer]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    control: str = "/control"
    base: str = ""

    @property
    def place(self) -> Where:
        """Where it describes itself."""
        return Where(IPv4Address("127.0.0.1"), self.port, "/description")

    def answer(self, name: str, body: str) -> Answer:
        """One question."""
        self.asked.append(name)
        if name in self.instead:
            return self.instead[name](body)
        return {
            "description": self._description,
            "GetGenericPortMappingEntry": self._entry,
            "GetSpecificPortMappingEntry": self._specific,
            "DeletePortMapping": self._delete,
        }[name](body)

    def _description(self, _body: str) -> bytes:
        base = f"<URLBase>{self.base}</URLBase>" if self.base else ""
        service = f"<serviceType>{KIND}</serviceType><controlURL>{self.control}</controlURL>"
        return ok(
            f'<root xmlns="urn:schemas-upnp-org:device-1-0">{base}<device><friendlyName>fake</friendlyName><deviceList>'
            f"<device><serviceList><service>{service}</service></serviceList></device></deviceList></device></root>"
        )

    def _entry(self, body: str) -> bytes:
        index = int(said(body, "NewPortMappingIndex"))
        if index >= len(self.listed):
            return fault(713, "SpecifiedArrayIndexInvalid")
        return answered("GetGenericPortMappingEntry", self.listed[index])

    def _specific(self, body: str) -> bytes:
        for one in self.hidden + self.listed:
            if key(one) == asked_key(body):
                return answered("GetSpecificPortMappingEntry", one)
        return fault(714, "NoSuchEntryInArray")

    def _delete(self, body: str) -> bytes:
        for entries in (self.listed, self.hidden):
            for one in entries:
                if key(one) == asked_key(body):
                    entries.remove(one)
                    return answered("DeletePortMapping", {})
        return fault(714, "NoSuchEntryInArray")


def mapping(port: int = 25, to: str = "192.168.1.9", to_port: int | None = None, **more: str) -> dict[str, str]:
    """The arguments of a mapping."""
    return {
        "NewRemoteHost": "",
        "NewExternalPort": str(port),
        "NewProtocol": "TCP",
        "NewInternalPort": str(port if to_port is None else to_port),
        "NewInternalClient": to,
        "NewEnabled": "1",
        "NewPortMappingDescription": "game",
        "NewLeaseDuration": "0",
        **more,
    }


def key(one: dict[str, str]) -> tuple[str, ...]:
    """What a router knows a mapping by."""
    return one["NewRemoteHost"], one["NewExternalPort"], one["NewProtocol"]


def asked_key(body: str) -> tuple[str, ...]:
    """The same in a question."""
    return said(body, "NewRemoteHost"), said(body, "NewExternalPort"), said(body, "NewProtocol")


def said(body: str, name: str) -> str:
    """An argument."""
    found = re.search(f"<{name}>(.*?)</{name}>", body, re.DOTALL)
    assert found is not None, body
    return unescape(found[1])


def ok(text: str | bytes, status: str = "200 OK", **headers: str) -> bytes:
    """A whole answer."""
    body = text if isinstance(text, bytes) else text.encode()
    lines = [
        f"HTTP/1.1 {status}",
        *(f"{name}: {value}" for name, value in headers.items()),
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answered(action: str, arguments: dict[str, str], *, raw: bool = False) -> bytes:
    """The answer to an action; `raw` texts stand there as they are."""
    inner = "".join(f"<{name}>{value if raw else escape(value)}</{name}>" for name, value in arguments.items())
    return ok(_envelope(f'<u:{action}Response xmlns:u="{KIND}">{inner}</u:{action}Response>'))


def fault(code: int, says: str = "") -> bytes:
    """A refusal."""
    inner = f"<UPnPError><errorCode>{code}</errorCode><errorDescription>{says}</errorDescription></UPnPError>"
    text = f"<s:Fault><faultcode>s:Client</faultcode><detail>{inner}</detail></s:Fault>"
    return ok(_envelope(text), "500 Internal Server Error")


def _envelope(inner: str) -> str:
    start = '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
    return f"{start}{inner}</s:Body></s:Envelope>"


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    fake: Fake


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        head, body = _request(self.rfile)  # type: ignore[arg-type]  # a BufferedIOBase
        action = re.search(r'soapaction: "[^"#]*#(\w+)"', head, re.IGNORECASE)
        answer = self.server.fake.answer(action[1] if action else "description", body)  # type: ignore[attr-defined]
        try:
            for piece in [answer] if isinstance(answer, bytes) else answer:
                self.wfile.write(piece)
        except OSError:
            return  # whoever asked has heard enough


def _request(stream: BinaryIO) -> tuple[str, str]:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        if not line:
            break
        head += line
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    return head.decode("latin-1"), stream.read(int(length[1])).decode() if length else ""


@contextmanager
def fake_router(address: str = "127.0.0.1") -> Iterator[Fake]:
    """Let one run until the end of the block."""
    with _Server((address, 0), _Handler) as server:
        server.fake = Fake(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server.fake
        finally:
            server.shutdown()
            thread.join(5)
