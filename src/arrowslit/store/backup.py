"""A backup of a store on SQLite while it is in use: a folder with the same files, each whole at one moment.

SQLite's own copying reads the file in one transaction, which keeps no writer waiting. The folder gets its name when
all is in it and on the disk, so a folder of that name is a whole backup. To restore one, stop the nodes and put the
files in place of the store's. PostgreSQL has pg_dump.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from arrowslit.store.errors import StoreError, StoreUnusableError
from arrowslit.store.sqlite import make_file


def folder_for(path: Path) -> Path:
    """Make the folder that becomes `path`. Raises StoreUnusableError where `path` is taken or can't be made."""
    if path.exists():
        raise StoreUnusableError(f"{path} is there already: name a folder that is not")
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise StoreUnusableError(f"the backup {path} can't be made: {error.strerror}") from error
    return unfinished


def copy_file(connection: Connection, to: Path) -> None:
    """Copy the database of `connection` to the new file `to`. Raises StoreError."""
    make_file(to)
    source: Any = connection.connection.driver_connection
    try:
        target = sqlite3.connect(to, isolation_level=None)
        try:
            source.backup(target)
        finally:
            target.close()
    except sqlite3.Error as error:
        raise StoreError(f"the backup {to} could not be written: {error}") from error


def finish(unfinished: Path, path: Path, files: Iterable[Path]) -> None:
    """See that all is on the disk, and give the folder its name. Raises StoreError."""
    try:
        for file in (*files, unfinished):
            fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        unfinished.rename(path)
    except OSError as error:
        raise StoreError(f"the backup {path} could not be finished: {error.strerror}") from error
