"""A real HTTPS server on loopback with a fake firewall behind it, and the faults that networks and servers have."""

from __future__ import annotations

import base64
import http.server
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from tests.peers.certs import Certificate

Answer = tuple[int, Any]


class Fake(Protocol):
    """What stands behind the server; bytes are sent as they are, anything else as JSON."""

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer: ...


@dataclass
class Asked:
    method: str
    path: str

    @property
    def writes(self) -> bool:
        reads = ("search", "list/", "find_references", "query_states", "print")
        return self.method != "GET" and not any(word in self.path for word in reads)


@dataclass
class ApiServer:
    """`fault` says by number, method and path what happens to a request: see `_FAULTS`; "" is nothing."""

    fake: Fake
    user: str = "key"
    password: str = "a very secret word"
    port: int = 0
    forbidden: Callable[[str], bool] = lambda path: False
    fault: Callable[[int, Asked], str] = lambda number, asked: ""
    asked: list[Asked] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def written(self) -> list[str]:
        return [one.path for one in self.asked if one.writes]


@contextmanager
def serving(server: ApiServer, certificate: Certificate | None) -> Iterator[ApiServer]:
    """Run it on a free port; without a certificate in clear."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            asked = Asked(self.command, parts.path)
            server.asked.append(asked)
            server.headers.append(dict(self.headers))
            fault = server.fault(len(server.asked), asked)
            if fault == "hang":
                server.stopped.wait(20)
            if fault in {"hang", "lost before"}:
                self.close_connection = True
                return
            status, found = _answered(server, self, parts.path, dict(parse_qsl(parts.query)), body)
            if fault == "lost after":
                self.close_connection = True
                return
            if fault.isdigit():
                status, found = int(fault), {"error": int(fault), "message": "it went wrong"}
            octets = found if isinstance(found, bytes) else b"" if found is None else json.dumps(found).encode()
            _send(server, self, status, _spoilt(fault, octets), fault)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

        def log_message(self, *_args: Any) -> None:
            pass

    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    listening.handle_error = lambda *_args: None  # type: ignore[method-assign]
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate_file, certificate.key_file)
        listening.socket = context.wrap_socket(listening.socket, server_side=True, do_handshake_on_connect=False)
    server.port = listening.server_port
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stopped.set()
        listening.shutdown()
        listening.server_close()
        thread.join(5)


def _answered(server: ApiServer, request: Any, path: str, query: dict[str, str], body: bytes) -> Answer:
    wanted = "Basic " + base64.b64encode(f"{server.user}:{server.password}".encode()).decode()
    if request.headers.get("Authorization") != wanted:
        return 401, {"status": 401, "message": f"Authentication Failed for {server.password}"}
    if server.forbidden(path):
        return 403, {"status": 403, "message": "Forbidden"}
    try:
        said = json.loads(body) if body else None
    except ValueError:
        return 400, {"status": 400, "message": "Invalid JSON syntax"}
    return server.fake.answer(request.command, path, query, said)


def _spoilt(fault: str, octets: bytes) -> bytes:
    if fault == "garbage":
        return b"<html>\xff\x00 it is tea time"
    if fault == "other json":
        return b'[[["rows"]]]'
    if fault == "deep":
        return b"[" * 100_000
    return b"[" + b'"x",' * 1_000_000 + b'"x"]' if fault == "huge" else octets


def _send(server: ApiServer, request: Any, status: int, octets: bytes, fault: str) -> None:
    request.send_response(status)
    request.send_header("Content-Type", "application/json")
    if fault == "elsewhere":
        request.send_header("Location", "https://192.0.2.1/")
    length = len(octets) + (10 if fault == "short" else 0)
    request.send_header("Content-Length", str(length))
    if fault == "last":
        request.send_header("Connection", "close")
    request.end_headers()
    if fault == "drip":
        with suppress(OSError):
            for octet in octets + b" " * 100:
                request.wfile.write(bytes([octet]))
                time.sleep(0.05)
                if server.stopped.is_set():
                    return
    request.wfile.write(octets)
    if fault in {"short", "last"}:
        request.close_connection = True
