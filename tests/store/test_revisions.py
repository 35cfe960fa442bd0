"""Revisions and the head: one change after the other, and nobody overwrites what he has not seen."""

from __future__ import annotations

import hashlib
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from arrowslit.store.database import Database, open_database
from arrowslit.store.errors import ChangedByOthersError, EmptyStoreError, NoSuchRevisionError, NotPendingError
from arrowslit.store.revisions import Revisions
from arrowslit.store.values import Head, Pending


def _apply(database: Database, text: str, expected: int, confirm_within: float | None = None) -> Head:
    return database.revisions.apply(
        text, expected=expected, kind="apply", author="anna", message="why", confirm_within=confirm_within
    )


def _undo(database: Database, expected: int, to: int | None = None) -> str:
    head = database.revisions.undo(expected=expected, to=to, author="anna", message="")
    revision = database.revisions.get(head.revision)
    assert revision is not None
    return revision.text


def test_an_empty_store_gets_a_first_revision_once(database: Database) -> None:
    assert database.revisions.head() is None
    assert database.revisions.get(1) is None
    assert database.revisions.history() == []
    with pytest.raises(EmptyStoreError):
        _apply(database, "two", 1)
    head = database.revisions.first("één\n", "mx1", "the first policy")
    assert head == database.revisions.head()
    assert (head.revision, head.generation, head.pending, head.version) == (1, 1, None, 1)
    revision = database.revisions.get(1)
    assert revision is not None
    assert (revision.text, revision.kind, revision.author, revision.based_on) == ("één\n", "first", "mx1", None)
    assert revision.sha256 == hashlib.sha256("één\n".encode()).hexdigest()
    with pytest.raises(ChangedByOthersError) as caught:
        database.revisions.first("other", "mx2", "")
    assert caught.value.head == head
    assert database.revisions.head() == head


def test_an_apply_on_what_is_no_longer_active_changes_nothing(database: Database) -> None:
    database.revisions.first("one", "mx1", "")
    head = _apply(database, "two", 1)
    with pytest.raises(ChangedByOthersError, match="revision 2 is active, no longer 1") as caught:
        _apply(database, "three", 1)
    assert caught.value.head == head
    assert database.revisions.head() == head
    assert [(each.number, each.text, each.based_on) for each in database.revisions.history()] == [
        (2, "two", 1),
        (1, "one", None),
    ]


def test_history_is_read_in_pages_newest_first(database: Database) -> None:
    database.revisions.first("1", "mx1", "")
    for number in range(2, 8):
        _apply(database, str(number), number - 1)
    assert [each.number for each in database.revisions.history(3)] == [7, 6, 5]
    assert [each.number for each in database.revisions.history(3, before=5)] == [4, 3, 2]


def test_an_apply_over_a_pending_one_goes_back_to_the_last_confirmed(database: Database) -> None:
    revisions = database.revisions = Revisions(database, clock=lambda: 1000.0)
    revisions.first("one", "mx1", "")
    head = revisions.apply(
        "two", expected=1, kind="apply", author="anna", message="", confirm_within=60, connection="ssh 1"
    )
    assert head.pending == Pending(60.0, 1000.0, 1, "anna", "ssh 1")
    head = _apply(database, "three", 2, confirm_within=30)
    assert head.pending == Pending(30.0, 1000.0, 1, "anna", "")
    assert revisions.head() == head
    assert _undo(database, expected=3) == "one"
    assert revisions.head() == Head(4, 1, 1000.0, None, 4)


def test_confirming_keeps_it_and_more_time_is_added(database: Database) -> None:
    database.revisions.first("one", "mx1", "")
    _apply(database, "two", 1, confirm_within=60)
    head = database.revisions.extend(2, 600)
    assert head.pending is not None
    assert (head.pending.seconds, head.pending.back_to) == (660.0, 1)
    with pytest.raises(ChangedByOthersError):
        database.revisions.confirm(1, "anna")
    head = database.revisions.confirm(2, "anna")
    assert head.pending is None
    assert database.revisions.head() == head
    assert [(one.number, one.confirmed_by) for one in database.revisions.history()] == [(2, "anna"), (1, None)]
    with pytest.raises(NotPendingError):
        database.revisions.confirm(2, "anna")
    with pytest.raises(NotPendingError):
        database.revisions.extend(2, 600)
    assert _apply(database, "three", 2, confirm_within=60).pending == Pending(
        60.0, pytest.approx(head.at, abs=60), 2, "anna", ""
    )


