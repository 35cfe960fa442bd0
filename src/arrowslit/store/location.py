"""Where the store is: the path of an SQLite file, or `postgresql://USER@HOST/NAME`.

A password never stands in a location, which is shown in errors, logs and `ps`. It comes from a password file
(`?passfile=`, PGPASSFILE or ~/.pgpass) or the environment, as libpq reads them. Every other parameter of libpq may
stand in the query part (`sslmode`, `sslrootcert`, `port`, `host` for a socket folder, ...).
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from arrowslit.store.errors import StoreUnusableError

SCHEME: Final = "postgresql://"
_OTHER: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")
_REFUSED: Final = (
    "the location of the store must not hold a password. Write postgresql://USER@HOST/NAME?passfile=FILE, where "
    "FILE has the line HOST:PORT:NAME:USER:PASSWORD and mode 0600, or name that file in PGPASSFILE"
)
_UNREADABLE: Final = "the location of the store can't be read: write postgresql://USER@HOST/NAME, or the path of a file"


@dataclass(frozen=True, slots=True)
class SqliteLocation:
    """A file."""

    path: Path

    @property
    def shown(self) -> str:
        """How errors name it."""
        return str(self.path)


@dataclass(frozen=True, slots=True)
class PostgresqlLocation:
    """A database on a server. `parameters` are those of libpq; there is no password among them."""

    url: str
    parameters: dict[str, str]

    @property
    def shown(self) -> str:
        """How errors name it."""
        return self.url

    def problem_of_passfile(self) -> str:
        """Why libpq passes over the password file, or nothing. Without this it only says that there is no password."""
        name = self.parameters.get("passfile") or os.environ.get("PGPASSFILE")
        if not name:
            return ""
        try:
            mode = Path(name).stat().st_mode
        except OSError as error:
            return f"the password file {name}: {error.strerror}"
        if stat.S_IMODE(mode) & 0o077:
            return f"the password file {name} can be read by others, so it is not used: chmod 600 {name}"
        return ""


def parse_location(location: str | Path) -> SqliteLocation | PostgresqlLocation:
    """Raises StoreUnusableError for what is neither, for a password, and where psycopg is not installed."""
    if isinstance(location, Path) or not _OTHER.match(location):
        if not str(location):
            raise StoreUnusableError(_UNREADABLE)
        return SqliteLocation(Path(location))
    if not location.startswith(SCHEME):
        raise StoreUnusableError(_UNREADABLE)
    try:
        from psycopg import Error  # noqa: PLC0415  an extra, and slow to import
        from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415
    except ImportError as error:
        message = f"PostgreSQL needs psycopg: pip install 'arrowslit[postgresql]' ({error})"
        raise StoreUnusableError(message) from error
    try:
        parameters = {name: str(value) for name, value in conninfo_to_dict(location).items()}
    except Error:
        # What libpq says may repeat a part of the password.
        raise StoreUnusableError(_UNREADABLE) from None
    if "password" in parameters or "sslpassword" in parameters:
        raise StoreUnusableError(_REFUSED)
    return PostgresqlLocation(location, parameters)
