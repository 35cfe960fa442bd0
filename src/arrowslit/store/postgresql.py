"""PostgreSQL: how connections to it are made.

Parameters of a session are set by statements, since a pooler such as PgBouncer refuses them at the start; for the
same reason nothing is prepared on the server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine

from arrowslit.store.link import Link
from arrowslit.store.location import PostgresqlLocation

if TYPE_CHECKING:
    import psycopg

_STATEMENT_SECONDS: Final = 30.0
"""For one statement. Searches and scans go in steps that take far less."""

_SHORTEST_CONNECT: Final = 2


def open_server(location: PostgresqlLocation, timeout: float) -> Link:
    """A link to a database, which is connected to at the first use. `timeout` is for connecting and for locks."""
    parameters: dict[str, Any] = {
        "connect_timeout": max(_SHORTEST_CONNECT, round(timeout)),
        "application_name": "arrowslit",
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
        **location.parameters,
    }

    def connect() -> psycopg.Connection:
        return _connect(parameters, timeout)

    # Pings cost one way forth and back each; without them the first transaction after a restart of the server fails.
    engine = create_engine(
        "postgresql+psycopg://", creator=connect, pool_size=4, max_overflow=12, pool_timeout=timeout, pool_pre_ping=True
    )
    return Link(engine, location.shown)


def _connect(parameters: dict[str, Any], timeout: float) -> psycopg.Connection:
    import psycopg  # noqa: PLC0415  an extra

    connection = psycopg.connect(**parameters, prepare_threshold=None, autocommit=True)
    try:
        connection.execute(
            f"SET lock_timeout = {round(timeout * 1000)};"
            f"SET statement_timeout = {round(_STATEMENT_SECONDS * 1000)};"
            f"SET idle_in_transaction_session_timeout = {round(2 * _STATEMENT_SECONDS * 1000)};"
            "SET client_encoding = 'UTF8'; SET timezone = 'UTC'; SET default_transaction_isolation = 'read committed'"
        )
        connection.autocommit = False
    except psycopg.Error:
        connection.close()
        raise
    return connection
