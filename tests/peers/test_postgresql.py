"""The peer PostgreSQL does what the tests of the store need of it."""

import psycopg
import pytest

from tests.peers import postgresql

pytestmark = pytest.mark.peer("postgresql")


def test_a_role_with_a_password_has_its_database_which_outlives_a_stop_and_a_kill() -> None:
    with postgresql.server() as server:
        location = server.create("store")
        with psycopg.connect(location) as connection:
            connection.execute("CREATE TABLE kept (number int)")
            connection.execute("INSERT INTO kept VALUES (25)")
        server.stop()
        with pytest.raises(psycopg.OperationalError, match="refused"):
            psycopg.connect(location)
        server.start()
        server.kill()
        server.start()
        with psycopg.connect(location) as connection:
            assert connection.execute("SELECT number FROM kept").fetchall() == [(25,)]
        with pytest.raises(psycopg.OperationalError, match="no password"):
            psycopg.connect(location.partition("?")[0])
