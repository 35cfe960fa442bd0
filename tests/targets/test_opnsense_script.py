"""The script for OPNsense, run by a real shell with a real curl against a stand-in that speaks the recorded protocol.

The stand-in does as opnsense/core's AliasController does with an import: it looks for the alias by name, makes or
replaces its properties, and answers with a status. It is no OPNsense.
"""

from __future__ import annotations

import base64
import json
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address, ip_network
from pathlib import Path
from threading import Thread

import pytest

from tests.peers import process
from tests.targets.samples import HOSTILE, POLICIES, SMALL, made
from tests.targets.truth import edges, may_connect, policy_of

pytestmark = pytest.mark.peer("curl")
SECRET = "the-secret"


class StandIn(HTTPServer):
    """Keeps aliases by name and the calls in their order."""

    status = "ok"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.calls: list[str] = []
        self.aliases: dict[str, dict[str, str]] = {}


class Answers(BaseHTTPRequestHandler):
    server: StandIn

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        wanted = "Basic " + base64.b64encode(f"the-key:{SECRET}".encode()).decode()
        assert self.headers["Content-Type"] == "application/json"
        self.server.calls.append(self.path)
        if self.headers["Authorization"] != wanted:
            self.send_error(401)
            return
        if self.path.endswith("/import"):
            for alias in body["data"]["aliases"]["alias"].values():
                self.server.aliases[alias["name"]] = alias
        answer = json.dumps({"existing": 0, "new": 1, "status": self.server.status}, separators=(",", ":")).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def stand_in() -> Iterator[StandIn]:
    with StandIn() as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def run(server: StandIn, text: str, folder: Path, secret: str = SECRET) -> subprocess.CompletedProcess[str]:
    netrc, curl, script = folder / "netrc", folder / "curl", folder / "script.sh"
    netrc.write_text(f"machine 127.0.0.1 login the-key password {secret}\n")
    curl.write_text(f'#!/bin/sh\nexec {shlex.join(process.by_loader("curl", "usr/bin/curl"))} "$@"\n')
    curl.chmod(0o700)
    script.write_text(text, "utf-8")
    given = {"PATH": f"{folder}:/usr/bin:/bin", "OPNSENSE_NETRC": str(netrc), "NO_PROXY": "*"}
    given["OPNSENSE"] = f"http://127.0.0.1:{server.server_port}"
    return subprocess.run(["sh", str(script)], env=given, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("sample", sorted(POLICIES))
def test_the_alias_that_arrives_is_the_list(sample: str, tmp_path: Path) -> None:
    policy, text = policy_of(POLICIES[sample]), made("opnsense", POLICIES[sample]).text
    with stand_in() as server:
        done = [run(server, text, tmp_path) for _ in range(2)]
    assert [one.returncode for one in done] == [0, 0], done
    assert server.calls == ["/api/firewall/alias/import", "/api/firewall/alias/reconfigure"] * 2
    assert server.aliases.keys() == {"arrowslit"}
    alias = server.aliases["arrowslit"]
    networks = [ip_network(line) for line in alias["content"].split("\n")] if alias["content"] else []
    if policy.virtual_servers["default"].mode == "observe":
        return
    only = policy.virtual_servers["default"].connection_control.mode == "only_listed"
    for client in edges(policy):
        assert any(ip_address(client) in one for one in networks) is (may_connect(policy, client) is only)


def test_a_refused_import_is_said_and_fills_no_table(tmp_path: Path) -> None:
    with stand_in() as server:
        server.status = "failed"
        done = run(server, made("opnsense", SMALL).text, tmp_path)
    assert done.returncode == 1
    assert '"status":"failed"' in done.stderr
    assert server.calls == ["/api/firewall/alias/import"]


def test_a_wrong_key_changes_nothing_and_is_not_shown(tmp_path: Path) -> None:
    with stand_in() as server:
        done = run(server, made("opnsense", SMALL).text, tmp_path, "another")
    assert done.returncode != 0
    assert not server.aliases
    assert "another" not in done.stdout + done.stderr


@pytest.mark.parametrize("word", HOSTILE, ids=range(len(HOSTILE)))
def test_what_a_policy_says_never_reaches_the_shell(word: str, tmp_path: Path) -> None:
    with stand_in() as server:
        done = [run(server, made("opnsense", SMALL, word=one).text, tmp_path) for one in (word, "harmless")]
        first, second = server.calls[:2], server.calls[2:]
    assert first == second
    assert done[0].stdout == done[1].stdout
    assert [one.returncode for one in done] == [0, 0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curl", "netrc", "script.sh"]
