"""Lists of addresses behind a web address: only https, verified, bounded, JSON or text."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from arrowslit.mail.address_range import address_set, parse_range
from arrowslit.networks.found import Answer, Failed, Found
from arrowslit.networks.web_list import LARGEST, addresses_at
from tests.peers.certs import Authority

Say = Callable[[http.server.BaseHTTPRequestHandler], None]


@contextmanager
def served(authority: Authority, say: Say, name: str = "127.0.0.1", *, tls: bool = True) -> Iterator[str]:
    """A server that answers like that; its web address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            say(self)

        def log_message(self, *_args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_args: None  # type: ignore[method-assign]
    if tls:
        certificate = authority.issue(name)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate_file, certificate.key_file)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}/list"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def body(octets: bytes, *headers: tuple[str, str], code: int = 200) -> Say:
    """Say this."""

    def say(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers:
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(octets)))
        handler.end_headers()
        handler.wfile.write(octets)

    return say


@pytest.fixture(autouse=True)
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))


def look(authority: Authority, say: Say, **options: object) -> Answer:
    with served(authority, say, **options) as url:  # type: ignore[arg-type]
        return addresses_at(url, 3.0)


MICROSOFT = [{"id": 10, "ips": ["192.0.2.0/24", "2001:db8::/48"], "urls": ["*.mail.example"], "tcpPorts": "25"}]
GOOGLE = {"syncToken": "1", "prefixes": [{"ipv4Prefix": "192.0.2.0/24"}, {"ipv6Prefix": "2001:db8::/48"}]}


@pytest.mark.parametrize(
    "octets",
    [
        json.dumps(MICROSOFT).encode(),
        json.dumps(GOOGLE).encode(),
        b'["192.0.2.0/24", "2001:db8::/48"]',
        b"# ours\r\n192.0.2.0/24\r\n\r\n2001:db8::/48  # six\r\n",
        b"\xef\xbb\xbf192.0.2.0/24\n2001:db8::/48",
    ],
)
def test_lists_of_all_shapes(authority: Authority, octets: bytes) -> None:
    found = look(authority, body(octets))
    assert found == Found(address_set(map(parse_range, ["192.0.2.0/24", "2001:db8::/48"])))


def slow(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b"192.0.2.1\n")
        time.sleep(0.2)


def endless(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(LARGEST // 65_536 + 10):
        handler.wfile.write(b"192.0.2.1\n" * 6554)


@pytest.mark.parametrize(
    ("say", "says"),
    [
        (body(b"192.0.2.1\n192.0.2.x\n"), "line 2"),
        (body(b"<html>sorry</html>"), "line 1"),
        (body(b""), "no address"),
        (body(b"{}"), "no address"),
        (body(b"{"), ""),
        (body(b"\xff\xfe"), "utf-8"),
        (body(b"x", code=404), "404"),
        (body(b"x", ("Content-Encoding", "gzip")), "compressed"),
        (body(b"", ("Location", "http://127.0.0.1:1/"), code=302), "not https"),
        (slow, "more than 3 s"),
        (endless, "larger than 8 MiB"),
        (lambda handler: handler.connection.close(), ""),
    ],
)
def test_what_is_not_taken(authority: Authority, say: Say, says: str) -> None:
    found = look(authority, say)
    assert isinstance(found, Failed), found
    assert says in found.why


def test_who_is_not_who_he_says(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> None:
    good = body(b"192.0.2.1\n")
    assert isinstance(look(authority, good), Found)
    assert isinstance(look(authority, good, name="other.example"), Failed)
    stranger = Authority(tmp_path_factory.mktemp("stranger"), "Another Authority")
    assert isinstance(look(stranger, good), Failed)
    found = look(authority, good, tls=False)
    assert isinstance(found, Failed)
    assert "only https" in found.why


def test_a_redirection_to_https_is_followed(authority: Authority) -> None:
    with served(authority, body(b"192.0.2.1\n")) as there:
        assert isinstance(look(authority, body(b"", ("Location", there), code=302)), Found)
