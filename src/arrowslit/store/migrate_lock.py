"""The lock under which tables of a store are made and dropped: one at a time."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

LOCK: Final = 0x4172726F77
"""The number of the advisory lock on PostgreSQL. On SQLite who may write is alone anyway."""


def lock_tables(connection: Connection) -> None:
    """Let nobody else change tables until the end of this transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
