"""The demonstration behind `make run`: a gateway on loopback, a Maildir behind it, and two mails to try.

Everything it makes lies in `.run` of the current folder. Needs no rights and changes nothing outside of it. Stops on
Ctrl-C. Can be started again, also while another one runs: each has a folder and a port of its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import IO

_PORT = 2525
_FOLDER = ".run"
_PATIENCE = 20.0

_SETTINGS = """# Made by `make run`.
[node]
name = "mx.example.org"
workers = 1

[[listeners]]
address = "127.0.0.1:{port}"
tls = "starttls"
"""

_POLICY = """# Made by `make run`: this machine plays the filtering service, 127.0.0.2 plays a stranger.
version = 1

[networks.filter]
description = "the filtering service"
addresses = ["127.0.0.1"]

[next_hops.mailbox]
address = "maildir:mail"

[accepted_domains."example.org"]
kind = "authoritative"
next_hop = "mailbox"

[virtual_servers.default]
mode = "enforce"

[virtual_servers.default.connection_control]
mode = "only_listed"
only_listed = [ { network = "filter" } ]

[virtual_servers.default.relay_restrictions]
mode = "only_listed"
only_listed = []
allow_authenticated = false

[[expectations]]
that = "the filter delivers"
from = "127.0.0.1"
to = "bob@example.org"
outcome = "permit"

[[expectations]]
that = "a stranger does not get in"
from = "127.0.0.2"
to = "bob@example.org"
outcome = "reject"

[[expectations]]
that = "nobody relays"
from = "127.0.0.1"
to = "someone@elsewhere.example"
outcome = "reject"
"""


def main() -> int:
    """Run until interrupted; the exit code of the gateway."""
    folder, lock = _own_folder(Path(_FOLDER))
    with lock:
        port = _free_port((_PORT, 0) if folder == Path(_FOLDER) else (0,))
        (folder / "arrowslit.toml").write_text(_SETTINGS.format(port=port), encoding="utf-8")
        (folder / "policy.toml").write_text(_POLICY, encoding="utf-8")
        command = [sys.executable, "-m", "arrowslit.cli.main", "serve", "-c", str(folder / "arrowslit.toml")]
        with subprocess.Popen(command) as gateway:  # noqa: S603 - our own command
            signal.signal(signal.SIGTERM, _interrupt)
            try:
                if _answers(port, gateway):
                    print(_invitation(port, folder), flush=True)
                return gateway.wait()
            except KeyboardInterrupt:
                return _stopped(gateway)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _stopped(gateway: subprocess.Popen[bytes]) -> int:
    """Ctrl-C reaches the gateway too, a signal to this process alone does not."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        gateway.wait(0.5)
        return 0
    gateway.terminate()
    try:
        gateway.wait(_PATIENCE)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        gateway.kill()
    return 0


def _own_folder(first: Path) -> tuple[Path, IO[str]]:
    """The first folder that no other demonstration uses, and the lock on it."""
    number = 1
    while True:
        folder = first if number == 1 else first / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            number += 1
        else:
            return folder, lock


def _free_port(wanted: tuple[int, ...]) -> int:
    """The first of the wanted ports that is free; 0 is any."""
    for port in wanted:
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("127.0.0.1", port))
            return int(sock.getsockname()[1])
    raise OSError("no port is free on 127.0.0.1")


def _answers(port: int, gateway: subprocess.Popen[bytes]) -> bool:
    """Wait for the greeting; False where the gateway ended instead or stays silent."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and gateway.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0) as client:
            if client.recv(512).startswith(b"220 "):
                client.sendall(b"QUIT\r\n")
                client.recv(512)
                return True
        time.sleep(0.05)
    return False


def _invitation(port: int, folder: Path) -> str:
    arrowslit = _command()
    send = f"{arrowslit} send --server 127.0.0.1:{port} --to bob@example.org"
    return f"""Listening on 127.0.0.1:{port}

A mail from the filter gets through, and lies in {folder / "mail" / "new"}:
  {send}
A stranger is refused:
  {send} --source 127.0.0.2
Why that is so:
  {arrowslit} explain 127.0.0.2 --to bob@example.org -c {folder / "arrowslit.toml"}

Ctrl-C stops it."""


def _command() -> str:
    """How to call `arrowslit` from here, as it is installed."""
    installed = Path(sys.executable).parent / "arrowslit"
    if not installed.exists():
        return f"{shlex.quote(sys.executable)} -m arrowslit.cli.main"
    here = Path.cwd()
    return shlex.quote(str(installed.relative_to(here) if installed.is_relative_to(here) else installed))


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
