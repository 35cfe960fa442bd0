"""What the store has for each network, and what happened to it.

Terms: see `store.values`. A write names the generation that it was worked out from, so that of two nodes that refresh
at the same moment one wins. Never asks a source and never judges contents.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from arrowslit.store.revisions import Transactions, expect_generation, write_head
from arrowslit.store.schema import NETWORK_CHANGES, NETWORKS
from arrowslit.store.text import plain
from arrowslit.store.values import Head, NetworkChange, NetworkState

KEPT_CHANGES: Final = 10_000
"""Older ones are let go of."""


class Networks:
    """Every method raises StoreError."""

    def __init__(self, store: Transactions) -> None:
        self._store = store

    def states(self) -> dict[str, NetworkState]:
        """The state of each network, by its name."""
        with self._store.reading() as connection:
            return {row.name: NetworkState(*row) for row in connection.execute(select(NETWORKS))}

    def write(
        self,
        states: Iterable[NetworkState],
        changes: Sequence[NetworkChange],
        *,
        expected_generation: int,
        bump: bool = True,
        forget: Iterable[str] = (),
    ) -> Head:
        """Put `states` in place of what is there, let go of networks in `forget`, and add `changes`: all or nothing.

        `bump`: addresses have changed, so the generation counts up. ChangedByOthersError where the generation is
        not the expected one any more.
        """
        with self._store.writing() as connection:
            head = expect_generation(self._store, connection, expected_generation)
            for state in states:
                _put(connection, state)
            if names := list(forget):
                connection.execute(delete(NETWORKS).where(NETWORKS.c.name.in_(names)))
            if changes:
                connection.execute(insert(NETWORK_CHANGES), [_columns(change) for change in changes])
                _let_go(connection)
            return write_head(connection, replace(head, generation=head.generation + 1)) if bump else head

    def changes(self, network: str | None = None, limit: int = 100) -> list[NetworkChange]:
        """What happened to all networks, or to one; newest first."""
        wanted = select(NETWORK_CHANGES).order_by(NETWORK_CHANGES.c.number.desc()).limit(limit)
        if network is not None:
            wanted = wanted.where(NETWORK_CHANGES.c.network == network)
        with self._store.reading() as connection:
            return [_change(row) for row in connection.execute(wanted)]


def _put(connection: Connection, state: NetworkState) -> None:
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    row = {**asdict(state), "contents": plain(state.contents)}
    put = make(NETWORKS).values(row)
    connection.execute(put.on_conflict_do_update(index_elements=["name"], set_=row))


def _columns(change: NetworkChange) -> dict[str, Any]:
    row = asdict(change)
    row |= {"added": json.dumps(change.added), "removed": json.dumps(change.removed), "because": plain(change.because)}
    return row


def _change(row: Row[Any]) -> NetworkChange:
    added, removed = tuple(json.loads(row.added)), tuple(json.loads(row.removed))
    return NetworkChange(row.network, row.at, row.generation, row.kind, added, removed, row.because)


def _let_go(connection: Connection) -> None:
    number = NETWORK_CHANGES.c.number
    newest = connection.scalar(select(func.max(number)))
    connection.execute(delete(NETWORK_CHANGES).where(number <= (newest or 0) - KEPT_CHANGES))
