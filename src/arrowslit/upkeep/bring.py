"""Brings what the store has as active to the files of this node, from which its workers load it.

Terms: see `documents.local_copy`. While a revision is pending, the one that it would go back to is brought too, with
the same generation: the undo must need no store. The addresses of a network are those pinned in the text and those
that the store has for it, without the excepted ones (`networks`). Never judges a policy, never asks a source.
"""

from __future__ import annotations

from arrowslit.documents.local_copy import LocalCopies, Target
from arrowslit.store.database import Database
from arrowslit.store.errors import StoreError
from arrowslit.store.values import Head
from arrowslit.upkeep.living import contents


class NetworkUnknownError(Exception):
    """A network of the policy has no address, so that it would refuse those whom it should let in."""


def bring(database: Database, copies: LocalCopies, head: Head) -> None:
    """Write the copies that `head` asks for, where they are not there.

    Raises StoreError, OSError and NetworkUnknownError.
    """
    wanted = {head.revision}
    if head.pending is not None:
        wanted.add(head.pending.back_to)
    texts = {number: text_of(database, number) for number in sorted(wanted)}
    missing = [
        number
        for number, text in texts.items()
        if copies.text(number) != text or not copies.has(Target(number, head.generation))
    ]
    if missing:
        states = database.networks.states()
        for number in missing:
            found = contents(texts[number], states)
            empty = [name for name, addresses in found.items() if not len(addresses)]
            if empty:
                raise NetworkUnknownError(f"revision {number}: no address is known of network {', '.join(empty)} yet")
            copies.write(Target(number, head.generation), texts[number], found)
    active = copies.active()
    copies.prune(wanted if active is None else wanted | {active.revision})


def text_of(database: Database, number: int) -> str:
    """The text of a revision. Raises StoreError where there is none."""
    revision = database.revisions.get(number)
    if revision is None:
        raise StoreError(f"{database.url_shown} has no revision {number}, though it names it: restore a backup")
    return revision.text
