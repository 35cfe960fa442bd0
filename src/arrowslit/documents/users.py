"""Own users for AUTH: the file `users` in the state folder, a line `LOGIN:HASH` each.

Terms: a *login* is what a client gives as authentication identity; it is compared octet by octet in Unicode's form
NFC. A hash is Argon2id in its encoded form (RFC 9106), so the parameters can be raised later. A password is never
kept, shown or taken as an argument. Two writers wait for each other.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from arrowslit.documents.atomic import write_atomically
from arrowslit.documents.files import read_text

if TYPE_CHECKING:
    from argon2 import PasswordHasher

_LOGIN_OCTETS = 255
_PASSWORD_OCTETS = 1024
_FILE_OCTETS = 64 * 1024 * 1024


class UsersError(Exception):
    """A login or password that cannot be one, or a users file that is broken. Speaks to an administrator."""


def normalise_login(text: str) -> str:
    """The login in the form that is stored and compared.

    Raises UsersError for one that the file cannot hold or nobody can type: empty, too long, with a colon or a
    control character, with space around it.
    """
    login = unicodedata.normalize("NFC", text)
    if not login or len(login.encode("utf-8", "replace")) > _LOGIN_OCTETS:
        raise UsersError(f"a login has 1 to {_LOGIN_OCTETS} octets")
    if ":" in login or not login.isprintable() or login != login.strip() or login.startswith("#"):
        raise UsersError("a login has no colon, no control character, no # in front and no space around it")
    return login


def read_users(path: Path) -> dict[str, str]:
    """The hash of each login, in the order of the file; empty where there is no file.

    Raises UsersError with the line for a broken file, OSError where it cannot be read.
    """
    try:
        text = read_text(path, _FILE_OCTETS)
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise UsersError(f"{path}: {error}") from None
    users: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        login, mark, hashed = line.partition(":")
        if not line or line.startswith("#"):
            continue
        if not mark or not hashed.startswith("$argon2id$") or login in users:
            problem = "this login comes twice" if login in users else "not LOGIN:HASH with an Argon2id hash"
            raise UsersError(f"{path}:{number}:1: {problem}")
        users[login] = hashed
    return users


def write_users(path: Path, users: Mapping[str, str]) -> None:
    """Replace the file, mode 0600. Raises OSError."""
    text = "".join(f"{login}:{hashed}\n" for login, hashed in users.items())
    write_atomically(path, text.encode(), 0o600)


@contextlib.contextmanager
def changing(path: Path) -> Iterator[dict[str, str]]:
    """The users, to be changed in the block; written when it ends well. Makes the state folder where it lacks.

    Raises what `read_users` and `write_users` raise.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(path.with_name(f".{path.name}.lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        users = read_users(path)
        before = dict(users)
        yield users
        if users != before:
            write_users(path, users)
    finally:
        os.close(lock)


def hash_password(password: str) -> str:
    """The Argon2id hash. Takes some 50 ms and 64 MiB on purpose. Raises UsersError for an empty or overlong one."""
    if not password or len(password.encode("utf-8", "replace")) > _PASSWORD_OCTETS:
        raise UsersError(f"a password has 1 to {_PASSWORD_OCTETS} octets")
    if "\0" in password or "\n" in password or "\r" in password:
        raise UsersError("a password has no NUL and no line end: AUTH could not carry it")
    return _hasher().hash(password)


def password_fits(users: Mapping[str, str], login: str, password: str) -> bool:
    """True where the password belongs to the login. An unknown login costs as much time as a wrong password.

    Never raises for what a client sends.
    """
    from argon2.exceptions import InvalidHashError, VerificationError  # noqa: PLC0415 - not needed to start

    hashed = users.get(unicodedata.normalize("NFC", login))
    try:
        fits = _hasher().verify(hashed if hashed is not None else _nobodys_hash(), password)
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False
    return fits and hashed is not None


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher  # noqa: PLC0415

    return PasswordHasher()


@cache
def _nobodys_hash() -> str:
    return _hasher().hash("nobody has this password")
