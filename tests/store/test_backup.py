"""A backup is whole at one moment though the store is in use, and can be put in its place."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from arrowslit.observe.record import Record
from arrowslit.store.database import Database, open_database
from arrowslit.store.errors import StoreError, StoreUnusableError
from tests.peers.postgresql import Postgresql
from tests.store.records import DAY, NOON, lines


@pytest.fixture
def store(tmp_path: Path) -> Database:
    (tmp_path / "state").mkdir()
    return open_database(tmp_path / "state" / "store.sqlite", create=True)


def _ids(database: Database) -> list[str]:
    return [str(record["id"]) for record in database.decisions.scan()]


def test_a_backup_of_a_store_in_use_opens_as_a_store(store: Database, tmp_path: Path) -> None:
    store.revisions.first("one", "mx1", "")
    batch = lines(Record(id=str(number), time=NOON + number * DAY / 100) for number in range(200))
    store.decisions.take(batch[:100])
    stop = threading.Event()

    def change() -> None:
        generation = 1
        for start in range(100, 200, 10):
            store.decisions.take(batch[start : start + 10])
            generation = store.revisions.next_generation(generation).generation
            if stop.is_set():
                return

    changing = threading.Thread(target=change)
    changing.start()
    files = store.backup(tmp_path / "backup")
    stop.set()
    changing.join()
    assert files[0] == tmp_path / "backup" / "store.sqlite"
    assert {path for path in (tmp_path / "backup").rglob("*") if path.is_file()} == set(files)
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    copy = open_database(files[0])
    head = copy.revisions.head()
    assert head is not None
    assert head.version == head.generation
    assert _ids(copy)[:100] == [str(number) for number in range(100)]
    copy.decisions.take(batch)
    assert _ids(copy) == [str(number) for number in range(200)]
    copy.close()
    store.close()


def test_restoring_is_putting_the_files_in_place(store: Database, tmp_path: Path) -> None:
    store.revisions.first("one", "mx1", "")
    store.decisions.take(lines([Record(id="1", time=NOON)]))
    store.backup(tmp_path / "backup")
    store.revisions.apply("two", expected=1, kind="apply", author="", message="")
    store.close()
    shutil.rmtree(tmp_path / "state")
    shutil.copytree(tmp_path / "backup", tmp_path / "state")
    restored = open_database(tmp_path / "state" / "store.sqlite")
    assert [revision.text for revision in restored.revisions.history()] == ["one"]
    assert _ids(restored) == ["1"]
    restored.close()


def test_a_backup_overwrites_nothing_and_one_that_failed_leaves_no_folder_of_its_name(
    store: Database, tmp_path: Path
) -> None:
    target = tmp_path / "backup"
    store.decisions.take(lines([Record(id="1", time=NOON)]))
    assert [path.name for path in store.backup(target, decisions=False)] == ["store.sqlite"]
    with pytest.raises(StoreUnusableError, match="is there already"):
        store.backup(target)
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnusableError, match="can't be made"):
        store.backup(tmp_path / "file" / "backup")
    day = next((tmp_path / "state" / "decisions").glob("*.sqlite"))
    store.close()
    day.write_bytes(b"damaged" * 1000)
    other = open_database(tmp_path / "state" / "store.sqlite")
    with pytest.raises(StoreError, match=day.name):
        other.backup(tmp_path / "second")
    assert not (tmp_path / "second").exists()
    other.close()


@pytest.mark.peer("postgresql")
def test_on_postgresql_it_says_the_command_that_does_it(server: Postgresql, tmp_path: Path) -> None:
    location = server.create("backup")
    database = open_database(location, create=True)
    with pytest.raises(StoreError, match="pg_dump --format=custom") as caught:
        database.backup(tmp_path / "backup")
    assert f"--file={tmp_path}/backup.dump '{location}'" in str(caught.value)
    assert not list(tmp_path.glob("backup*"))
    database.close()
