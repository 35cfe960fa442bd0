"""What can go wrong with the store, in words for an administrator: what, where, and what to do.

Never holds a password: what is shown is `Database.url_shown`.
"""

from __future__ import annotations

from arrowslit.store.values import Head


class StoreError(Exception):
    """The store could not do what it was asked. Says what, where and what to do."""


class StoreAwayError(StoreError):
    """It can't be reached or can't work now: refused, no answer in time, locked for too long, disk full. May pass."""


class StoreUnusableError(StoreError):
    """It is there and can't be used as it is: no rights, wrong password, read-only, damaged, something else's file."""


class StoreMissingError(StoreUnusableError):
    """There is no store at this place yet."""


class StoreTooNewError(StoreUnusableError):
    """A newer Arrowslit made it."""


class StoreTooOldError(StoreUnusableError):
    """An older Arrowslit made it: `arrowslit store migrate`."""


class ChangedByOthersError(StoreError):
    """Somebody else was faster. `head` is what is active now."""

    def __init__(self, message: str, head: Head) -> None:
        super().__init__(message)
        self.head = head


class NotPendingError(StoreError):
    """Nothing waits to be confirmed."""


class NoSuchRevisionError(StoreError):
    """There is no revision to go to."""


class EmptyStoreError(StoreError):
    """There is no revision yet."""
