"""Turns what a database driver says into a StoreError with words for an administrator.

Never passes on a statement or its values: they may hold a whole policy or a stranger's bytes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import exc

from arrowslit.store.errors import StoreAwayError, StoreError, StoreUnusableError

_LONGEST: Final = 300

_SQLITE: Final[dict[int, tuple[type[StoreError], str]]] = {
    sqlite3.SQLITE_BUSY: (StoreAwayError, "is locked by another process for too long; try again"),
    sqlite3.SQLITE_LOCKED: (StoreAwayError, "is locked for too long; try again"),
    sqlite3.SQLITE_FULL: (StoreAwayError, "can't grow: the disk is full. Free some space"),
    sqlite3.SQLITE_IOERR: (StoreAwayError, "can't be read or written: {said}. Look at the disk and the system's log"),
    sqlite3.SQLITE_NOMEM: (StoreAwayError, "can't work: there is no memory left"),
    sqlite3.SQLITE_READONLY: (StoreUnusableError, "is read-only: it, its folder and the files beside it must be"
                              " writable for the account that Arrowslit runs as"),
    sqlite3.SQLITE_CANTOPEN: (StoreUnusableError, "can't be opened: its folder must exist, and both must be readable"
                              " and writable for the account that Arrowslit runs as"),
    sqlite3.SQLITE_PERM: (StoreUnusableError, "can't be opened: no right to"),
    sqlite3.SQLITE_AUTH: (StoreUnusableError, "can't be opened: no right to"),
    sqlite3.SQLITE_NOTADB: (StoreUnusableError, "is not a database of Arrowslit. Name another file as the store"),
    sqlite3.SQLITE_CORRUPT: (StoreUnusableError, "is damaged: restore a backup of it"),
}  # fmt: skip

_AWAY_STATES: Final = {
    "53100": "can't grow: its disk is full. Free some space",
    "53200": "has no memory left",
    "53300": "takes no more connections: raise max_connections, or close some",
    "55P03": "is locked by somebody else for too long; try again",
    "57014": "did not answer in time; try again",
    "57P01": "is being shut down",
    "57P02": "has crashed and starts again",
    "57P03": "is starting or stopping",
    "40001": "was too busy; try again",
    "40P01": "was too busy; try again",
}
"""SQLSTATE (PostgreSQL manual, appendix A) to words."""

_UNUSABLE_STATES: Final = {
    "25006": "is read-only: it is a standby, or default_transaction_read_only is set",
    "42501": "gives this role no right to do that: {said}. Make the role the owner of the database",
    "42P01": "lacks a table: {said}. Restore a backup of it",
    "28P01": "refuses the password",
    "28000": "refuses this role: {said}",
    "3D000": "is not there: createdb makes it",
}

_AT_THE_DOOR: Final = (
    ("no password supplied", StoreUnusableError, "wants a password: name a file with it as ?passfile="),
    ("password authentication failed", StoreUnusableError, "refuses the password"),
    ("does not exist", StoreUnusableError, "can't be used: {said}"),
    ("no pg_hba.conf entry", StoreUnusableError, "refuses this role from here: {said}"),
    ("authentication failed", StoreUnusableError, "refuses this role: {said}"),
    ("is not permitted to log in", StoreUnusableError, "refuses this role: {said}"),
    ("permission denied for database", StoreUnusableError, "refuses this role: {said}"),
    ("certificate", StoreUnusableError, "is not trusted: {said}"),
)
"""libpq tells why a connection failed in words only."""


@contextmanager
def told(shown: str) -> Iterator[None]:
    """Inside, an error of the driver becomes a StoreError that names the store as `shown`."""
    try:
        yield
    except exc.SQLAlchemyError as error:
        raise translated(shown, error) from error


def translated(shown: str, error: exc.SQLAlchemyError) -> StoreError:
    """The StoreError for an error of SQLAlchemy."""
    origin = getattr(error, "orig", None)
    if isinstance(error, exc.TimeoutError):
        return StoreAwayError(f"{shown} has no connection free; try again")
    if isinstance(origin, sqlite3.Error):
        kind, words = _of_sqlite(origin)
    elif isinstance(origin, BaseException):
        kind, words = _of_postgresql(origin)
    else:
        kind, words = StoreError, f"could not be used: {_said(error)}"
    return kind(f"the store {shown} {words}")


def _of_sqlite(origin: sqlite3.Error) -> tuple[type[StoreError], str]:
    code = getattr(origin, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    found = _SQLITE.get(code & 0xFF)  # the octet above tells more of the same kind
    if found is None:
        return StoreError, f"could not do that: {_said(origin)}"
    return found[0], found[1].format(said=_said(origin))


def _of_postgresql(origin: BaseException) -> tuple[type[StoreError], str]:
    state, said = getattr(origin, "sqlstate", None), _said(origin)
    if state in _AWAY_STATES:
        return StoreAwayError, _AWAY_STATES[state]
    if state in _UNUSABLE_STATES:
        return StoreUnusableError, _UNUSABLE_STATES[state].format(said=said)
    if state is None or state.startswith("08"):
        for part, kind, words in _AT_THE_DOOR:
            if part in said:
                return kind, words.format(said=said)
        return StoreAwayError, f"does not answer: {said}"
    return StoreError, f"could not do that: {said}"


def _said(error: BaseException) -> str:
    """The first line of what the driver says: PostgreSQL's further lines repeat statement and values."""
    text = str(error).strip() or type(error).__name__
    first = text.splitlines()[0]
    return first.encode("ascii", "backslashreplace").decode("ascii")[:_LONGEST]
