"""Follows the head of the store: what is active is brought to this node and told to its parent.

Terms: see `store.values`. The store is asked once a second. Where it is away everything goes on with what the node
has, and an alarm says so. What the timer of this node undid is told to the store as soon as it answers, and only
where the undone revision is still pending there: somebody may have confirmed it in the last moment.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from arrowslit import __version__
from arrowslit.documents.local_copy import LocalCopies, Target
from arrowslit.gateway.undo_timer import Undo
from arrowslit.store.database import Database
from arrowslit.store.errors import ChangedByOthersError, NotPendingError, StoreError
from arrowslit.store.values import Head, NodeState
from arrowslit.upkeep.bring import NetworkUnknownError, bring
from arrowslit.upkeep.channel import Channel
from arrowslit.upkeep.watch import ExpectationWatch

_TURN: Final = 1.0
_REPORT_SECONDS: Final = 10.0
_TIMER: Final = "the undo timer"


@dataclass(slots=True)
class Taken:
    """What this node has taken up, and why not more."""

    target: Target
    problem: str = ""


class HeadFollower:
    """One node's eye on the store. All methods may be called from one thread at a time."""

    def __init__(
        self,
        node: str,
        database: Database,
        copies: LocalCopies,
        channel: Channel,
        taken: Taken,
        watch: ExpectationWatch,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._node, self._database, self._copies, self._channel = node, database, copies, channel
        self._clock = clock
        self._watch = watch
        self.taken = taken
        self.undone: Undo | None = None
        self.head: Head | None = None
        self._told: Head | None = None
        self._again = False
        self._reported = float("-inf")

    def turn(self) -> float:
        """Look once; seconds until the next time. What is wrong becomes an alarm."""
        try:
            self._look()
        except StoreError as error:
            self._channel.alarm("store-away", str(error))
        except NetworkUnknownError as error:
            self._channel.alarm("network-unknown", str(error))
        except OSError as error:
            self._channel.alarm("copies-not-written", f"{self._copies.folder}: {error.strerror or error}")
        else:
            self._channel.over("store-away")
            self._channel.over("copies-not-written")
            self._channel.over("network-unknown")
        return _TURN

    def again(self) -> None:
        """Tell the parent anew at the next turn."""
        self._again = True

    def report(self) -> None:
        """Let the store know of this node at the next turn."""
        self._reported = float("-inf")

    def _look(self) -> None:
        head = self._database.revisions.head()
        if head is None:
            return  # an empty store gets its first revision from a node that starts
        head = self._undo(head)
        self.head = head
        if head != self._told or self._again:
            bring(self._database, self._copies, head)
            self._watch.follow(head, self._copies.text(head.revision) or "")
            self._channel.active(head, self._clock() if self._told is None else None)
            self._told, self._again = head, False
        if self._clock() - self._reported >= _REPORT_SECONDS or self._clock() < self._reported:
            self._report()

    def _undo(self, head: Head) -> Head:
        undone = self.undone
        if undone is None:
            return head
        if head.pending is not None and head.revision == undone.revision:
            message = f"revision {undone.revision} was not confirmed in time"
            try:
                head = self._database.revisions.undo(
                    expected=undone.revision, to=undone.back_to, author=_TIMER, message=message, kind="timer"
                )
            except ChangedByOthersError as error:
                head = error.head
            except NotPendingError:
                head = self._database.revisions.head() or head
        self.undone = None
        self._channel.told(undone.revision)
        return head

    def _report(self) -> None:
        target = self.taken.target
        now = self._clock()
        state = NodeState(self._node, target.revision, target.generation, __version__, now, self.taken.problem)
        self._database.nodes.report(state)
        self._reported = now
