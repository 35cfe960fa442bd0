"""slapd by itself: a right and a wrong password, and TLS. Spoken by hand, so that no library is needed."""

from __future__ import annotations

import socket
import ssl
from contextlib import ExitStack

import pytest

from tests.peers import openldap
from tests.peers.certs import Authority
from tests.peers.openldap import Person

pytestmark = pytest.mark.peer("openldap")

ANNA = {"anna": Person("anna@example.test", "right")}
SUCCESS = 0
INVALID_CREDENTIALS = 49


def _tagged(tag: int, content: bytes) -> bytes:
    return bytes([tag, len(content)]) + content


def _bind(connection: socket.socket, name: str, password: str) -> int:
    """Do a simple bind (RFC 4511, 4.2) and return the result code."""
    request = _tagged(0x02, b"\x03") + _tagged(0x04, name.encode()) + _tagged(0x80, password.encode())
    with connection:
        connection.sendall(_tagged(0x30, _tagged(0x02, b"\x01") + _tagged(0x60, request)))
        reply = connection.recv(4096)
    return reply[reply.index(b"\x0a\x01") + 2]


def test_binds_with_the_right_password_only(running: ExitStack) -> None:
    server = running.enter_context(openldap.directory(ANNA))
    place = (server.address, server.port)
    assert _bind(socket.create_connection(place, 5), server.dn("anna"), "right") == SUCCESS
    assert _bind(socket.create_connection(place, 5), server.dn("anna"), "wrong") == INVALID_CREDENTIALS
    assert _bind(socket.create_connection(place, 5), openldap.READER_DN, openldap.READER_PASSWORD) == SUCCESS


def test_speaks_tls(running: ExitStack, authority: Authority) -> None:
    server = running.enter_context(openldap.directory(ANNA, authority=authority))
    context = ssl.create_default_context(cafile=str(authority.file))
    plain = socket.create_connection((server.address, server.tls_port), 5)
    with context.wrap_socket(plain, server_hostname=server.address) as connection:
        assert _bind(connection, server.dn("anna"), "right") == SUCCESS
