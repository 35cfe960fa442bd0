"""SQLite files: made for their owner alone, opened so that processes can share them.

WAL lets readers and one writer work at a time; it needs shared memory, so the file must lie on a local disk. Each
commit is on the disk before it is told (`synchronous = FULL`): what a journal let go of is nowhere else.
"""

from __future__ import annotations

import os
import sqlite3
import time
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import QueuePool
from sqlalchemy.util import LRUCache

from arrowslit.store.errors import StoreUnusableError
from arrowslit.store.link import Link

_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o700
_RETRY_SECONDS: Final = 0.02
_STATEMENTS: Final[LRUCache[Any, Any]] = LRUCache(500)


def make_file(path: Path) -> None:
    """Make an empty file that only its owner can read, and the folders above; an existing one stays as it is."""
    try:
        path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, _MODE))
    except OSError as error:
        raise StoreUnusableError(f"the store {path} can't be made: {error.strerror}") from error


def open_file(path: Path, timeout: float) -> Link:
    """A link to a file, which is opened at the first use and never made. `timeout` is for locks, in seconds."""
    # A path that is not UTF-8 is passed on octet by octet.
    uri = f"file:{quote(os.fsencode(path.absolute()))}?mode=rw"

    def connect() -> Any:
        return _connect(uri, timeout)

    shared = _shared()
    pool = QueuePool(connect, pool_size=4, max_overflow=12, dialect=shared.dialect)
    engine = Engine(pool, shared.dialect, shared.url, execution_options={"compiled_cache": _STATEMENTS})
    return Link(engine, str(path))


@cache
def _shared() -> Engine:
    """The engine that all others take their dialect from: statements are compiled once for all files."""
    engine = create_engine("sqlite://")
    engine.connect().close()
    return engine


def _connect(uri: str, timeout: float) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, timeout=timeout, isolation_level=None, check_same_thread=False)
    try:
        _share(connection, time.monotonic() + timeout)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _share(connection: sqlite3.Connection, until: float) -> None:
    """Turn WAL on where it is not. Two that do so at the same moment: SQLite does not wait here by itself."""
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                raise
            time.sleep(_RETRY_SECONDS)
        else:
            return
