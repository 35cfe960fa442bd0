"""One store, on SQLite or PostgreSQL: `open_database`.

Threads may share a Database. Processes each open their own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from sqlalchemy import Connection, column, inspect, select, table

from arrowslit.store.backup import copy_file, finish, folder_for
from arrowslit.store.decisions import Decisions
from arrowslit.store.errors import (
    StoreAwayError,
    StoreError,
    StoreMissingError,
    StoreTooNewError,
    StoreTooOldError,
    StoreUnusableError,
)
from arrowslit.store.location import PostgresqlLocation, SqliteLocation, parse_location
from arrowslit.store.migrate_lock import lock_tables
from arrowslit.store.networks import Networks
from arrowslit.store.nodes import Nodes
from arrowslit.store.postgresql import open_server
from arrowslit.store.postgresql_days import PostgresqlDays
from arrowslit.store.revisions import Revisions
from arrowslit.store.schema import SCHEMA_VERSION, VERSION_TABLE
from arrowslit.store.sqlite import make_file, open_file
from arrowslit.store.sqlite_days import SqliteDays

_VERSION = table(VERSION_TABLE, column("version_num"))


def open_database(
    location: str | Path, *, create: bool = False, timeout: float = 5.0, connect: bool = True
) -> Database:
    """The store at `location` (see `location`); with `create` it is made where there is none.

    `timeout` is how long to wait for a connection or a lock, in seconds. Without `connect` nothing is looked at until
    the first use, which then raises what this raises: for processes that outlive a store's absence. Raises StoreError.
    """
    database = Database(parse_location(location), create, timeout)
    if connect:
        try:
            database.check()
        except StoreError:
            database.close()
            raise
    return database


class Database:
    """Made by `open_database`. Every method raises StoreError."""

    def __init__(self, location: SqliteLocation | PostgresqlLocation, create: bool, timeout: float) -> None:
        self._location, self._create = location, create
        self._days: SqliteDays | PostgresqlDays
        if isinstance(location, SqliteLocation):
            self._link = open_file(location.path, timeout)
            self._days = SqliteDays(location.path.parent / "decisions", timeout, self.check)
        else:
            self._link = open_server(location, timeout)
            self._days = PostgresqlDays(self._link, self.check)
        self._checked = False
        self._checking = threading.Lock()
        self.revisions = Revisions(self)
        self.networks = Networks(self)
        self.nodes = Nodes(self)
        self.decisions = Decisions(self._days)

    @property
    def url_shown(self) -> str:
        """Where it is, as it may be shown: without a password."""
        return self._location.shown

    @property
    def dialect(self) -> str:
        """ "sqlite" or "postgresql"."""
        return self._link.dialect

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all connections."""
        self._days.close()
        self._link.close()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads, for the parts of the store."""
        self.check()
        with self._link.reading() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that may write, for the parts of the store."""
        self.check()
        with self._link.writing() as connection:
            yield connection

    def schema_version(self) -> int:
        """The version of its tables, 0 where there are none."""
        self._there()
        try:
            with self._link.reading() as connection:
                return _version(connection)
        except StoreError as error:
            raise self._explained(error) from error

    def migrate(self) -> int:
        """Bring its tables to the version of this program, and return that. An empty database becomes a store."""
        from arrowslit.store.migrate import migrate  # noqa: PLC0415  slow to import, hardly needed

        self._there()
        with self._link.writing() as connection:
            lock_tables(connection)
            version = _version(connection)
            self._not_newer(version)
            if not version and connection.dialect.name == "sqlite" and inspect(connection).get_table_names():
                raise StoreUnusableError(f"{self.url_shown} is a database of another program. Name another file")
            if version < SCHEMA_VERSION:
                migrate(connection)
        return SCHEMA_VERSION

    def backup(self, path: Path, *, decisions: bool = True) -> list[Path]:
        """Copy a store on SQLite into the new folder `path` while it is in use; the files that are there then.

        Without `decisions` only the policy and what belongs to it. On PostgreSQL StoreError says what to run instead.
        """
        if not isinstance(self._days, SqliteDays):
            raise StoreError(
                f"PostgreSQL makes its own backups: pg_dump --format=custom --file={path}.dump '{self.url_shown}'"
            )
        unfinished = folder_for(path)
        files = [unfinished / Path(self.url_shown).name]
        with self.reading() as connection:
            copy_file(connection, files[0])
        if decisions:
            files += self._days.copy(unfinished / self._days.folder.name)
        finish(unfinished, path, files)
        return [path / file.relative_to(unfinished) for file in files]

    def check(self) -> None:
        """See that it is there and has the tables that this program works with."""
        if self._checked:
            return
        with self._checking:
            version = self.schema_version()
            if not version and self._create:
                version = self.migrate()
            self._not_newer(version)
            if not version:
                raise StoreMissingError(
                    f"there is no store in {self.url_shown} yet: `arrowslit store migrate` makes it"
                )
            if version < SCHEMA_VERSION:
                raise StoreTooOldError(
                    f"the store {self.url_shown} is of an older Arrowslit (its version is {version}, this program's"
                    f" {SCHEMA_VERSION}): back it up, then run `arrowslit store migrate`"
                )
            self._checked = True

    def _not_newer(self, version: int) -> None:
        if version > SCHEMA_VERSION:
            raise StoreTooNewError(
                f"the store {self.url_shown} is of a newer Arrowslit (its version is {version}, this program's"
                f" {SCHEMA_VERSION}): update this program too"
            )

    def _there(self) -> None:
        """A file that is not there is made only where that was asked for: a wrong path must not look empty."""
        if not isinstance(self._location, SqliteLocation) or self._location.path.exists():
            return
        if not self._create:
            raise StoreMissingError(f"there is no store {self.url_shown} yet: the first start of a node makes it")
        make_file(self._location.path)

    def _explained(self, error: StoreError) -> StoreError:
        if isinstance(error, StoreAwayError) or not isinstance(self._location, PostgresqlLocation):
            return error
        problem = self._location.problem_of_passfile()
        return type(error)(f"{error} ({problem})") if problem else error


def _version(connection: Connection) -> int:
    if not inspect(connection).has_table(VERSION_TABLE):
        return 0
    found = connection.scalar(select(_VERSION.c.version_num))
    return int(found or 0)
