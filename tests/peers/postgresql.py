"""PostgreSQL on loopback and on a socket. Needs root: it runs as nobody inside its root.

    with server() as running:
        running.location("store")     # postgresql://arrowslit@127.0.0.1:PORT/store?passfile=...
        running.psql("SELECT 1")      # [(1,)], as the superuser
        running.stop(); running.start(); running.kill()

Over TCP everybody needs a password; over the socket everybody is let in.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tests.peers import install, process
from tests.peers.process import PeerError, Running
from tests.peers.skeleton import ACCOUNTS

PROGRAMS = "usr/lib/postgresql/15/bin"
SUPERUSER = "postgres"
ROLE = "arrowslit"
PASSWORD = "role-secret"
HBA = """\
local all all trust
host all all 127.0.0.1/32 scram-sha-256
"""


@dataclass(slots=True)
class Postgresql:
    """A server that can be stopped and started again on the same port with the same data."""

    folder: Path
    sockets: Path  # a short way to the folder: the name of a socket may have 107 octets
    port: int
    settings: dict[str, str]
    passfile: Path
    address: str = "127.0.0.1"
    _stack: ExitStack = field(default_factory=ExitStack)
    running: Running | None = None

    def start(self) -> None:
        """Run it, until it answers."""
        settings = (word for name, value in self.settings.items() for word in ("-c", f"{name}={value}"))
        argv = _as_nobody("postgres", "-D", f"{_inside(self.folder)}/data", "-p", str(self.port), *settings)
        log = self.folder / "postgresql.log"
        self.running = self._stack.enter_context(process.started(self.folder.name, argv, log, self._answers))

    def stop(self) -> None:
        """End it in good order, whoever is connected."""
        if self.running is not None:
            with suppress(ProcessLookupError):
                self.running.process.send_signal(signal.SIGINT)
            self.running.process.wait(process.START_SECONDS)
        self._stack.close()
        self.running = None

    def kill(self) -> None:
        """End it as a loss of power would."""
        if self.running is not None:
            pid = self.running.process.pid
            children = [number for number in map(int, _numbers()) if _parent(number) == pid]
            # Each of its processes leads a session of its own; they would end a moment after it.
            for number in (pid, *children):
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            process.until(lambda: not any(Path(f"/proc/{number}").exists() for number in children))
        self._stack.close()
        self.running = None

    def location(self, name: str, **parameters: str) -> str:
        """Return where the store of this name is; `parameters` go to libpq."""
        query = "&".join(f"{key}={value}" for key, value in {"passfile": str(self.passfile), **parameters}.items())
        return f"postgresql://{ROLE}@{self.address}:{self.port}/{name}?{query}"

    def create(self, name: str) -> str:
        """Make an empty database of this name, owned by the role, and return its location."""
        self.psql(f'CREATE DATABASE "{name}" OWNER {ROLE}')
        return self.location(name)

    def psql(self, statement: str, name: str = SUPERUSER) -> list[tuple[Any, ...]]:
        """Run a statement as the superuser."""
        with self._superuser(name) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def _superuser(self, name: str = SUPERUSER) -> psycopg.Connection:
        return psycopg.connect(host=str(self.sockets), port=self.port, user=SUPERUSER, dbname=name, autocommit=True)

    def _answers(self) -> bool:
        try:
            self._superuser().close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def server(**settings: str) -> Iterator[Postgresql]:
    """Run a server with an empty cluster; `settings` are lines of postgresql.conf."""
    folder = install.root("postgresql") / "instances" / process.unique("postgresql")
    folder.mkdir(mode=0o755, parents=True)
    outside = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        os.chown(folder, ACCOUNTS["nobody"], ACCOUNTS["nogroup"])
        (outside / "s").symlink_to(folder)
        running = Postgresql(folder, outside / "s", process.free_port(), _settings(folder, settings), outside / "pass")
        _furnish(running)
        try:
            running.start()
            running.psql(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'")
            yield running
        finally:
            running.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(outside, ignore_errors=True)


def _settings(folder: Path, settings: dict[str, str]) -> dict[str, str]:
    return {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": _inside(folder),
        "dynamic_shared_memory_type": "mmap",  # the root has no /dev/shm
        "fsync": "off",  # tests end the server, never the machine
        "max_connections": "50",
        "log_timezone": "UTC",
        **settings,
    }


def _furnish(running: Postgresql) -> None:
    data = f"{_inside(running.folder)}/data"
    options = ("-A", "trust", "-U", SUPERUSER, "--locale=C", "--encoding=UTF8", "--no-sync")
    done = process.output(_as_nobody("initdb", "-D", data, *options), seconds=60)
    if done.returncode:
        raise PeerError(f"initdb: {done.stderr}{done.stdout}")
    (running.folder / "data" / "pg_hba.conf").write_text(HBA)
    running.passfile.write_text(f"{running.address}:{running.port}:*:{ROLE}:{PASSWORD}\n")
    running.passfile.chmod(0o600)


def _as_nobody(program: str, *arguments: str) -> list[str]:
    command, *rest = process.in_chroot("postgresql", f"{PROGRAMS}/{program}", *arguments)
    return [command, f"--userspec={ACCOUNTS['nobody']}:{ACCOUNTS['nogroup']}", *rest]


def _inside(folder: Path) -> str:
    return "/" + str(folder.relative_to(install.root("postgresql")))


def _numbers() -> list[str]:
    return [path.name for path in Path("/proc").glob("[0-9]*")]


def _parent(number: int) -> int:
    with suppress(OSError):
        # Behind the name in brackets: state, parent, ...
        return int(Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[1])
    return 0
