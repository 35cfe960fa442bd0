"""A pool of connections to one database, and transactions on it.

Threads may share a link; processes may not. Every error of the driver leaves as a StoreError.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Engine, event

from arrowslit.store.faults import told

_BEGIN: Final = "begin"
"""The execution option that holds the statement which begins a transaction."""


class Link:
    """`shown` names the database in errors; it holds no password."""

    def __init__(self, engine: Engine, shown: str) -> None:
        self.engine, self.shown = engine, shown
        self._writing: Engine = engine
        if engine.dialect.name == "sqlite":
            event.listen(engine, "begin", _begin)
            self._writing = engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})

    @property
    def dialect(self) -> str:
        """ "sqlite" or "postgresql"."""
        return self.engine.dialect.name

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads."""
        with told(self.shown), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that may write. On SQLite it has the right to write from the start: a later wish for it
        fails at once where somebody else has written since.
        """
        with told(self.shown), self._writing.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections that are not in use."""
        self.engine.dispose()


def _begin(connection: Connection) -> None:
    options: Any = connection.get_execution_options()
    connection.exec_driver_sql(options.get(_BEGIN, "BEGIN"))
