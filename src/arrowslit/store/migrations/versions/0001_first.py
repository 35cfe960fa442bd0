"""Revisions, the head, networks, nodes; on PostgreSQL also decisions, in a partition a day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

DECISIONS = (
    """
    CREATE TABLE decisions (
        at bigint PRIMARY KEY,
        id text COLLATE "C",
        action smallint NOT NULL,
        kind text COLLATE "C",
        stage text COLLATE "C",
        code integer,
        reason text COLLATE "C",
        rule text COLLATE "C",
        would_be text COLLATE "C",
        outcome text COLLATE "C",
        virtual_server text COLLATE "C",
        revision integer,
        generation integer,
        client bytea,
        recipient text COLLATE "C",
        repeats integer NOT NULL,
        observed smallint,
        record text COLLATE "C" NOT NULL
    ) PARTITION BY RANGE (at)
    """,
    "CREATE INDEX decisions_client ON decisions (client, action, at) WHERE client IS NOT NULL",
    "CREATE INDEX decisions_recipient ON decisions (recipient, action, at) WHERE recipient IS NOT NULL",
    "CREATE INDEX decisions_action ON decisions (action, at)",
    "CREATE INDEX decisions_reason ON decisions (reason, at) WHERE reason IS NOT NULL",
    "CREATE INDEX decisions_outcome ON decisions (outcome, at) WHERE outcome <> 'delivered'",
    "CREATE INDEX decisions_observed ON decisions (observed, at) WHERE observed IS NOT NULL",
    "CREATE INDEX decisions_rule ON decisions (rule, at) WHERE rule IS NOT NULL",
    "CREATE INDEX decisions_virtual_server ON decisions (virtual_server, at) WHERE virtual_server IS NOT NULL",
    "CREATE INDEX decisions_kind ON decisions (kind, at) WHERE kind <> 'decision' AND kind <> 'delivery'",
    "CREATE INDEX decisions_id ON decisions (id, at) WHERE id IS NOT NULL",
    """
    CREATE TABLE decision_journal (
        day integer NOT NULL, segment text COLLATE "C" NOT NULL, position bigint NOT NULL, PRIMARY KEY (day, segment)
    )
    """,
    "CREATE SEQUENCE decision_numbers MINVALUE 0 MAXVALUE 2097151 CYCLE",
)


def upgrade() -> None:
    """Make the tables."""
    if op.get_bind().dialect.name == "postgresql":
        for statement in DECISIONS:
            op.execute(statement)
    op.create_table(
        "revisions",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("based_on", sa.Integer, sa.ForeignKey("revisions.number")),
        sa.Column("restores", sa.Integer, sa.ForeignKey("revisions.number")),
    )
    op.create_table(
        "head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("revision", sa.Integer, sa.ForeignKey("revisions.number"), nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("pending_seconds", sa.Double),
        sa.Column("pending_since", sa.Double),
        sa.Column("pending_back_to", sa.Integer, sa.ForeignKey("revisions.number")),
        sa.Column("pending_author", sa.Text),
        sa.Column("pending_connection", sa.Text),
        sa.CheckConstraint("id = 1", name="head_is_one_row"),
    )
    op.create_table(
        "networks",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("contents", sa.Text, nullable=False),
        sa.Column("held", sa.Boolean, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )
    op.create_table(
        "network_changes",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("network", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("added", sa.Text, nullable=False),
        sa.Column("removed", sa.Text, nullable=False),
        sa.Column("because", sa.Text, nullable=False),
    )
    op.create_index("network_changes_network", "network_changes", ["network", "number"])
    op.create_table(
        "nodes",
        sa.Column("node", sa.Text, primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("program", sa.Text, nullable=False),
        sa.Column("seen", sa.Double, nullable=False),
        sa.Column("problem", sa.Text, nullable=False),
    )
