"""Revisions of the policy and the head, which says which of them is active.

Terms: see `store.values`. A revision never changes; an undo is a new revision with an older one's text. Every change
names the revision that its author saw as active; where another is active by now nothing is changed and
ChangedByOthersError has the head. Changes take the head's row first, so that they come one after the other.

Never judges a text.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Final, Protocol

from sqlalchemy import Connection, Row, Select, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from arrowslit.store.errors import (
    ChangedByOthersError,
    EmptyStoreError,
    NoSuchRevisionError,
    NotPendingError,
)
from arrowslit.store.schema import CONFIRMATIONS, HEAD, REVISIONS
from arrowslit.store.text import plain
from arrowslit.store.values import Head, Pending, Revision


class Transactions(Protocol):
    """What the parts of a store need of it."""

    @property
    def url_shown(self) -> str: ...  # noqa: D102
    def reading(self) -> AbstractContextManager[Connection]: ...  # noqa: D102
    def writing(self) -> AbstractContextManager[Connection]: ...  # noqa: D102


class Revisions:
    """`clock` gives Unix seconds."""

    def __init__(self, store: Transactions, clock: Callable[[], float] = time.time) -> None:
        self._store, self._clock = store, clock

    # --- reading ------------------------------------------------------------------------------------------------

    def head(self) -> Head | None:
        """What is active; None in an empty store."""
        with self._store.reading() as connection:
            return read_head(connection)

    def get(self, number: int) -> Revision | None:
        """A revision, or None where there is none of this number."""
        with self._store.reading() as connection:
            row = connection.execute(_REVISION.where(REVISIONS.c.number == number)).first()
            return None if row is None else Revision(*row)

    def history(self, limit: int = 100, before: int | None = None) -> list[Revision]:
        """Revisions, newest first; those below the number `before` where it is given."""
        wanted = _REVISION.order_by(REVISIONS.c.number.desc()).limit(limit)
        if before is not None:
            wanted = wanted.where(REVISIONS.c.number < before)
        with self._store.reading() as connection:
            return [Revision(*row) for row in connection.execute(wanted)]

    # --- changing -----------------------------------------------------------------------------------------------

    def first(self, text: str, author: str, message: str) -> Head:
        """Make revision 1 of an empty store active. ChangedByOthersError where it is not empty (any more)."""
        now = self._clock()
        with self._store.writing() as connection:
            make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
            row = _row(1, text, "first", author, now, message, None)
            # Of two nodes that start at once, the second waits here for the first one's commit.
            put = make(REVISIONS).values(row).on_conflict_do_nothing().returning(REVISIONS.c.number)
            if connection.scalar(put) is not None:
                head = Head(1, 1, now, None, 1)
                connection.execute(insert(HEAD).values(id=1, **_columns(head)))
                return head
        found = self.head()
        assert found is not None  # noqa: S101  it was committed with revision 1
        raise ChangedByOthersError(f"the store {self._store.url_shown} has a revision already", found)

    def apply(
        self,
        text: str,
        *,
        expected: int,
        kind: str,
        author: str,
        message: str,
        confirm_within: float | None = None,
        connection: str = "",
    ) -> Head:
        """Make a new revision active, in place of revision `expected`.

        With `confirm_within` it is pending for so many seconds, and what it goes back to is the last revision that
        was confirmed, however many are applied over each other.
        """
        now = self._clock()
        with self._store.writing() as database:
            head = self._expect(database, expected)
            pending = None
            if confirm_within is not None:
                back_to = head.revision if head.pending is None else head.pending.back_to
                pending = Pending(confirm_within, now, back_to, plain(author), plain(connection))
            number = _add(database, text, kind, author, now, message, head.revision)
            return write_head(database, replace(head, revision=number, at=now, pending=pending))

    def confirm(self, revision: int, author: str) -> Head:
        """Keep the pending revision. NotPendingError where it is active and not pending."""
        now = self._clock()
        with self._store.writing() as connection:
            head = self._expect_pending(connection, revision)[0]
            connection.execute(insert(CONFIRMATIONS).values(revision=revision, at=now, author=plain(author)))
            return write_head(connection, replace(head, at=now, pending=None))

    def extend(self, revision: int, seconds: float) -> Head:
        """Give the pending revision so many seconds more."""
        with self._store.writing() as connection:
            head, pending = self._expect_pending(connection, revision)
            later = replace(pending, seconds=pending.seconds + seconds)
            return write_head(connection, replace(head, at=self._clock(), pending=later))

    def undo(self, *, expected: int, to: int | None, author: str, message: str, kind: str = "undo") -> Head:
        """Make a new revision with the text of `to` active, confirmed.

        Without `to`: what a pending revision goes back to, else the revision before. After an undo, the revision
        before the one that it went back to: undo twice is two steps back. NoSuchRevisionError where there is none.
        The kind "timer" undoes only what is pending still, else NotPendingError.
        """
        now = self._clock()
        with self._store.writing() as connection:
            head = self._expect(connection, expected)
            if kind == "timer" and head.pending is None:
                raise NotPendingError(f"revision {expected} was confirmed")
            if to is None:
                to = head.pending.back_to if head.pending else _before(connection, head.revision)
            text = None if to is None else connection.scalar(select(REVISIONS.c.text).where(REVISIONS.c.number == to))
            if text is None:
                what = f"no revision {to}" if to else f"no revision before {head.revision}"
                raise NoSuchRevisionError(f"the store {self._store.url_shown} has {what}")
            number = _add(connection, text, kind, author, now, message, head.revision, restores=to)
            return write_head(connection, replace(head, revision=number, at=now, pending=None))

    def next_generation(self, expected_generation: int) -> Head:
        """Count up: contents that a policy names have changed."""
        with self._store.writing() as connection:
            head = expect_generation(self._store, connection, expected_generation)
            return write_head(connection, replace(head, at=self._clock(), generation=head.generation + 1))

    # --- what is expected ---------------------------------------------------------------------------------------

    def _expect(self, connection: Connection, revision: int) -> Head:
        head = locked_head(self._store, connection)
        if head.revision != revision:
            raise ChangedByOthersError(f"revision {head.revision} is active, no longer {revision}", head)
        return head

    def _expect_pending(self, connection: Connection, revision: int) -> tuple[Head, Pending]:
        head = self._expect(connection, revision)
        if head.pending is None:
            raise NotPendingError(f"revision {revision} is active and does not wait to be confirmed")
        return head, head.pending


_REVISION: Final[Select[Any]] = select(
    *(column for column in REVISIONS.c if column.name != "restores"), CONFIRMATIONS.c.author, CONFIRMATIONS.c.at
).outerjoin_from(REVISIONS, CONFIRMATIONS)


def read_head(connection: Connection, lock: bool = False) -> Head | None:
    """The head; with `lock`, nobody changes it until the end of the transaction."""
    wanted = select(HEAD)
    row = connection.execute(wanted.with_for_update() if lock else wanted).first()
    return None if row is None else _head(row)


def locked_head(store: Transactions, connection: Connection) -> Head:
    """The head, which nobody else changes until the end of the transaction. EmptyStoreError where there is none."""
    head = read_head(connection, lock=True)
    if head is None:
        raise EmptyStoreError(f"the store {store.url_shown} has no policy yet: the first start of a node brings it")
    return head


def expect_generation(store: Transactions, connection: Connection, generation: int) -> Head:
    """The locked head. ChangedByOthersError where it is of another generation."""
    head = locked_head(store, connection)
    if head.generation != generation:
        raise ChangedByOthersError(f"generation {head.generation} is active, no longer {generation}", head)
    return head


def _head(row: Row[Any]) -> Head:
    pending = None
    if row.pending_back_to is not None:
        pending = Pending(
            row.pending_seconds, row.pending_since, row.pending_back_to, row.pending_author, row.pending_connection
        )
    return Head(row.revision, row.generation, row.at, pending, row.version)


def _columns(head: Head) -> dict[str, Any]:
    pending = head.pending
    return {
        "revision": head.revision,
        "generation": head.generation,
        "at": head.at,
        "version": head.version,
        "pending_seconds": pending and pending.seconds,
        "pending_since": pending and pending.since,
        "pending_back_to": pending and pending.back_to,
        "pending_author": pending and pending.author,
        "pending_connection": pending and pending.connection,
    }


def write_head(connection: Connection, head: Head) -> Head:
    """Put `head` in place of the one that the transaction has locked; counts its version up."""
    head = replace(head, version=head.version + 1)
    connection.execute(update(HEAD).values(_columns(head)))
    return head


def _row(
    number: int, text: str, kind: str, author: str, at: float, message: str, based_on: int | None
) -> dict[str, Any]:
    return {
        "number": number,
        "text": text,
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "kind": kind,
        "author": plain(author),
        "at": at,
        "message": plain(message),
        "based_on": based_on,
    }


def _add(
    connection: Connection,
    text: str,
    kind: str,
    author: str,
    at: float,
    message: str,
    based_on: int,
    restores: int | None = None,
) -> int:
    """Numbers have no gap; the head's lock keeps them apart."""
    newest = connection.scalar(select(REVISIONS.c.number).order_by(REVISIONS.c.number.desc()).limit(1))
    number = (newest or 0) + 1
    connection.execute(
        insert(REVISIONS).values(restores=restores, **_row(number, text, kind, author, at, message, based_on))
    )
    return number


def _before(connection: Connection, number: int) -> int | None:
    """The revision before `number`, where an undo counts as the one that it went back to."""
    while True:
        row = connection.execute(
            select(REVISIONS.c.restores, REVISIONS.c.based_on).where(REVISIONS.c.number == number)
        ).one()
        if row.restores is None:
            return None if row.based_on is None else int(row.based_on)
        number = row.restores
