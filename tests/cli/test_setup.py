"""`arrowslit setup`: by options and by questions, with DNS, and a node that starts with what came out."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.command import arrowslit
from tests.peers import nsd

RECORDS = [
    "example.org. MX 10 mx.gslb.iotsecure.io.",
    "other.test. MX 10 mail.other.test.",
    "none.test. A 192.0.2.1",
    "ended.test. MX 5 mx.ended.test.",
]


def setup(folder: Path, *options: str, domain: str = "example.org") -> object:
    return arrowslit(
        "setup",
        "--domain",
        domain,
        "--mail-server",
        "127.0.0.1:9",
        "--name",
        "mx.example.org",
        "--yes",
        *options,
        cwd=folder,
    )


@pytest.mark.peer("nsd")
def test_the_mx_tells_the_filter(tmp_path: Path) -> None:
    with nsd.authoritative(RECORDS) as server:
        said = setup(tmp_path, "--dns-server", server.at, "--listen", "127.0.0.1:0", "--printer", "192.168.0.40")
        assert said.code == 0, said.err  # type: ignore[attr-defined]
        assert "IoTSecure" in said.err  # type: ignore[attr-defined]
        assert "72 hours" in said.err  # type: ignore[attr-defined]
        text = (tmp_path / "policy.toml").read_text()
        assert 'service = "iotsecure"' in text
        assert 'mode = "observe"' in text
        assert "Some of these" not in text  # documented, and for inbound mail
        again = setup(tmp_path, "--dns-server", server.at)
        assert again.code == 2  # type: ignore[attr-defined]
        assert (tmp_path / "policy.toml").read_text() == text


@pytest.mark.peer("nsd")
@pytest.mark.parametrize("domain", ["other.test", "none.test", "nowhere.test"])
def test_an_mx_that_nobody_knows(tmp_path: Path, domain: str) -> None:
    with nsd.authoritative(RECORDS) as server:
        said = setup(tmp_path, "--dns-server", server.at, domain=domain)
        assert said.code == 1  # type: ignore[attr-defined]
        assert "which the catalogue does not know" in said.err  # type: ignore[attr-defined]
        assert not (tmp_path / "policy.toml").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--filter", "198.51.100.x"), "no address"),
        (("--filter", "198.51.100.0/24", "--printer", "copier"), "no address"),
        (("--filter", "198.51.100.0/24", "--relay-server", "a b"), "no server"),
        (("--filter", "198.51.100.0/24", "--domain", "bad domain"), "no domain"),
        (("--filter", "198.51.100.0/24", "--branch", "not/valid"), "not right"),
    ],
)
def test_answers_that_are_not_right_write_nothing(tmp_path: Path, options: tuple[str, ...], says: str) -> None:
    said = setup(tmp_path, *options)
    assert said.code == 2  # type: ignore[attr-defined]
    assert says in said.err  # type: ignore[attr-defined]
    assert list(tmp_path.iterdir()) == []


def test_a_node_starts_with_it(tmp_path: Path) -> None:
    said = setup(tmp_path, "--filter", "iotsecure", "--listen", "127.0.0.1:0", "--office", "127.0.0.0/8")
    assert said.code == 0, said.err  # type: ignore[attr-defined]
    with (tmp_path / "stderr").open("wb") as errors:
        argv = [sys.executable, "-m", "arrowslit.cli.main", "serve", "-c", str(tmp_path / "arrowslit.toml")]
        node = subprocess.Popen(argv, stderr=errors, stdout=errors)
    try:
        end = time.monotonic() + 20
        while "listening on" not in (tmp_path / "stderr").read_text():
            assert node.poll() is None, (tmp_path / "stderr").read_text()
            assert time.monotonic() < end
            time.sleep(0.05)
        found = arrowslit("network", "list", cwd=tmp_path)
        assert "filter            2 ranges" in found.out
        assert arrowslit("policy", "history", cwd=tmp_path).out.count("first") == 2  # kind, and its message
    finally:
        node.terminate()
        node.wait(20)


def test_questions_on_a_terminal(tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    argv = [
        sys.executable,
        "-m",
        "arrowslit.cli.main",
        "setup",
        "--filter",
        "198.51.100.0/24",
        "--name",
        "mx.example.org",
    ]
    process = subprocess.Popen(argv, stdin=follower, stdout=follower, stderr=follower, cwd=tmp_path)
    os.close(follower)
    said = b""
    for number, answer in enumerate(
        (b"example.org example.net", b"192.168.0.5", b"192.168.0.0/24", b"192.168.0.40", b"")
    ):
        while said.count(b"?: ") <= number:
            said += os.read(leader, 1000)
        os.write(leader, answer + b"\n")
    with suppress(OSError):  # the end of a terminal
        while True:
            said += os.read(leader, 1000)
    os.close(leader)
    assert process.wait(10) == 0, said
    text = (tmp_path / "policy.toml").read_text()
    assert '[accepted_domains."example.net"]' in text
    assert 'computer = "192.168.0.40"' in text
    assert b"they only watch" in said
