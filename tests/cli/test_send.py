"""`arrowslit send` against a server that answers by a script, over loopback."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import arrowslit

GOOD = {
    "": "220 mx.example.org ESMTP",
    "EHLO": "250-mx.example.org\r\n250 PIPELINING",
    "MAIL": "250 2.1.0 Ok",
    "RCPT": "250 2.1.5 Ok",
    "DATA": "354 End data with <CR><LF>.<CR><LF>",
    ".": "250 2.0.0 Ok: delivered as 7Q4M",
    "QUIT": "221 2.0.0 Bye",
}


class _Server(socketserver.ThreadingTCPServer):
    """Keeps what clients said; `script` is the reply to each verb, None closes without one."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: dict[str, str | None] = dict(GOOD)
        self.said: list[bytes] = []
        self.clients: list[str] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        self.server.clients.append(self.client_address[0])
        verb, in_data = "", False
        while True:
            answer = self.server.script.get(verb) if not in_data or verb == "." else ""
            if answer is None:
                return
            if answer:
                self.wfile.write(answer.encode("latin-1") + b"\r\n")
            in_data = verb == "DATA" or (in_data and verb != ".")
            line = self.rfile.readline()
            if not line:
                return
            self.server.said.append(line)
            verb = line.strip().split(b" ")[0].decode("latin-1").upper() if not in_data or line == b".\r\n" else "text"


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def test_accepted(server: _Server, tmp_path: Path) -> None:
    result = arrowslit("send", "--server", server.address, "--to", "bob@example.org", cwd=tmp_path)
    assert (result.code, result.out) == (0, "accepted  250 2.0.0 Ok: delivered as 7Q4M\n")
    assert "RCPT TO:<bob@example.org>\n  250 2.1.5 Ok\n" in result.err
    assert server.said[:3] == [b"ehlo test.invalid\r\n", b"MAIL FROM:<>\r\n", b"RCPT TO:<bob@example.org>\r\n"]


def test_a_line_that_begins_with_a_dot_is_stuffed(server: _Server, tmp_path: Path) -> None:
    arrowslit("send", "--server", server.address, "--to", "b@example.org", "--body", ".\n.x\ny", cwd=tmp_path)
    assert server.said[-5:] == [b"..\r\n", b"..x\r\n", b"y\r\n", b".\r\n", b"QUIT\r\n"]


@pytest.mark.parametrize(
    ("verb", "reply"),
    [
        ("", "554 5.7.1 127.0.0.1 may not deliver here"),
        ("MAIL", "530 5.7.0 Must issue a STARTTLS command first"),
        ("RCPT", "550 5.7.1 127.0.0.1 may not deliver here"),
        (".", "451 4.4.1 The server behind is not reachable"),
    ],
)
def test_refused(server: _Server, tmp_path: Path, verb: str, reply: str) -> None:
    server.script[verb] = reply
    result = arrowslit("send", "--server", server.address, "--to", "bob@example.org", cwd=tmp_path)
    assert (result.code, result.out) == (3, f"refused  {reply}\n")
    assert b"DATA\r\n" not in server.said or verb == "."


def test_from_another_address_as_json(server: _Server, tmp_path: Path) -> None:
    arguments = ["--to", "a@example.org", "--to", "b@example.org", "--from", "c@example.net", "--source", "127.0.0.2"]
    result = arrowslit("send", "--server", server.address, *arguments, "--json", cwd=tmp_path)
    found = json.loads(result.out)
    assert (found["version"], found["accepted"]) == (1, True)
    assert [step["said"] for step in found["steps"]][2:5] == [
        "MAIL FROM:<c@example.net>",
        "RCPT TO:<a@example.org>",
        "RCPT TO:<b@example.org>",
    ]
    assert server.clients == ["127.0.0.2"]


def test_what_the_server_says_is_escaped(server: _Server, tmp_path: Path) -> None:
    server.script["RCPT"] = "550 \x1b[2Jgone"
    result = arrowslit("send", "--server", server.address, "--to", "bob@example.org", cwd=tmp_path)
    assert result.out == "refused  550 \\x1b[2Jgone\n"


@pytest.mark.parametrize("verb", ["", "EHLO", "RCPT", "."])
def test_a_server_that_hangs_up(server: _Server, tmp_path: Path, verb: str) -> None:
    server.script[verb] = None
    result = arrowslit("send", "--server", server.address, "--to", "bob@example.org", cwd=tmp_path)
    assert (result.code, result.out) == (5, "")
    assert "Traceback" not in result.err


def test_nobody_there(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = arrowslit("send", "--server", address, "--to", "bob@example.org", cwd=tmp_path)
    assert (result.code, result.out) == (5, "")
    assert result.err == f"error: {address}: Connection refused\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--server", "localhost:25", "--to", "bob@example.org"),
        ("--server", "127.0.0.1:1", "--to", "bob@example.org>\r\nDATA"),
        ("--server", "127.0.0.1:1", "--to", "bob@example.org", "--source", "nowhere"),
        ("--server", "127.0.0.1:1"),
    ],
)
def test_wrong_input(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = arrowslit("send", *arguments, cwd=tmp_path)
    assert result.code == 2
    assert "Traceback" not in result.err
