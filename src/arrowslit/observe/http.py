"""The small HTTP endpoint of a node: /live, /ready, /metrics.

Runs in threads of the parent, so that a slow reader holds up nothing else; a few at a time, the others are turned
away. Meant for the loopback or a network of one's own: it speaks no TLS and asks for no password. Never shows an
address or a text of a stranger.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from arrowslit.observe.metrics import NodeMetrics

_AT_ONCE: Final = 8
_SECONDS: Final = 5.0


class NodeEndpoint:
    """Serves on `sock` (bound and listening) until `close`. `unready` says why the node is not ready; empty: it is."""

    def __init__(self, sock: socket.socket, metrics: NodeMetrics, unready: Callable[[], list[str]]) -> None:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(metrics)
        self._server = _Server(sock, registry, unready)
        self._thread = threading.Thread(target=self._server.serve_forever, name="http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop. A request under way is given up."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingMixIn, HTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, sock: socket.socket, registry: CollectorRegistry, unready: Callable[[], list[str]]) -> None:
        address = sock.getsockname()
        super().__init__((address[0], address[1]), _Handler, bind_and_activate=False)
        self.socket.close()
        # Shared with the parent that takes over: who comes second must not wait in accept().
        sock.setblocking(False)
        self.socket = sock
        self.registry = registry
        self.unready = unready
        self._room = threading.BoundedSemaphore(_AT_ONCE)

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for the request, where there is room."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """The thread's work."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up half way is no fault of ours, and others end with their own connection."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "arrowslit"
    sys_version = ""
    timeout = _SECONDS

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/live":
            self._answer(HTTPStatus.OK, b"live\n")
        elif path == "/ready":
            why_not = self.server.unready()
            status = HTTPStatus.SERVICE_UNAVAILABLE if why_not else HTTPStatus.OK
            self._answer(status, "".join(f"{line}\n" for line in why_not or ["ready"]).encode())
        elif path == "/metrics":
            self._answer(HTTPStatus.OK, generate_latest(self.server.registry), CONTENT_TYPE_LATEST)
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"there are /live, /ready and /metrics\n")

    do_HEAD = do_GET  # noqa: N815  the library's name

    def _answer(self, status: HTTPStatus, body: bytes, content_type: str = "text/plain; charset=utf-8") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Probes are not logged (gateway-behaviour 6)."""
