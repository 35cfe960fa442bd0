"""The PROXY header, versions 1 and 2, alone and in front of a conversation."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.smtp import proxy
from arrowslit.smtp.events import FaultKind, Hello, ProxyHeader
from arrowslit.smtp.server import ServerSettings

from .server_dialogue import READY, Dialogue

A4, B4 = (IPv4Address("192.0.2.1"), 4711), (IPv4Address("198.51.100.2"), 25)
A6, B6 = (IPv6Address("2001:db8::1"), 4711), (IPv6Address("2001:db8::2"), 25)
V2 = proxy.SIGNATURE
BLOCK4 = bytes([192, 0, 2, 1, 198, 51, 100, 2, 0x12, 0x67, 0, 25])
BLOCK6 = A6[0].packed + B6[0].packed + b"\x12\x67\x00\x19"
MAPPED = IPv6Address("::ffff:192.0.2.1").packed + IPv6Address("::ffff:198.51.100.2").packed + b"\x12\x67\x00\x19"

GOOD = {
    "v1 IPv4": (b"PROXY TCP4 192.0.2.1 198.51.100.2 4711 25\r\n", ProxyHeader(A4, B4, 1)),
    "v1 IPv6": (b"PROXY TCP6 2001:db8::1 2001:DB8::2 4711 25\r\n", ProxyHeader(A6, B6, 1)),
    "v1 mapped": (b"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.2 4711 25\r\n", ProxyHeader(A4, B4, 1)),
    "v1 unknown": (b"PROXY UNKNOWN\r\n", ProxyHeader(None, None, 1)),
    "v1 unknown and more": (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", ProxyHeader(None, None, 1)),
    "v2 IPv4": (V2 + b"\x21\x11\x00\x0c" + BLOCK4, ProxyHeader(A4, B4, 2)),
    "v2 IPv6": (V2 + b"\x21\x21\x00\x24" + BLOCK6, ProxyHeader(A6, B6, 2)),
    "v2 mapped": (V2 + b"\x21\x21\x00\x24" + MAPPED, ProxyHeader(A4, B4, 2)),
    "v2 with TLVs": (V2 + b"\x21\x11\x00\x13" + BLOCK4 + b"\x04\x00\x04abcd", ProxyHeader(A4, B4, 2)),
    "v2 local": (V2 + b"\x20\x00\x00\x00", ProxyHeader(None, None, 2)),
    "v2 local with a block": (V2 + b"\x20\x11\x00\x0c" + BLOCK4, ProxyHeader(None, None, 2)),
    "v2 unspec": (V2 + b"\x21\x00\x00\x03abc", ProxyHeader(None, None, 2)),
    "v2 unix": (V2 + b"\x21\x31\x00\xd8" + b"x" * 216, ProxyHeader(None, None, 2)),
}
BAD = {
    "SMTP": b"EHLO x\r\n",
    "small letters": b"proxy TCP4 192.0.2.1 198.51.100.2 4711 25\r\n",
    "too few words": b"PROXY TCP4 192.0.2.1 198.51.100.2 4711\r\n",
    "too many words": b"PROXY TCP4 192.0.2.1 198.51.100.2 4711 25 1\r\n",
    "two spaces": b"PROXY  TCP4 192.0.2.1 198.51.100.2 4711 25\r\n",
    "family": b"PROXY UDP4 192.0.2.1 198.51.100.2 4711 25\r\n",
    "no family": b"PROXY \r\n",
    "IPv6 in TCP4": b"PROXY TCP4 2001:db8::1 198.51.100.2 4711 25\r\n",
    "IPv4 in TCP6": b"PROXY TCP6 192.0.2.1 198.51.100.2 4711 25\r\n",
    "zone": b"PROXY TCP6 fe80::1%eth0 2001:db8::2 4711 25\r\n",
    "leading zero in address": b"PROXY TCP4 192.0.2.01 198.51.100.2 4711 25\r\n",
    "leading zero in port": b"PROXY TCP4 192.0.2.1 198.51.100.2 04711 25\r\n",
    "port too big": b"PROXY TCP4 192.0.2.1 198.51.100.2 4711 65536\r\n",
    "signed port": b"PROXY TCP4 192.0.2.1 198.51.100.2 +1 25\r\n",
    "bare LF": b"PROXY TCP4 192.0.2.1 198.51.100.2 4711 25\n",
    "eight bit": b"PROXY TCP4 192.0.2.1 198.51.100.2 4711 25\xff\r\n",
    "no end": b"PROXY UNKNOWN " + b"x" * 94,
    "v2 version": V2 + b"\x11\x11\x00\x0c" + BLOCK4,
    "v2 command": V2 + b"\x22\x11\x00\x0c" + BLOCK4,
    "v2 UDP": V2 + b"\x21\x12\x00\x0c" + BLOCK4,
    "v2 too short": V2 + b"\x21\x11\x00\x0b" + BLOCK4[:-1],
    "v2 IPv6 too short": V2 + b"\x21\x21\x00\x0c" + BLOCK4,
    "v2 too long": V2 + b"\x21\x11\x10\x01",
    "v2 broken signature": V2[:-1] + b"\r",
}


@pytest.mark.parametrize(("octets", "header"), GOOD.values(), ids=GOOD)
@pytest.mark.parametrize("byte_by_byte", [False, True])
def test_good_headers(octets, header, byte_by_byte):
    settings = ServerSettings("mx.example.net", expect_proxy=True)
    talk = Dialogue(settings=settings, greet=False)
    talk.hear(octets, range(len(octets)) if byte_by_byte else ())
    assert talk.events == [header]
    assert talk.engine.buffered == 0
    talk.engine.greet(READY)
    talk.hello()
    assert isinstance(talk.last, Hello)


@pytest.mark.parametrize("octets", BAD.values(), ids=BAD)
@pytest.mark.parametrize("byte_by_byte", [False, True])
def test_bad_headers_end_the_connection_without_a_word(octets, byte_by_byte):
    talk = Dialogue(settings=ServerSettings("mx.example.net", expect_proxy=True), greet=False)
    talk.hear(octets, range(len(octets)) if byte_by_byte else ())
    (fault,) = talk.events
    assert (fault.kind, fault.reply, fault.close) == (FaultKind.PROXY, None, True)
    assert talk.engine.closed and talk.said == b""


def test_what_lies_behind_a_header_came_before_the_greeting():
    talk = Dialogue(settings=ServerSettings("mx.example.net", expect_proxy=True), greet=False)
    talk.hear(b"PROXY UNKNOWN\r\nEHLO x\r\n")
    talk.engine.greet(READY)
    talk.poll()
    assert talk.last.kind is FaultKind.EARLY_TALKER


endpoints = st.tuples(st.ip_addresses(), st.integers(0, 65_535))


@given(endpoints, endpoints)
@pytest.mark.parametrize("encode", [proxy.encode_v1, proxy.encode_v2])
def test_what_is_written_is_read_again(encode, source, destination):
    octets = encode(source, destination)
    header, length = proxy.parse(octets + b"behind")
    assert length == len(octets)
    folded = [(getattr(ip_address(str(a)), "ipv4_mapped", None) or a, port) for a, port in (source, destination)]
    assert [header.source, header.destination] == folded


def test_written_without_endpoints():
    assert proxy.encode_v1(None, B4) == b"PROXY UNKNOWN\r\n"
    assert proxy.encode_v2(A4, None) == V2 + b"\x20\x00\x00\x00"


def test_written_octets():
    assert proxy.encode_v1(A4, B4) == GOOD["v1 IPv4"][0]
    assert proxy.encode_v2(A4, B4) == GOOD["v2 IPv4"][0]
    assert proxy.encode_v2(A6, B6) == GOOD["v2 IPv6"][0]
    assert proxy.encode_v1(A4, B6) == b"PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 4711 25\r\n".replace(
        b"::ffff:192.0.2.1", str(IPv6Address("::ffff:192.0.2.1")).encode()
    )


@given(
    st.binary(max_size=80)
    | st.binary(max_size=60).map(lambda tail: V2 + tail)
    | st.binary(max_size=60).map(lambda t: b"PROXY " + t)
)
def test_no_octets_make_more_than_a_value_error(octets):
    try:
        parsed = proxy.parse(octets)
    except ValueError:
        return
    assert parsed is None or 0 < parsed[1] <= len(octets)
