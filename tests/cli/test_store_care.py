"""`store backup|migrate|prune` on a store with days of decisions: on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from arrowslit.observe.record import Record
from arrowslit.store.database import open_database
from arrowslit.store.schema import SCHEMA_VERSION
from tests.cli.command import arrowslit
from tests.peers import postgresql
from tests.peers.postgresql import Postgresql
from tests.store.records import DAY, NOON, lines

_names = itertools.count(1)
DAYS = ["2024-10-04", "2024-10-05", "2024-10-06", "2024-10-07"]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgresql]:
    with postgresql.server() as running:
        yield running


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.peer("postgresql"))])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with settings, whose store is still an empty database."""
    location = "store.sqlite"
    if request.param == "postgresql":
        server: Postgresql = request.getfixturevalue("server")
        location = server.create(f"care{next(_names)}")
    settings = f'[node]\nname = "mx1.test"\nstore = "{location}"\n[[listeners]]\naddress = "127.0.0.1:2525"\n'
    (tmp_path / "arrowslit.toml").write_text(settings)
    return tmp_path


@pytest.fixture
def days(site: Path) -> Path:
    """The same with four days of decisions."""
    assert arrowslit("store", "migrate", cwd=site).code == 0
    location = (site / "arrowslit.toml").read_text().split('"')[3]
    with open_database(site / location if location == "store.sqlite" else location) as database:
        records = [Record(id=str(number), time=NOON + number * DAY) for number in range(4)]
        database.decisions.take(lines(records))
    return site


def _left(site: Path, *options: str) -> list[str]:
    said = arrowslit("store", "prune", "--json", *options, cwd=site)
    assert said.code == 0, said.err
    return [day["day"] for day in json.loads(said.out)["days"]]


def test_an_empty_database_becomes_a_store(site: Path) -> None:
    assert arrowslit("decision", "list", cwd=site).code == 1
    said = arrowslit("store", "migrate", "--json", cwd=site)
    assert (said.code, json.loads(said.out)["schema"]) == (0, SCHEMA_VERSION)
    assert arrowslit("decision", "list", cwd=site).code == 0
    assert arrowslit("store", "migrate", "-q", cwd=site).err == ""


def test_days_that_ended_before_go(days: Path) -> None:
    assert _left(days, "--before", "2024-10-05T23:59") == DAYS[1:]
    assert _left(days, "--before", "2024-10-06") == DAYS[2:]
    assert _left(days, "--keep", "999999d") == DAYS[2:]
    assert _left(days) == []  # what the settings say: 30 days


def test_the_oldest_days_go_until_the_rest_is_small(days: Path) -> None:
    assert _left(days, "--to-size", "1T") == DAYS
    assert _left(days, "--to-size", "1K", "--before", "2024-10-05") == DAYS[3:]


@pytest.mark.parametrize(
    "options",
    [
        ("--before", "tomorrow"),
        ("--keep", "7"),
        ("--keep", "7d", "--before", "7d"),
        ("--to-size", "10"),
        ("--to-size", "G"),
    ],
)
def test_wrong_input_changes_nothing(tmp_path: Path, options: tuple[str, ...]) -> None:
    settings = '[node]\nname = "mx1.test"\nstore = "store.sqlite"\n[[listeners]]\naddress = "127.0.0.1:2525"\n'
    (tmp_path / "arrowslit.toml").write_text(settings)
    said = arrowslit("store", "prune", *options, cwd=tmp_path)
    assert (said.code, said.out) == (2, "")
    assert "Traceback" not in said.err


def test_a_backup_of_sqlite_opens_as_a_store(tmp_path: Path) -> None:
    settings = '[node]\nname = "mx1.test"\nstore = "STORE"\n[[listeners]]\naddress = "127.0.0.1:2525"\n'
    (tmp_path / "arrowslit.toml").write_text(settings.replace("STORE", "store.sqlite"))
    with open_database(tmp_path / "store.sqlite", create=True) as database:
        database.decisions.take(lines([Record(id="A", time=NOON)]))
        said = arrowslit("store", "backup", "copy", "--json", cwd=tmp_path)
        assert (said.code, json.loads(said.out)["folder"]) == (0, "copy")
        assert arrowslit("store", "backup", "small", "--without-decisions", cwd=tmp_path).code == 0
        assert arrowslit("store", "backup", "copy", cwd=tmp_path).code == 1
    for name, count in (("copy", 1), ("small", 0)):
        (tmp_path / "arrowslit.toml").write_text(settings.replace("STORE", f"{name}/store.sqlite"))
        found = json.loads(arrowslit("decision", "list", "--json", cwd=tmp_path).out)
        assert len(found["decisions"]) == count


@pytest.mark.parametrize("site", [pytest.param("postgresql", marks=pytest.mark.peer("postgresql"))], indirect=True)
def test_postgresql_is_told_how_to_be_backed_up(site: Path) -> None:
    assert arrowslit("store", "migrate", cwd=site).code == 0
    said = arrowslit("store", "backup", "copy", cwd=site)
    assert (said.code, said.out) == (1, "")
    assert "pg_dump --format=custom --file=copy.dump 'postgresql://" in said.err
    assert not (site / "copy").exists()
