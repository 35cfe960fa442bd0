"""Own users: the file, its form, and passwords."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from arrowslit.documents import users


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "users"


def _add(path: Path, login: str, password: str) -> None:
    with users.changing(path) as known:
        known[login] = users.hash_password(password)


def test_a_password_fits_its_own_login_only(path: Path) -> None:
    _add(path, "bob", "correct horse")
    _add(path, "ann", "battery staple")
    known = users.read_users(path)
    assert users.password_fits(known, "bob", "correct horse")
    assert not users.password_fits(known, "bob", "battery staple")
    assert not users.password_fits(known, "bob", "")
    assert not users.password_fits(known, "eve", "correct horse")
    assert not users.password_fits(known, "bob", "\udc80")


def test_a_login_is_compared_in_its_composed_form(path: Path) -> None:
    _add(path, users.normalise_login("jose\u0301"), "secret")
    assert users.password_fits(users.read_users(path), "jos\u00e9", "secret")


def test_the_file_is_private_and_holds_argon2id(path: Path) -> None:
    old = os.umask(0)
    try:
        _add(path, "bob", "secret")
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.read_text().startswith("bob:$argon2id$v=19$")
    assert "secret" not in path.read_text()


def test_no_file_is_no_users(path: Path) -> None:
    assert users.read_users(path) == {}


def test_nothing_is_left_of_a_change_that_failed(path: Path) -> None:
    _add(path, "bob", "secret")
    before = path.read_bytes()
    with pytest.raises(RuntimeError), users.changing(path) as known:
        known.clear()
        raise RuntimeError
    assert path.read_bytes() == before
    assert sorted(file.name for file in path.parent.iterdir()) == [".users.lock", "users"]


@pytest.mark.parametrize("login", ["", "a:b", "a\nb", " a", "a ", "#a", "\x00", "x" * 256])
def test_what_is_no_login(login: str) -> None:
    with pytest.raises(users.UsersError):
        users.normalise_login(login)


@pytest.mark.parametrize("password", ["", "a\nb", "a\0b", "x" * 1025])
def test_what_is_no_password(password: str) -> None:
    with pytest.raises(users.UsersError):
        users.hash_password(password)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("bob\n", ":1:1: not LOGIN:HASH"),
        ("# list\n\nbob:plain\n", ":3:1: not LOGIN:HASH"),
        ("bob:$argon2id$x\nbob:$argon2id$y\n", ":2:1: this login comes twice"),
    ],
)
def test_a_broken_file_is_told_with_its_line(path: Path, text: str, says: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(users.UsersError, match=says):
        users.read_users(path)


def test_a_broken_hash_fits_nothing() -> None:
    assert not users.password_fits({"bob": "$argon2id$broken"}, "bob", "secret")


def test_two_writers_wait_for_each_other(path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from arrowslit.documents import users\n"
        "with users.changing(Path(sys.argv[1])) as known: time.sleep(0.05); known[sys.argv[2]] = '$argon2id$x'\n"
    )
    started = [subprocess.Popen([sys.executable, "-c", code, str(path), f"user{number}"]) for number in range(6)]
    assert [process.wait(30) for process in started] == [0] * 6
    assert sorted(users.read_users(path)) == [f"user{number}" for number in range(6)]
