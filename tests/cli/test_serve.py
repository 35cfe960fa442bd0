"""`arrowslit serve`, `arrowslit status` and the demonstration, as processes of their own."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.command import REPOSITORY, arrowslit

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), "NO_COLOR": "1"}
POLICY = """version = 1
[networks.filter]
file = "ranges.txt"
[next_hops.mailbox]
address = "maildir:mail"
[accepted_domains."example.org"]
next_hop = "mailbox"
[virtual_servers.default]
[virtual_servers.default.connection_control]
only_listed = [ { network = "filter" } ]
[virtual_servers.default.relay_restrictions]
allow_authenticated = false
"""


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    settings = f'[node]\nname = "mx.example.org"\nworkers = 1\n[[listeners]]\naddress = "127.0.0.1:{_free_port()}"\n'
    (tmp_path / "arrowslit.toml").write_text(f'{settings}tls = "starttls"\n[log]\nmail = ""\n')
    (tmp_path / "policy.toml").write_text(POLICY)
    (tmp_path / "ranges.txt").write_text("127.0.0.1\n")
    return tmp_path


class _Running:
    """A process and what it said so far on stderr and stdout."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process, self._log = process, log

    def said(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_for(self, pattern: str, times: int = 1) -> re.Match[str]:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            found = list(re.finditer(pattern, self.said()))
            if len(found) >= times:
                return found[-1]
            time.sleep(0.05)
        raise AssertionError(f"{pattern!r} was not said (exit {self.process.poll()}):\n{self.said()}")


@contextmanager
def _running(folder: Path, *command: str) -> Iterator[_Running]:
    log = folder / f"log-{time.monotonic_ns()}"
    with log.open("wb") as out:
        argv = [sys.executable, "-m", *command]
        process = subprocess.Popen(argv, cwd=folder, stdout=out, stderr=out, env=ENVIRONMENT, start_new_session=True)
    try:
        yield _Running(process, log)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(30)


def _send(folder: Path, node: _Running, *more: str) -> int:
    at = node.wait_for(r"listening on (127\.0\.0\.1:\d+)")[1]
    return arrowslit("send", "--server", at, "--to", "bob@example.org", "-q", *more, cwd=folder).code


def test_serve_status_reload_and_stop(folder: Path) -> None:
    with _running(folder, "arrowslit.cli.main", "serve") as node:
        node.wait_for("revision 1 is the policy in .*policy.toml")
        node.wait_for("made a self-signed certificate: state/tls/cert.pem")
        assert _send(folder, node) == 0
        assert _send(folder, node, "--tls") == 0
        assert _send(folder, node, "--source", "127.0.0.2") == 3
        assert len(list((folder / "mail" / "new").iterdir())) == 2

        (folder / "ranges.txt").write_text("127.0.0.1\n127.0.0.2\n")
        node.wait_for("reloaded: revision 1 is active")  # by itself: the network has another generation
        assert _send(folder, node, "--source", "127.0.0.2") == 0

        settings = (folder / "arrowslit.toml").read_text()
        (folder / "arrowslit.toml").write_text(settings + "[limts]\n")
        node.process.send_signal(signal.SIGHUP)
        node.wait_for('reload refused, revision 1 stays active: .*unknown key "limts"')
        assert 'did you mean "limits"?' in node.said()
        assert _send(folder, node) == 0
        (folder / "arrowslit.toml").write_text(settings)

        (folder / "policy.toml").write_text(POLICY.replace("only_listed = [", "only_listd = ["))
        refused = arrowslit("policy", "apply", cwd=folder)
        assert refused.code == 2
        assert " --> policy.toml:10:1" in refused.err
        assert "did you mean only_listed?" in refused.err
        assert "revision 1 stays active" in refused.err
        assert _send(folder, node) == 0

        status = arrowslit("status", cwd=folder)
        assert status.code == 0
        assert status.out.startswith("ready  mx.example.org, revision 1, since ")
        assert "policy.toml differs from the active revision" in status.out
        assert "reload-refused: " in status.out
        found = json.loads(arrowslit("status", "--json", cwd=folder).out)
        assert (found["version"], found["revision"], found["ready"]) == (1, 1, True)

        (folder / "policy.toml").write_text(POLICY + "# a remark\n")
        assert arrowslit("policy", "apply", cwd=folder).out == "revision 2 active on 1 of 1 nodes\n"
        node.wait_for("reloaded: revision 2 is active")

        node.process.send_signal(signal.SIGTERM)
        assert node.process.wait(30) == 0
    assert arrowslit("status", cwd=folder).code == 5


def test_a_revision_outlives_the_node(folder: Path) -> None:
    for _ in range(2):
        with _running(folder, "arrowslit.cli.main", "serve", "-q") as node:
            node.wait_for("listening on")
            assert "revision" not in node.said()
            assert json.loads(arrowslit("status", "--json", cwd=folder).out)["revision"] == 1


@pytest.mark.parametrize(
    ("name", "text", "code", "says"),
    [
        ("arrowslit.toml", "[node", 2, "error[syntax]"),
        ("policy.toml", "version = 1\nx = 1\n", 2, "error[unknown-key]"),
        ("ranges.txt", "nonsense\n", 2, "error[source-broken]"),
        (
            "policy.toml",
            POLICY + '[[expectations]]\nthat = "all may"\nfrom = "192.0.2.1"\noutcome = "permit"\n',
            3,
            "error: expectation broken: all may: wanted permit, got reject at connect",
        ),
    ],
)
def test_nothing_is_started_from_files_that_are_not_right(
    folder: Path, name: str, text: str, code: int, says: str
) -> None:
    (folder / name).write_text(text)
    result = arrowslit("serve", cwd=folder)
    assert (result.code, result.out) == (code, "")
    assert says in result.err
    assert "nothing was started" in result.err
    assert not (folder / "state").exists()


def test_a_port_that_is_taken(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (folder / "arrowslit.toml").write_text(
            f'[node]\nname = "mx.example"\n[[listeners]]\naddress = "127.0.0.1:{port}"\n'
        )
        result = arrowslit("serve", cwd=folder)
    assert result.code == 1
    assert f"127.0.0.1:{port}" in result.err
    assert "Traceback" not in result.err


def test_status_without_a_node(folder: Path) -> None:
    result = arrowslit("status", cwd=folder)
    assert (result.code, result.out) == (5, "")
    assert result.err.startswith("error: no node runs here: ")


def _commands(text: str) -> list[list[str]]:
    return [shlex.split(line) for line in text.splitlines() if line.startswith("  ") and " --to " in line]


def test_the_demonstration_twice_at_once(tmp_path: Path) -> None:
    with _running(tmp_path, "arrowslit.demo") as first, _running(tmp_path, "arrowslit.demo") as second:
        ports = set()
        for demo in (first, second):
            ports.add(demo.wait_for(r"Listening on 127\.0\.0\.1:(\d+)")[1])
            demo.wait_for("Ctrl-C stops it")
            done = [
                subprocess.run(c, cwd=tmp_path, env=ENVIRONMENT, check=False).returncode for c in _commands(demo.said())
            ]
            assert done == [0, 3, 0]
        assert len(ports) == 2
        assert [len(list(tmp_path.glob(f".run{part}/mail/new/*"))) for part in ("", "/2")] == [1, 1]
        for demo in (first, second):
            os.killpg(demo.process.pid, signal.SIGINT)  # as Ctrl-C on a terminal does
            assert demo.process.wait(30) == 0
    assert "Traceback" not in first.said() + second.said()


def test_the_demonstration_again(tmp_path: Path) -> None:
    for mails in (1, 2):
        with _running(tmp_path, "arrowslit.demo") as demo:
            demo.wait_for("Ctrl-C stops it")
            subprocess.run(_commands(demo.said())[0], cwd=tmp_path, env=ENVIRONMENT, check=True)
            assert len(list(tmp_path.glob(".run/mail/new/*"))) == mails
            demo.process.send_signal(signal.SIGTERM)
            assert demo.process.wait(30) == 0
