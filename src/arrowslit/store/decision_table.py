"""The table of decisions: one on SQLite in a file for each day, a partition for each day on PostgreSQL.

The first column is the moment (`moment`), so the table lies in the order of time. Every index ends in the moment too
(on SQLite by itself: it is the rowid): what an index finds comes out in order and can be left off at any place.
Addresses are 16 octets, IPv4 as `::ffff:a.b.c.d`. Recipients have their domain first (`recipient_key`), so that those
of one domain lie together.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, SmallInteger, Table, Text, text

VERSION: Final = 1
"""Of the tables in a day's file on SQLite; on PostgreSQL the migrations tell."""

ACTIONS: Final = ("permit", "reject", "defer", "drop")
OTHER_ACTION: Final = len(ACTIONS)
"""What a record of a newer program may have. Actions are stored as small numbers: each index has them."""

COMMON: Final = {"outcome": ("delivered",), "kind": ("decision", "delivery")}
"""Values that nearly all records have: no index has them."""

_TEXT: Final = Text().with_variant(Text(collation="C"), "postgresql")
_MOMENT: Final = BigInteger().with_variant(Integer, "sqlite")


def decision_table(name: str, metadata: MetaData) -> Table:
    """The table under this name."""
    return Table(
        name,
        metadata,
        Column("at", _MOMENT, primary_key=True, autoincrement=False),
        Column("id", _TEXT),
        Column("action", SmallInteger, nullable=False),
        Column("kind", _TEXT),
        Column("stage", _TEXT),
        Column("code", Integer),
        Column("reason", _TEXT),
        Column("rule", _TEXT),
        Column("would_be", _TEXT),
        Column("outcome", _TEXT),
        Column("virtual_server", _TEXT),
        Column("revision", Integer),
        Column("generation", Integer),
        Column("client", LargeBinary),
        Column("recipient", _TEXT),
        Column("repeats", Integer, nullable=False),
        # 1 where there is a `would_be`: few have one, and an index of them must be in the order of time.
        Column("observed", SmallInteger),
        Column("record", _TEXT, nullable=False),
    )


def add_indexes(table: Table) -> None:
    """The indexes of a day's file on SQLite; those of PostgreSQL stand in the migrations and are the same."""
    column = table.c
    Index("decisions_action", column.action)
    for name in ("client", "recipient"):
        Index(f"decisions_{name}", column[name], column.action, sqlite_where=text(f"{name} IS NOT NULL"))
    for name in ("id", "observed", "reason", "rule", "virtual_server"):
        Index(f"decisions_{name}", column[name], sqlite_where=text(f"{name} IS NOT NULL"))
    for name, common in COMMON.items():
        Index(f"decisions_{name}", column[name], sqlite_where=text(" AND ".join(f"{name} <> '{x}'" for x in common)))


def recipient_key(address: str) -> str:
    """`Anna@Example.test` as `example.test@anna`; without a domain as `@postmaster`. At most 320 characters."""
    local, _, domain = address.lower().rpartition("@") if "@" in address else (address.lower(), "", "")
    return f"{domain}@{local}"[:320]
