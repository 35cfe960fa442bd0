"""A virtual server that splices: connection control, then plain TCP both ways, as hybrid Exchange needs it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from arrowslit.gateway.control import request
from tests.gateway.node import RunningNode, serving
from tests.gateway.wire import Wire
from tests.peers import postfix, process
from tests.peers.certs import Authority
from tests.peers.swaks import s_client
from tests.peers_gateway.site import ANNA, BEN, MESSAGE, table

STRANGER = "127.0.0.9"
SIZE = 8_000_000


def site(to: tuple[str, int], *lines: str, host: str = "") -> str:
    """A policy that splices 127.0.0.1 to this server."""
    own = ['forward = "splice"', f'splice_to = "tcp://{host or to[0]}:{to[1]}"', *lines]
    listed = ['only_listed = [ { computer = "127.0.0.1" } ]']
    name = "virtual_servers.default"
    return "version = 1\n" + table(name, own) + table(f"{name}.connection_control", listed)


@contextmanager
def server(serve: Callable[[socket.socket], None]) -> Iterator[tuple[str, int]]:
    """A server that does this with one connection."""
    listening = socket.create_server(("127.0.0.1", 0))

    def one() -> None:
        connection, _ = listening.accept()
        with connection:
            serve(connection)

    thread = threading.Thread(target=one, daemon=True)
    thread.start()
    with listening:
        yield listening.getsockname()
    thread.join(20)


def read_all(sock: socket.socket) -> bytes:
    """All octets up to the other end's end."""
    parts = []
    while data := sock.recv(65_536):
        parts.append(data)
    return b"".join(parts)


@pytest.mark.peer("postfix")
def test_postfix_speaks_for_itself(tmp_path: Path, running: ExitStack, authority: Authority) -> None:
    inner = running.enter_context(postfix.next_hop([ANNA], certificate=authority.issue("127.0.0.1")))
    with serving(tmp_path, site(inner.at)) as node:
        with Wire(node.at) as wire:
            assert "postfix" in wire.greeting[1].lower()
            assert "VRFY" in wire.say("EHLO client.test")[1]  # what we never offer
            wire.starttls()  # its own certificate, its own handshake
            wire.say("EHLO client.test")
            assert wire.message(BEN, ANNA, MESSAGE)[0] == 250
        assert "Arrowslit" not in inner.messages(ANNA, 1)[0].decode()
        with Wire(node.at, STRANGER) as wire:
            assert wire.greeting[0] == 554
        assert f"[{STRANGER}]" not in inner.log()
    assert node.wait_for(action="permit")["stage"] == "connect"
    assert node.wait_for(action="reject")["client_address"] == STRANGER


@pytest.mark.peer("postfix")
def test_postfix_is_told_who_the_client_is(tmp_path: Path, running: ExitStack) -> None:
    inner = running.enter_context(postfix.next_hop([ANNA], proxy_protocol=True))
    text = site(inner.at, 'splice_identify_client = "proxy-v2"').replace('127.0.0.1"', '127.0.0.77"')
    with serving(tmp_path, text) as node, Wire(node.at, "127.0.0.77") as wire:
        wire.say("EHLO client.test")
        assert wire.message(BEN, ANNA, MESSAGE)[0] == 250
    assert "[127.0.0.77]" in inner.log()


@pytest.mark.peer("openssl", "postfix")
def test_tls_goes_through(tmp_path: Path, running: ExitStack, authority: Authority) -> None:
    inner = running.enter_context(postfix.next_hop([ANNA], certificate=authority.issue("inner.example.test")))
    with serving(tmp_path, site(inner.at)) as node:
        said = s_client(node.at, "-CAfile", str(authority.file), given=b"QUIT\r\n")
        assert "inner.example.test" in said.text
        assert "Verify return code: 0" in said.text or "Verification: OK" in said.text


def test_much_goes_both_ways_at_once_and_each_end_is_passed_on(tmp_path: Path) -> None:
    there, back = b"a" * SIZE, b"b" * SIZE
    heard: list[bytes] = []

    def both(connection: socket.socket) -> None:
        writer = threading.Thread(target=lambda: (connection.sendall(back), connection.shutdown(socket.SHUT_WR)))
        writer.start()
        heard.append(read_all(connection))
        writer.join()

    with server(both) as to, serving(tmp_path, site(to)) as node, socket.create_connection(node.at, 20) as client:
        sender = threading.Thread(target=lambda: (client.sendall(there), client.shutdown(socket.SHUT_WR)))
        sender.start()
        assert read_all(client) == back
        sender.join()
        assert process.until(lambda: bool(heard))
    assert heard == [there]


def test_a_client_that_has_said_all_still_hears_the_answer(tmp_path: Path) -> None:
    def answer(connection: socket.socket) -> None:
        asked = read_all(connection)
        connection.sendall(asked[::-1])

    with server(answer) as to, serving(tmp_path, site(to)) as node, socket.create_connection(node.at, 20) as client:
        client.sendall(b"abc")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"cba"


def test_a_server_that_has_said_all_still_hears_the_client(tmp_path: Path) -> None:
    heard: list[bytes] = []

    def says_first(connection: socket.socket) -> None:
        connection.sendall(b"220 hi\r\n")
        connection.shutdown(socket.SHUT_WR)
        heard.append(read_all(connection))

    with server(says_first) as to, serving(tmp_path, site(to)) as node, socket.create_connection(node.at, 20) as client:
        assert read_all(client) == b"220 hi\r\n"
        client.sendall(b"and goodbye")
        client.shutdown(socket.SHUT_WR)
        assert process.until(lambda: bool(heard))
    assert heard == [b"and goodbye"]


@pytest.mark.parametrize("whose", ["client", "server"])
def test_an_end_that_breaks_ends_the_other(tmp_path: Path, whose: str) -> None:
    ended = threading.Event()

    def breaks(connection: socket.socket) -> None:
        connection.sendall(b"x")
        if whose == "server":
            connection.recv(1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            return
        with suppress(ConnectionResetError):
            read_all(connection)
        ended.set()

    with server(breaks) as to, serving(tmp_path, site(to)) as node:
        client = socket.create_connection(node.at, 20)
        assert client.recv(1) == b"x"
        if whose == "client":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.close()
            assert ended.wait(10)
        else:
            client.sendall(b"y")
            with suppress(ConnectionResetError):
                assert client.recv(1) == b""
            client.close()
        assert process.until(lambda: sessions(node) == 0)


def sessions(node: RunningNode) -> int:
    """How many are open."""
    return int(request(node.folder / "state" / "control.sock", {"do": "status"})["sessions"])


def test_a_server_that_is_down_sends_the_client_away_for_now(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        to = gone.getsockname()
    with serving(tmp_path, site(to)) as node:
        with Wire(node.at) as wire:
            code, text = wire.greeting
            assert f"{code} {text}".startswith("421 4.4.1 ")
            assert wire.at_end()
        assert process.until(lambda: sessions(node) == 0)


def test_the_next_address_of_a_name_is_tried(tmp_path: Path) -> None:
    with (
        server(lambda connection: connection.sendall(b"220 hi\r\n")) as to,
        serving(tmp_path, site(to, host="localhost")) as node,
        socket.create_connection(node.at, 20) as client,
    ):
        assert read_all(client) == b"220 hi\r\n"  # [::1] refuses
