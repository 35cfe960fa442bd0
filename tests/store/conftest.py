"""Each test of the store runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from arrowslit.store.database import Database, open_database
from tests.peers import postgresql
from tests.peers.postgresql import Postgresql

_names = itertools.count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[Postgresql]:
    """One PostgreSQL for all tests, each of which has a database of its own in it."""
    with postgresql.server() as running:
        yield running


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.peer("postgresql"))])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where there is no store yet."""
    if request.param == "sqlite":
        return str(tmp_path / "store.sqlite")
    server: Postgresql = request.getfixturevalue("server")
    return server.create(f"store{next(_names)}")


@pytest.fixture
def database(location: str) -> Iterator[Database]:
    """An empty store."""
    opened = open_database(location, create=True)
    yield opened
    opened.close()
