"""The tables that every store has, as they are after all migrations. A test holds both to each other.

Decisions are not among them: see `decision_table`.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Boolean, CheckConstraint, Column, Double, ForeignKey, Index, Integer, MetaData, Table, Text

VERSION_TABLE: Final = "arrowslit_schema"
SCHEMA_VERSION: Final = 2
"""The newest migration in `migrations/versions`."""

METADATA: Final = MetaData()

REVISIONS: Final = Table(
    "revisions",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("message", Text, nullable=False),
    Column("based_on", Integer, ForeignKey("revisions.number")),
    # Which revision an undo went back to: the next undo goes on from there.
    Column("restores", Integer, ForeignKey("revisions.number")),
)

CONFIRMATIONS: Final = Table(
    "confirmations",
    METADATA,
    Column("revision", Integer, ForeignKey("revisions.number"), primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("author", Text, nullable=False),
)

HEAD: Final = Table(
    "head",
    METADATA,
    Column("id", Integer, CheckConstraint("id = 1", name="head_is_one_row"), primary_key=True, autoincrement=False),
    Column("revision", Integer, ForeignKey("revisions.number"), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("at", Double, nullable=False),
    Column("version", Integer, nullable=False),
    Column("pending_seconds", Double),
    Column("pending_since", Double),
    Column("pending_back_to", Integer, ForeignKey("revisions.number")),
    Column("pending_author", Text),
    Column("pending_connection", Text),
)

NETWORKS: Final = Table(
    "networks",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("contents", Text, nullable=False),
    Column("held", Boolean, nullable=False),
    Column("at", Double, nullable=False),
)

NETWORK_CHANGES: Final = Table(
    "network_changes",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("network", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("added", Text, nullable=False),
    Column("removed", Text, nullable=False),
    Column("because", Text, nullable=False),
    Index("network_changes_network", "network", "number"),
)

NODES: Final = Table(
    "nodes",
    METADATA,
    Column("node", Text, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("program", Text, nullable=False),
    Column("seen", Double, nullable=False),
    Column("problem", Text, nullable=False),
)
