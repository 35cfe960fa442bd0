"""Dovecot by itself: LMTP on TCP and on a unix socket, with answers for each recipient."""

from __future__ import annotations

import socket
from contextlib import ExitStack

import pytest

from tests.peers import dovecot

ANNA = "anna@example.test"
BEN = "ben@example.test"

pytestmark = pytest.mark.peer("dovecot")


def _talk(connection: socket.socket, *commands: str) -> list[str]:
    """Send commands one by one; return the last line of each reply, and all lines after the last."""
    with connection, connection.makefile("rwb") as stream:
        said = [stream.readline().decode()]
        for command in commands:
            stream.write(command.encode() + b"\r\n")
            stream.flush()
            line = stream.readline()
            while line[3:4] == b"-":
                line = stream.readline()
            said.append(line.decode())
        stream.write(b"QUIT\r\n")
        stream.flush()
        return said + [line.decode() for line in stream]


DIALOGUE = ("LHLO test", "MAIL FROM:<>", f"RCPT TO:<{ANNA}>")
DATA = ("DATA", "Subject: one\r\n\r\nText.\r\n.")


def test_delivers_over_tcp_and_refuses_a_stranger(running: ExitStack) -> None:
    server = running.enter_context(dovecot.lmtp([ANNA]))
    said = _talk(socket.create_connection(server.at, 5), *DIALOGUE, "RCPT TO:<nobody@example.test>", *DATA)
    assert said[4].startswith("550 5.1.1")
    assert said[6].startswith("250 2.0.0")
    assert b"Subject: one" in server.messages(ANNA, 1)[0]


def test_delivers_over_a_unix_socket(running: ExitStack) -> None:
    server = running.enter_context(dovecot.lmtp([ANNA], unix=True))
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(dovecot.short(server.socket))
    assert _talk(connection, *DIALOGUE, *DATA)[5].startswith("250 2.0.0")
    assert b"Subject: one" in server.messages(ANNA, 1)[0]


def test_answers_for_each_recipient(running: ExitStack) -> None:
    server = running.enter_context(
        dovecot.lmtp([ANNA, BEN], full=[BEN], settings="protocol lmtp {\n  mail_plugins = quota\n}\n")
    )
    said = _talk(socket.create_connection(server.at, 5), *DIALOGUE, f"RCPT TO:<{BEN}>", *DATA)
    print(said, server.log())
    assert said[6].startswith("250 2.0.0")
    assert said[7][:3] in {"452", "552"}
