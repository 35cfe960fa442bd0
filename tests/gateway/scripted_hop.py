"""A next hop that does as it is told: a real server on loopback whose every answer can be chosen, delayed or left out.

An answer is octets; `DROP` closes the connection there, `HANG` says nothing. With a certificate an answer 220 to
STARTTLS begins TLS. Keys are the first word of a command in
upper case, "GREETING" and "." for the message; a list gives the answers in turn, the last one for ever.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.peers.certs import Certificate

DROP, HANG = b"<drop>", b"<hang>"

Answers = Mapping[str, bytes | list[bytes]]

_USUAL: dict[str, bytes] = {
    "GREETING": b"220 inner.test ESMTP\r\n",
    "EHLO": b"250-inner.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 50000000\r\n250 ENHANCEDSTATUSCODES\r\n",
    "DATA": b"354 go on\r\n",
    ".": b"250 2.0.0 Ok: queued as ABC123\r\n",
    "QUIT": b"221 2.0.0 Bye\r\n",
}


@dataclass
class Hop:
    """What it heard: the commands of each connection, and each message with its final dot's fate."""

    at: tuple[str, int]
    tls: ssl.SSLContext | None
    answers: dict[str, bytes | list[bytes]]
    connections: list[list[str]] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    partial: list[bytes] = field(default_factory=list)
    sockets: list[socket.socket] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def commands(self) -> list[str]:
        """All commands in the order they came."""
        return [command for connection in self.connections for command in connection]

    def answer(self, verb: str) -> bytes:
        """The next answer to `verb`."""
        with self.lock:
            found = self.answers.get(verb, _USUAL.get(verb, b"250 2.1.0 Ok\r\n"))
            if isinstance(found, list):
                return found.pop(0) if len(found) > 1 else found[0]
            return found


@contextmanager
def scripted(answers: Answers | None = None, port: int = 0, certificate: Certificate | None = None) -> Iterator[Hop]:
    """Run one on that loopback port, else on a free one."""
    server = socket.create_server(("127.0.0.1", port), backlog=100)
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate_file, certificate.key_file)
    hop = Hop(server.getsockname(), context, dict(answers or {}))
    open_ones: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                sock, _ = server.accept()
            except OSError:
                return
            open_ones.append(sock)
            threading.Thread(target=_converse, args=(hop, sock), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield hop
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        for sock in open_ones:
            sock.close()
        thread.join(5)


def _converse(hop: Hop, sock: socket.socket) -> None:
    heard: list[str] = []
    hop.connections.append(heard)
    hop.sockets.append(sock)
    held = b""
    try:
        if not _say(sock, hop.answer("GREETING")):
            return
        while True:
            line, held = _until(sock, held, b"\r\n")
            command = line.decode("utf-8", "replace")
            heard.append(command)
            verb = command.split(" ")[0].split(":")[0].upper()
            answer = hop.answer(verb)
            if not _say(sock, answer):
                return
            if verb == "STARTTLS" and answer.startswith(b"220") and hop.tls is not None:
                sock = hop.tls.wrap_socket(sock, server_side=True)
                hop.sockets.append(sock)
            if verb == "DATA" and answer.startswith(b"354"):
                held = _message(hop, sock, held)
                if not _say(sock, hop.answer(".")):
                    return
    except OSError:
        return
    finally:
        sock.close()


def _message(hop: Hop, sock: socket.socket, held: bytes) -> bytes:
    try:
        body, held = (b"", held[3:]) if held.startswith(b".\r\n") else _until(sock, held, b"\r\n.\r\n")
    except EndError as end:
        hop.partial.append(end.held)
        raise
    hop.messages.append(body + b"\r\n" if body else b"")
    return held


class EndError(OSError):
    """The gateway hung up; `held` is what had come."""

    def __init__(self, held: bytes) -> None:
        super().__init__("the gateway hung up")
        self.held = held


def _until(sock: socket.socket, held: bytes, mark: bytes) -> tuple[bytes, bytes]:
    while mark not in held:
        data = sock.recv(65536)
        if not data:
            raise EndError(held)
        held += data
    found, _, rest = held.partition(mark)
    return found, rest


def _say(sock: socket.socket, answer: bytes) -> bool:
    if answer == DROP:
        return False
    if answer == HANG:
        while sock.recv(65536):
            pass
        return False
    sock.sendall(answer)
    return True
