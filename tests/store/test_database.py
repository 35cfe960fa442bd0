"""What is wrong with a store is told in words, never with a password, and is over when its cause is."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import psycopg
import pytest

from arrowslit.observe.record import Record
from arrowslit.store.database import Database, open_database
from arrowslit.store.errors import (
    StoreAwayError,
    StoreError,
    StoreMissingError,
    StoreTooNewError,
    StoreTooOldError,
    StoreUnusableError,
)
from arrowslit.store.query import Query
from arrowslit.store.schema import SCHEMA_VERSION
from tests.peers import postgresql
from tests.peers.postgresql import PASSWORD, Postgresql
from tests.store.records import NOON, lines

# --- both -----------------------------------------------------------------------------------------------------------


def _execute(database: Database, statement: str) -> None:
    with database.writing() as connection:
        connection.exec_driver_sql(statement)


def test_a_store_is_not_made_unless_that_is_asked_for(location: str) -> None:
    with pytest.raises(StoreMissingError, match="there is no store"):
        open_database(location)
    open_database(location, create=True).close()
    with open_database(location) as there:
        assert there.revisions.head() is None


def test_a_newer_store_is_left_alone(database: Database, location: str) -> None:
    _execute(database, "UPDATE arrowslit_schema SET version_num = '9999'")
    for create in (False, True):
        with pytest.raises(StoreTooNewError, match="update this program"):
            open_database(location, create=create)
    with open_database(location, connect=False) as newer, pytest.raises(StoreTooNewError):
        newer.migrate()


def test_an_older_store_wants_to_be_migrated(
    database: Database, location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arrowslit.store.database.SCHEMA_VERSION", SCHEMA_VERSION + 1)
    with pytest.raises(StoreTooOldError, match="arrowslit store migrate"):
        open_database(location, create=True)


def test_what_is_written_in_a_failed_transaction_is_not_there(database: Database) -> None:
    with pytest.raises(RuntimeError), database.writing() as connection:
        connection.exec_driver_sql("INSERT INTO nodes VALUES ('mx1', 1, 1, '', 1.0, '')")
        raise RuntimeError
    assert database.nodes.list() == []


def test_a_fault_of_a_statement_tells_no_value_of_it(database: Database) -> None:
    with pytest.raises(StoreError) as caught, database.writing() as connection:
        connection.exec_driver_sql("INSERT INTO nodes VALUES ('a-strangers-text', NULL, 1, '', 1.0, '')")
    assert "a-strangers-text" not in str(caught.value)
    assert database.url_shown in str(caught.value)


def test_threads_share_a_database(database: Database) -> None:
    database.revisions.first("one", "mx1", "")
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: database.revisions.next_generation, range(8)))
        generations = list(threads.map(lambda _: _count_up(database), range(40)))
    assert len(found) == 8
    assert sorted(generations) == list(range(2, 42))


def _count_up(database: Database) -> int:
    while True:
        head = database.revisions.head()
        assert head is not None
        try:
            return database.revisions.next_generation(head.generation).generation
        except StoreError as error:
            if not hasattr(error, "head"):
                raise


def _open(location: str) -> int:
    database = open_database(location, create=True)
    try:
        return database.schema_version()
    finally:
        database.close()


def test_processes_that_make_a_store_at_once_make_one(location: str) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as processes:
        assert list(processes.map(_open, [location] * 8)) == [SCHEMA_VERSION] * 8


def test_who_may_write_is_not_overtaken_after_reading(tmp_path: Path) -> None:
    with open_database(tmp_path / "store.sqlite", create=True) as database:
        database.revisions.first("one", "mx1", "")
        with ThreadPoolExecutor(1) as threads:
            with database.writing() as connection:
                seen = connection.exec_driver_sql("SELECT version FROM head").scalar_one()
                other = threads.submit(database.revisions.next_generation, 1)
                time.sleep(0.2)
                assert not other.done()
                connection.exec_driver_sql("UPDATE head SET version = ?", (seen + 1,))
            assert other.result(10).version == 3


# --- locations ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "location",
    [
        "postgresql://anna:sesame@db.example.test/store",
        "postgresql://anna@db.example.test/store?password=sesame",
        "postgresql://anna:sesame@db.example.test:port/store",
        "postgresql://anna:ses ame@[::/store?nothing=sesame",
    ],
)
def test_a_password_in_a_location_is_refused_and_not_shown(location: str) -> None:
    with pytest.raises(StoreUnusableError) as caught:
        open_database(location)
    assert "sesame" not in str(caught.value) + repr(caught.value.__cause__)
    assert "postgresql://USER@HOST/NAME" in str(caught.value)


@pytest.mark.parametrize("location", ["mysql://anna@db.example.test/store", "postgres://anna@h/store", ""])
def test_other_locations_are_refused(location: str) -> None:
    with pytest.raises(StoreUnusableError, match="postgresql://USER@HOST/NAME"):
        open_database(location)


# --- SQLite ---------------------------------------------------------------------------------------------------------


def test_a_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    database = open_database(tmp_path / "state" / "store.sqlite", create=True)
    database.revisions.first("one", "mx1", "")
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "state").iterdir()} == {0o600}
    with database.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    database.close()


def test_a_path_may_have_any_letters(tmp_path: Path) -> None:
    path = tmp_path / "a?b#c%20 d" / "é.sqlite"
    open_database(path, create=True).close()
    assert path.exists()
    open_database(path).close()


def test_what_is_no_database_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "mailbox"
    path.write_bytes(b"From anna@example.test\n" * 100)
    for create in (False, True):
        with pytest.raises(StoreUnusableError, match="mailbox is not a database of Arrowslit"):
            open_database(path, create=create)
    assert path.read_bytes() == b"From anna@example.test\n" * 100


def test_the_database_of_another_program_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE cookies (name TEXT)")
    other.close()
    with pytest.raises(StoreUnusableError, match="another program"):
        open_database(path, create=True)
    with pytest.raises(StoreMissingError):
        open_database(path)


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    database = open_database(path, create=True)
    database.revisions.first("one" * 10_000, "mx1", "")
    database.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    with pytest.raises(StoreUnusableError, match="damaged: restore a backup"):
        open_database(path)


def test_a_store_that_is_locked_for_too_long_is_away_until_it_is_free(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    database = open_database(path, create=True, timeout=0.2)
    head = database.revisions.first("one", "mx1", "")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    begun = time.monotonic()
    with pytest.raises(StoreAwayError, match="locked"):
        database.revisions.next_generation(1)
    assert 0.15 < time.monotonic() - begun < 2
    assert database.revisions.head() == head  # readers never wait
    other.execute("ROLLBACK")
    other.close()
    assert database.revisions.next_generation(1).generation == 2
    database.close()


def test_a_folder_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "store.sqlite").mkdir()
    with pytest.raises(StoreUnusableError, match="can't be"):
        open_database(tmp_path / "store.sqlite", create=True)
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnusableError, match="can't be made"):
        open_database(tmp_path / "file" / "store.sqlite", create=True)


def _on_a_small_disk(tmp_path: Path, script: str) -> str:
    """Run a script with a disk of 1 MiB at `disk`, in a mount namespace."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f'mount -t tmpfs -o size=1M tmpfs "{disk}" && exec "{sys.executable}" -c "$SCRIPT" "{disk}"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mount],
        env={**os.environ, "SCRIPT": script, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not done.returncode, done.stderr
    return done.stdout


FULL = """
import sys
from pathlib import Path
from arrowslit.observe.record import Record
from arrowslit.store.database import open_database
from arrowslit.store.errors import StoreAwayError
from arrowslit.store.query import Query
from tests.store.records import NOON, lines
disk = Path(sys.argv[1])
database = open_database(disk / "store.sqlite", create=True)
database.revisions.first("one", "mx1", "")
ballast = disk / "ballast"
with ballast.open("wb", buffering=0) as file:
    try:
        while file.write(bytes(4096)): pass
    except OSError: pass
try:
    database.revisions.apply("two" * 100_000, expected=1, kind="apply", author="", message="")
except StoreAwayError as error: print(error)
batch = lines(Record(id=str(number), time=NOON + number) for number in range(200))
try: database.decisions.take(batch)
except StoreAwayError as error: print(error)
print(database.revisions.head().revision)
ballast.unlink()
database.revisions.apply("two", expected=1, kind="apply", author="", message="")
print(database.revisions.head().revision, database.decisions.take(batch))
print(len(database.decisions.search(Query()).records))
"""


@pytest.mark.namespaces
def test_a_full_disk_is_told_and_over_when_there_is_space(tmp_path: Path) -> None:
    told = _on_a_small_disk(tmp_path, FULL).splitlines()
    assert "store.sqlite can't grow: the disk is full" in told[0]
    assert "2024-10-04.sqlite" in told[1]
    assert told[2:] == ["1", "2 200", "100"]


READ_ONLY = """
import subprocess, sys
from pathlib import Path
from arrowslit.store.database import open_database
from arrowslit.store.errors import StoreUnusableError
disk = Path(sys.argv[1])
database = open_database(disk / "store.sqlite", create=True)
database.revisions.first("one", "mx1", "")
database.close()
subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
try: open_database(disk / "store.sqlite").revisions.next_generation(1)
except StoreUnusableError as error: print(error)
try: open_database(disk / "new.sqlite", create=True)
except StoreUnusableError as error: print(error)
"""


@pytest.mark.namespaces
def test_a_read_only_disk_is_told(tmp_path: Path) -> None:
    told = _on_a_small_disk(tmp_path, READ_ONLY).splitlines()
    assert "store.sqlite" in told[0]
    assert "writable for the account" in told[0]
    assert told[1].endswith("can't be made: Read-only file system")


# --- PostgreSQL -----------------------------------------------------------------------------------------------------


@pytest.fixture
def alone(request: pytest.FixtureRequest) -> Iterator[Postgresql]:
    """A server of this test's own, to stop and kill."""
    with postgresql.server(max_connections="12", superuser_reserved_connections="3") as running:
        yield running


needs_server = pytest.mark.peer("postgresql")


@needs_server
def test_a_wrong_or_missing_password_or_name_is_told(server: Postgresql, tmp_path: Path) -> None:
    location = server.location("nothing")
    bare = location.partition("?")[0]
    with pytest.raises(StoreUnusableError, match='database "nothing" does not exist'):
        open_database(location)
    with pytest.raises(StoreUnusableError, match="wants a password"):
        open_database(f"{bare}?passfile={tmp_path}/none")
    wrong = tmp_path / "wrong"
    wrong.write_text("*:*:*:*:sesame")
    wrong.chmod(0o600)
    with pytest.raises(StoreUnusableError, match="refuses the password") as caught:
        open_database(f"{bare}?passfile={wrong}")
    assert "sesame" not in str(caught.value)
    wrong.chmod(0o644)
    with pytest.raises(StoreUnusableError, match="chmod 600"):
        open_database(f"{bare}?passfile={wrong}")
    with pytest.raises(StoreAwayError, match="does not answer") as away:
        open_database(f"postgresql://anna@127.0.0.1:1/store?passfile={server.passfile}")
    assert PASSWORD not in str(away.value)


@needs_server
def test_a_role_without_rights_is_told(server: Postgresql) -> None:
    server.psql("CREATE DATABASE foreign_store")
    with pytest.raises(StoreUnusableError, match="gives this role no right"):
        open_database(server.location("foreign_store"), create=True)


@needs_server
def test_a_store_that_only_reads_is_told(server: Postgresql) -> None:
    database = open_database(server.create("standby"), create=True)
    head = database.revisions.first("one", "mx1", "")
    with database.reading() as connection:
        connection.exec_driver_sql("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
    with pytest.raises(StoreUnusableError, match="read-only"):
        database.revisions.next_generation(1)
    assert database.revisions.head() == head
    database.close()


@needs_server
def test_a_row_that_is_locked_for_too_long_is_away(server: Postgresql) -> None:
    location = server.create("locked")
    database = open_database(location, create=True, timeout=0.3)
    database.revisions.first("one", "mx1", "")
    with psycopg.connect(location) as other:
        other.execute("SELECT * FROM head FOR UPDATE")
        with pytest.raises(StoreAwayError, match="locked by somebody else"):
            database.revisions.next_generation(1)
    assert database.revisions.next_generation(1).generation == 2
    database.close()


@needs_server
def test_a_full_server_is_away(alone: Postgresql) -> None:
    location = alone.create("store")
    open_database(location, create=True).close()
    others = [psycopg.connect(location) for _ in range(9)]
    with pytest.raises(StoreAwayError, match="connection"):
        open_database(location)
    for other in others:
        other.close()
    open_database(location).close()


@needs_server
def test_a_server_that_is_stopped_is_away_and_comes_back_to_the_same_database(alone: Postgresql) -> None:
    location = alone.create("store")
    database = open_database(location, create=True, timeout=1.0)
    head = database.revisions.first("one", "mx1", "")
    batch = lines(Record(id=str(number), time=NOON + number) for number in range(20))
    assert database.decisions.take(batch[:10]) == 10
    for end in (alone.stop, alone.kill):
        end()
        with pytest.raises(StoreAwayError, match="does not answer"):
            database.revisions.head()
        with pytest.raises(StoreAwayError):
            database.decisions.take(batch)
        with pytest.raises(StoreAwayError):
            open_database(location, timeout=1.0)
        late = open_database(location, timeout=1.0, connect=False)
        with pytest.raises(StoreAwayError):
            late.decisions.search(Query())
        alone.start()
        assert database.revisions.head() == late.revisions.head() == head
        late.close()
    assert database.decisions.take(batch) == 10
    assert len(database.decisions.search(Query()).records) == 20
    database.close()


@needs_server
def test_a_server_that_is_killed_under_load_loses_and_doubles_nothing(alone: Postgresql) -> None:
    alone.settings["fsync"] = "on"
    alone.stop()
    alone.start()
    location = alone.create("store")
    database = open_database(location, create=True, timeout=1.0)
    batch = lines(Record(id=str(number), time=NOON + number / 1000) for number in range(4000))
    faults = []
    stop = threading.Event()

    def take() -> None:
        start = 0
        while start < len(batch) or not stop.is_set():
            try:
                database.decisions.take(batch[start : start + 40] or batch[:40])
            except StoreAwayError as error:
                faults.append(error)
                time.sleep(0.05)
            else:
                start += 40

    with ThreadPoolExecutor(1) as threads:
        done = threads.submit(take)
        try:
            for _ in range(2):
                time.sleep(0.3)
                alone.kill()
                alone.start()
        finally:
            stop.set()
        done.result(60)
    assert faults
    assert [record["id"] for record in database.decisions.scan()] == [str(number) for number in range(4000)]
    database.close()
