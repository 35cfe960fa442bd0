"""A question to a mail server: may this client write to that recipient? No message is ever sent."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import Final

_LONGEST: Final = 2048
_LINES: Final = 100


def asked(connection: socket.socket, recipient: str) -> str:
    """The reply that decides: that to RCPT, or the first that refuses before it. Raises OSError."""
    said = ""
    with connection, connection.makefile("rb") as stream:
        for line in ("", *lines(recipient)):
            if line:
                connection.sendall(line.encode() + b"\r\n")
            said = _reply(stream)
            if not said.startswith("2"):
                break
        connection.sendall(b"QUIT\r\n")
    return said


def lines(recipient: str) -> tuple[str, ...]:
    """What is said up to the recipient."""
    return "EHLO arrowslit.invalid", "MAIL FROM:<>", f"RCPT TO:<{recipient}>"


def _reply(stream: Iterable[bytes]) -> str:
    for _, line in zip(range(_LINES), stream, strict=False):
        if line[3:4] != b"-":
            return line[:_LONGEST].decode("utf-8", "replace").strip()
    raise OSError("the server closed the connection")
