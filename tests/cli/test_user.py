"""`arrowslit user` as it is typed; passwords come from a terminal or from standard input."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from arrowslit.documents import users
from tests.cli.command import REPOSITORY, arrowslit

SETTINGS = '[node]\nname = "mx.example.org"\n[[listeners]]\naddress = "127.0.0.1:2525"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "arrowslit.toml").write_text(SETTINGS)
    return tmp_path


def test_add_list_and_remove(folder: Path) -> None:
    empty = arrowslit("user", "list", cwd=folder)
    assert (empty.code, empty.out) == (0, "")
    assert "arrowslit user add LOGIN" in empty.err
    added = arrowslit("user", "add", "bob", cwd=folder, stdin="correct horse\n")
    assert (added.code, added.out, added.err) == (0, "", "bob: added in state/users\n")
    assert users.password_fits(users.read_users(folder / "state" / "users"), "bob", "correct horse")
    assert arrowslit("user", "list", cwd=folder).out == "bob\n"
    changed = arrowslit("user", "add", "bob", cwd=folder, stdin="other")
    assert changed.err == "bob: password changed in state/users\n"
    assert arrowslit("user", "remove", "bob", "-q", cwd=folder) == type(changed)(0, "", "")
    assert arrowslit("user", "list", "-q", cwd=folder).out == ""


def test_json(folder: Path) -> None:
    assert json.loads(arrowslit("user", "add", "bob", "--json", cwd=folder, stdin="x").out) == {
        "version": 1,
        "login": "bob",
        "added": True,
    }
    assert json.loads(arrowslit("user", "list", "--json", cwd=folder).out) == {
        "version": 1,
        "users": [{"login": "bob"}],
    }
    assert json.loads(arrowslit("user", "remove", "bob", "--json", cwd=folder).out)["removed"] is True


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "says"),
    [
        (("add", "a:b"), "x", 2, "a login has no colon"),
        (("add", "bob"), "", 2, "a password has 1 to"),
        (("add", "bob"), "x" * 5000, 2, "a password has 1 to"),
        (("remove", "bbo"), "", 1, 'did you mean "bob"?'),
        (("add", "bob", "secret"), "", 2, "unexpected extra argument"),
        (("add", "bob", "--password", "x"), "", 2, "No such option"),
    ],
)
def test_what_goes_wrong(folder: Path, arguments: tuple[str, ...], stdin: str, code: int, says: str) -> None:
    arrowslit("user", "add", "bob", cwd=folder, stdin="secret")
    result = arrowslit("user", *arguments, cwd=folder, stdin=stdin)
    assert result.code == code
    assert result.out == ""
    assert says in result.err


def test_without_settings(tmp_path: Path) -> None:
    result = arrowslit("user", "list", cwd=tmp_path)
    assert result.code == 2
    assert "there is no arrowslit.toml here" in result.err


def test_a_broken_users_file(folder: Path) -> None:
    (folder / "state").mkdir()
    (folder / "state" / "users").write_text("bob:plain\n")
    result = arrowslit("user", "list", cwd=folder)
    assert result.code == 2
    assert result.err.startswith("error: state/users:1:1: ")


def test_a_terminal_is_asked_twice_and_shows_nothing(folder: Path) -> None:
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "arrowslit.cli.main", "user", "add", "bob"],
        cwd=folder,
        stdin=child,
        stdout=child,
        stderr=child,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), "TERM": "dumb"},
        start_new_session=True,
    )
    os.close(child)
    shown = _until(parent, b"Password: ")
    os.write(parent, b"correct horse\n")
    shown += _until(parent, b"confirmation: ")
    os.write(parent, b"correct horse\n")
    assert process.wait(30) == 0
    os.close(parent)
    assert b"horse" not in shown
    assert users.password_fits(users.read_users(folder / "state" / "users"), "bob", "correct horse")


def _until(terminal: int, words: bytes) -> bytes:
    shown = b""
    end = time.monotonic() + 30
    while words not in shown:
        assert time.monotonic() < end, shown
        shown += os.read(terminal, 4096)
    return shown