def test_undo_goes_back_one_step_each_time(database: Database) -> None:
    database.revisions.first("one", "mx1", "")
    _apply(database, "two", 1)
    _apply(database, "three", 2)
    assert _undo(database, expected=3) == "two"
    assert _undo(database, expected=4) == "one"
    with pytest.raises(NoSuchRevisionError, match="no revision before 5"):
        _undo(database, expected=5)
    _apply(database, "six", 5)
    assert _undo(database, expected=6) == "one"
    assert _undo(database, expected=7, to=3) == "three"
    with pytest.raises(NoSuchRevisionError, match="no revision 99"):
        _undo(database, expected=8, to=99)
    with pytest.raises(ChangedByOthersError):
        _undo(database, expected=7)
    newest = database.revisions.history(1)[0]
    assert (newest.number, newest.kind, newest.based_on) == (8, "undo", 7)


def test_the_timer_undoes_only_what_is_still_active(database: Database) -> None:
    database.revisions.first("one", "mx1", "")
    _apply(database, "two", 1, confirm_within=60)
    _apply(database, "three", 2)
    with pytest.raises(ChangedByOthersError):
        database.revisions.undo(expected=2, to=1, author="the undo timer", message="", kind="timer")
    assert database.revisions.history(1)[0].number == 3


def test_a_generation_is_counted_up_from_the_one_that_was_seen(database: Database) -> None:
    database.revisions.first("one", "mx1", "")
    assert database.revisions.next_generation(1).generation == 2
    with pytest.raises(ChangedByOthersError, match="generation 2") as caught:
        database.revisions.next_generation(1)
    assert caught.value.head.generation == 2
    head = database.revisions.head()
    assert head is not None
    assert (head.revision, head.generation, head.version) == (1, 2, 2)


def test_every_change_counts_the_version(database: Database) -> None:
    versions = [database.revisions.first("one", "mx1", "").version]
    versions.append(_apply(database, "two", 1, confirm_within=9).version)
    versions.append(database.revisions.extend(2, 9).version)
    versions.append(database.revisions.confirm(2, "anna").version)
    versions.append(database.revisions.next_generation(1).version)
    assert versions == [1, 2, 3, 4, 5]


def test_text_that_a_database_refuses_in_an_author_is_kept_readable(database: Database) -> None:
    database.revisions.first("one", "a\0b", "half \ud800")
    revision = database.revisions.get(1)
    assert revision is not None
    assert (revision.author, revision.message) == ("a\ufffdb", "half \ufffd")


# --- several processes ----------------------------------------------------------------------------------------------


def _first_of(location: str, name: str) -> tuple[str, int]:
    database = open_database(location, create=True)
    try:
        return "won", database.revisions.first(name, name, "").version
    except ChangedByOthersError as error:
        return "lost", error.head.version
    finally:
        database.close()


def _applies(location: str, name: str, count: int) -> list[int]:
    """Apply until `count` were ours; the numbers of those."""
    database = open_database(location)
    won = []
    head = database.revisions.head()
    assert head is not None
    while len(won) < count:
        try:
            head = _apply(database, name, head.revision)
            won.append(head.revision)
        except ChangedByOthersError as error:
            head = error.head
    database.close()
    return won


def test_of_nodes_that_start_at_once_one_brings_the_first_revision(location: str) -> None:
    names = [f"mx{number}" for number in range(4)]
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as processes:
        found = list(processes.map(_first_of, [location] * 4, names))
    assert sorted(found) == [("lost", 1), ("lost", 1), ("lost", 1), ("won", 1)]
    database = open_database(location)
    assert [each.text for each in database.revisions.history()] == [names[found.index(("won", 1))]]
    database.close()


def test_no_apply_of_racing_processes_is_lost_or_doubled(location: str) -> None:
    database = open_database(location, create=True)
    database.revisions.first("one", "mx1", "")
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as processes:
        won = list(processes.map(_applies, [location] * 3, "abc", [20] * 3))
    assert sorted(number for numbers in won for number in numbers) == list(range(2, 62))
    for name, numbers in zip("abc", won, strict=True):
        assert {database.revisions.get(number).text for number in numbers} == {name}  # type: ignore[union-attr]
    assert all(each.based_on == each.number - 1 for each in database.revisions.history() if each.number > 1)
    database.close()
