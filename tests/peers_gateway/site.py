"""What the tests of this folder share: a message, names, and policies with one next hop or two."""

from __future__ import annotations

import re
from collections.abc import Sequence

ANNA, BEN = "anna@example.test", "ben@example.test"
CARLA = "carla@example.net"
ELSEWHERE = "someone@elsewhere.example"

MESSAGE = b"From: ben@example.test\r\nTo: anna@example.test\r\nSubject: one\r\n\r\nText.\r\n"

ODD = (
    b"From: =?utf-8?q?Ben?= <ben@example.test>\r\n"
    b"to:anna@example.test\r\n"
    b"Subject: folded\r\n\tand odd  \r\n"
    b"Date: Wed, 25 Nov 2026 08:00:00 +0000\r\n"
    b"Message-ID: <odd@example.test>\r\n"
    b"X-Empty:\r\n"
    b"\r\n"
    b".\r\n..\r\n.dot\r\n"
    b"trailing space \t\r\n"
    b"\r\n\r\n" + b"8 bit: \xc3\xbc \xff\r\n" + b"x" * 990 + b"\r\nFrom the start of a line\r\nlast line\r\n"
)
"""What some server on the way might be tempted to put right. It is not stuffed."""


def stuffed(message: bytes) -> bytes:
    """As it goes over the wire (RFC 5321 4.5.2), without the final dot."""
    return re.sub(rb"(?m)^\.", b"..", message)


def table(name: str, lines: Sequence[str]) -> str:
    """One table of a policy."""
    return f"[{name}]\n" + "".join(f"{line}\n" for line in lines)


def next_hop(name: str, address: str, *lines: str) -> str:
    """A next hop without TLS unless a line says otherwise."""
    own = [] if any(line.startswith("tls =") for line in lines) else ['tls = "off"']
    return table(f"next_hops.{name}", [f'address = "{address}"', *own, *lines])


def at(place: tuple[str, int], scheme: str = "smtp") -> str:
    """The next hop's address for a server at that place."""
    return f"{scheme}://{place[0]}:{place[1]}"


def policy(
    *hops: str,
    domains: dict[str, str] | None = None,
    listed: str = '{ computer = "127.0.0.1" }',
    server: Sequence[str] = (),
    more: str = "",
) -> str:
    """A policy with these next hops; `domains` says which is whose (example.test and the first hop, `inner`)."""
    accepted = domains or {"example.test": "inner"}
    return "".join(
        [
            "version = 1\n",
            *hops,
            *(table(f'accepted_domains."{name}"', [f'next_hop = "{hop}"']) for name, hop in accepted.items()),
            table("virtual_servers.default", [f'postmaster_next_hop = "{next(iter(accepted.values()))}"', *server]),
            table("virtual_servers.default.connection_control", [f"only_listed = [ {listed} ]"]),
            more,
        ]
    )


def without_our_line(delivered: bytes) -> bytes:
    """What stands behind the one Received line of ours, which must be there; lines end in LF."""
    text = delivered.replace(b"\r\n", b"\n")
    assert text.count(b"(Arrowslit)") == 1, text
    found = re.search(rb"(?m)^Received: from [^\n]*\n\tby mx\.arrowslit\.test \(Arrowslit\)[^\n]*\n(\t[^\n]*\n)*", text)
    assert found is not None, text
    return text[found.end() :]
