"""Brings the tables of a store to the newest version. Two that try at once: one does it, the other finds it done.

Alembic is imported here alone, since it is slow to import and hardly ever needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from arrowslit.store.migrate_lock import lock_tables
from arrowslit.store.schema import VERSION_TABLE

FOLDER: Final = Path(__file__).parent / "migrations"


def migrate(connection: Connection) -> None:
    """Run what is missing, inside the transaction of `connection`, which may write: all of it or nothing."""
    lock_tables(connection)
    script = ScriptDirectory(str(FOLDER))

    def steps(found: Any, _context: MigrationContext) -> list[RevisionStep]:
        return script._upgrade_revs("head", found)

    with EnvironmentContext(Config(), script, fn=steps) as environment:
        environment.configure(connection=connection, version_table=VERSION_TABLE, transactional_ddl=True)
        environment.run_migrations()
