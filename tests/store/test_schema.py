"""What the migrations make is what the program works with."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, inspect

from arrowslit.store.database import Database
from arrowslit.store.decision_table import add_indexes, decision_table
from arrowslit.store.migrate import FOLDER
from arrowslit.store.schema import METADATA, SCHEMA_VERSION, VERSION_TABLE

OF_DECISIONS = {"decisions", "decision_journal", VERSION_TABLE}


def test_the_newest_migration_is_the_version_of_the_program() -> None:
    assert int(ScriptDirectory(str(FOLDER)).get_current_head() or 0) == SCHEMA_VERSION


def test_migrations_make_the_tables_of_the_program(database: Database) -> None:
    def ours(thing: object, name: str | None, kind: str, reflected: bool, compared: object) -> bool:
        return kind != "table" or name not in OF_DECISIONS

    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": ours, "compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_decisions_have_the_same_columns_and_indexes_everywhere(database: Database) -> None:
    expected = decision_table("decisions", MetaData())
    add_indexes(expected)
    with database.decisions._days.writing(20_000) as (connection, table):
        seen = inspect(connection)
        assert [column["name"] for column in seen.get_columns(table.name)] == list(expected.c.keys())
        nullable = [column["name"] for column in seen.get_columns(table.name) if column["nullable"]]
        assert nullable == [column.name for column in expected.c if column.nullable]
        # On SQLite the moment is the rowid, which each index has at its end.
        behind = [] if database.dialect == "sqlite" else ["at"]
        assert sorted(index["column_names"] for index in seen.get_indexes(table.name)) == sorted(
            [*index.columns.keys(), *behind] for index in expected.indexes
        )


def test_a_store_that_is_up_to_date_is_left_alone(database: Database) -> None:
    database.revisions.first("one", "mx1", "")
    assert database.migrate() == SCHEMA_VERSION
    assert database.schema_version() == SCHEMA_VERSION
    assert database.revisions.head() is not None


def test_a_store_of_the_first_version_keeps_what_is_in_it(database: Database) -> None:
    database.revisions.first("one", "mx1", "")
    with database.writing() as connection:
        connection.exec_driver_sql("DROP TABLE confirmations")
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '0001'")
    assert database.schema_version() == 1
    assert database.migrate() == SCHEMA_VERSION
    (revision,) = database.revisions.history()
    assert (revision.text, revision.confirmed_by) == ("one", None)
