"""What the nodes say of themselves: which revision each has taken up, and when it was seen."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

from arrowslit.store.revisions import Transactions
from arrowslit.store.schema import NODES
from arrowslit.store.text import plain
from arrowslit.store.values import NodeState


class Nodes:
    """Every method raises StoreError."""

    def __init__(self, store: Transactions) -> None:
        self._store = store

    def report(self, state: NodeState) -> None:
        """Put this in place of what the node said before."""
        row = {**asdict(state), "problem": plain(state.problem)}
        with self._store.writing() as connection:
            make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
            put = make(NODES).values(row)
            connection.execute(put.on_conflict_do_update(index_elements=["node"], set_=row))

    def list(self) -> list[NodeState]:
        """All nodes that ever reported and were not forgotten, by name."""
        with self._store.reading() as connection:
            return [NodeState(*row) for row in connection.execute(select(NODES).order_by(NODES.c.node))]

    def forget(self, node: str) -> bool:
        """Take a node that is gone off the list; whether it was there."""
        with self._store.writing() as connection:
            return connection.execute(delete(NODES).where(NODES.c.node == node)).rowcount > 0
