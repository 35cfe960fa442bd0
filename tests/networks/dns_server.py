"""A small DNS server on loopback that answers, or misbehaves, as it is told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from enum import Enum
from typing import cast

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

SOA = "ns.example. hostmaster.example. 1 3600 600 86400 {ttl}"


class Trouble(Enum):
    """What a server may do instead of answering."""

    SERVFAIL = "servfail"
    REFUSED = "refused"
    SILENCE = "silence"
    GARBAGE = "garbage"
    OTHER_QUESTION = "the answer to another question"
    TRUNCATED = "truncated over UDP, whole over TCP"


Data = list[str] | Trouble


@dataclass
class DnsServer:
    """`zone` says what there is, by name and type; a name that is not there at all is NXDOMAIN.

    `truncated` names are answered whole over TCP only. `asked` lists the questions in order.
    """

    zone: dict[tuple[str, str], Data]
    ttl: int = 100
    truncated: frozenset[str] = frozenset()
    address: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)

    def respond(self, wire: bytes, *, tcp: bool) -> bytes | None:
        """The octets of the answer, or None for silence."""
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        response = dns.message.make_response(query)
        trouble = self._fill(response, name, kind)
        if trouble is Trouble.SILENCE:
            return None
        if trouble is Trouble.GARBAGE:
            return wire[:2] + b"\xff" * 20
        if trouble is Trouble.OTHER_QUESTION:
            response = dns.message.make_response(dns.message.make_query("other.example", "A", id=query.id))
        if trouble is Trouble.SERVFAIL:
            response.set_rcode(dns.rcode.SERVFAIL)
        if trouble is Trouble.REFUSED:
            response.set_rcode(dns.rcode.REFUSED)
        if name in self.truncated and not tcp:
            response.answer.clear()
            response.flags |= dns.flags.TC
        return response.to_wire()

    def _fill(self, response: dns.message.Message, name: str, kind: str) -> Trouble | None:
        for _ in range(20):
            data = self.zone.get((name, kind))
            target = self.zone.get((name, "CNAME"))
            if isinstance(data, Trouble):
                return data
            if data:
                response.answer.append(dns.rrset.from_text_list(f"{name}.", self.ttl, "IN", kind, data))
                return None
            if not isinstance(target, list):
                break
            response.answer.append(dns.rrset.from_text_list(f"{name}.", self.ttl, "IN", "CNAME", target))
            name = target[0].removesuffix(".")
        if not any(held == name for held, _ in self.zone):
            response.set_rcode(dns.rcode.NXDOMAIN)
        soa = SOA.format(ttl=self.ttl)
        response.authority.append(dns.rrset.from_text(".", self.ttl, "IN", "SOA", soa))
        return None


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # before 3.12 it is not derived from it

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._server.respond(data, tcp=False)
        if answer is not None:
            self._transport.sendto(answer, addr)


@contextlib.asynccontextmanager
async def serving(server: DnsServer) -> AsyncGenerator[DnsServer, None]:
    """The server on a free port of loopback, UDP and TCP; `server.address` says which."""

    async def over_tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(2), "big")
        answer = server.respond(await reader.readexactly(size), tcp=True) or b""
        writer.write(len(answer).to_bytes(2, "big") + answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    tcp = await asyncio.start_server(over_tcp, "127.0.0.1", 0)
    port = tcp.sockets[0].getsockname()[1]
    loop = asyncio.get_running_loop()
    udp, _ = await loop.create_datagram_endpoint(lambda: _Udp(server), local_addr=("127.0.0.1", port))
    server.address = f"127.0.0.1:{port}"
    try:
        yield server
    finally:
        udp.close()
        tcp.close()
        await tcp.wait_closed()
