"""What a node starts with: the active revision, brought from the store, or the best that is there without it.

The order (gateway-behaviour 6): the store's active revision; where the store does not answer, the last copy on this
node, whatever its age; where there is none, a policy that defers everybody. An empty store gets its first revision. A
revision whose time to be confirmed has run out while the node was down is not started with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from arrowslit.documents.local_copy import LocalCopies, Target
from arrowslit.documents.settings import Settings
from arrowslit.gateway.undo_timer import Undo, UndoTimer
from arrowslit.store.database import Database, open_database
from arrowslit.store.errors import ChangedByOthersError, StoreAwayError, StoreError
from arrowslit.store.values import Head
from arrowslit.upkeep.bring import NetworkUnknownError, bring
from arrowslit.upkeep.living import first_look

NOBODY: Final = Target(0, 0)
"""The revision and generation of the policy that defers everybody: no store has them."""


@dataclass(frozen=True, slots=True)
class Found:
    """What to start with; `problem` says why it is not the store's active revision, empty where it is."""

    target: Target
    problem: str = ""


def bring_active(settings: Settings, first_text: Callable[[], str], base: Path) -> Found:
    """Bring the copy that the node starts with. `first_text` gives the first revision of an empty store.

    Raises what `first_text` raises, StoreError for a store that answers but can't be used where there is no copy
    either, and OSError where the state folder can't be written.
    """
    copies = LocalCopies(settings.node.state)
    timer = UndoTimer(settings.node.state)
    if "://" not in settings.store and not Path(settings.store).exists():
        first_text()  # before anything is made: files that are not right leave nothing behind
    try:
        database = open_database(settings.store, create=True)
        try:
            head = _head(database, first_text, settings, base)
            bring(database, copies, head)
        finally:
            database.close()
    except (StoreError, NetworkUnknownError) as error:
        return _without(copies, timer, settings, error)
    pending = None if head.pending is None else Undo(head.revision, head.pending.back_to)
    return Found(_undone(copies, timer, pending) or Target(head.revision, head.generation))


def _head(database: Database, first_text: Callable[[], str], settings: Settings, base: Path) -> Head:
    head = database.revisions.head()
    if head is None:
        text = first_text()
        try:
            head = database.revisions.first(text, author=settings.node.name, message="the first policy")
        except ChangedByOthersError as error:
            head = error.head
    return first_look(database, head, settings.dns.servers, base)


def _undone(copies: LocalCopies, timer: UndoTimer, pending: Undo | None) -> Target | None:
    """Where a pending revision is over for this node: the copy of the one before it."""
    if pending is None:
        return None
    due, undone = timer.due(), timer.undone()
    if undone is not None and undone.revision == pending.revision:
        return copies.newest(undone.back_to)
    if due is None or due.revision != pending.revision:
        return None
    target = copies.newest(due.back_to)
    if target is not None:
        timer.fired(due)
    return target


def _without(copies: LocalCopies, timer: UndoTimer, settings: Settings, error: Exception) -> Found:
    active = copies.active()
    if active is not None:
        due = timer.due()
        pending = due if due is not None and due.revision == active.revision else None
        problem = f"{error}; the last copy of revision {active.revision} is used"
        return Found(_undone(copies, timer, pending) or active.target, problem)
    if not isinstance(error, StoreAwayError | NetworkUnknownError):
        raise error
    servers = {listener.virtual_server for listener in settings.listeners}
    copies.write(NOBODY, deferring(servers), {})
    return Found(NOBODY, f"{error}; there is no copy of a policy here, so everybody is deferred")


def deferring(virtual_servers: set[str]) -> str:
    """A policy that tells everybody to come again later."""
    tables = [f'[virtual_servers."{name}"]\nmode = "defer"\n' for name in sorted(virtual_servers)]
    return "version = 1\n" + "".join(tables)
