"""The store: revisions of the policy, which of them is active, decisions, contents of networks, nodes.

One database for all nodes: SQLite in the state folder, or PostgreSQL. SQLAlchemy Core and Alembic; no ORM. Takes and
gives plain values. Never on the path of a message: workers do not import it, and commands import it late.
"""
