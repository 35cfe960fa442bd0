"""Dovecot as an LMTP server, on TCP or on a unix socket, with Maildirs for some users.

    with lmtp(["anna@example.test"]) as server:           # server.at
    with lmtp(["anna@example.test"], unix=True) as server: # server.socket

Needs root (chroot).
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.peers import install, process
from tests.peers.netns import Host
from tests.peers.server import Server
from tests.peers.skeleton import ACCOUNTS

CONFIG = """\
protocols = lmtp
base_dir = {inside}/run
state_dir = {inside}/state
log_path = {inside}/dovecot.log
ssl = no
default_login_user = dovenull
default_internal_user = dovecot
default_internal_group = dovecot
first_valid_uid = 1
mail_uid = vmail
mail_gid = vmail
mail_location = maildir:{inside}/mail/%Lu
auth_username_format = %Lu
lmtp_save_to_detail_mailbox = no
recipient_delimiter =
stats_writer_socket_path =
passdb {{
  driver = passwd-file
  args = {inside}/users
}}
userdb {{
  driver = passwd-file
  args = {inside}/users
}}
service lmtp {{
  {listener}
}}
{own}
"""


@dataclass(slots=True)
class Dovecot(Server):
    """A running Dovecot."""

    socket: Path


@contextmanager
def lmtp(
    recipients: Sequence[str],
    *,
    unix: bool = False,
    settings: str = "",
    full: Sequence[str] = (),
    host: Host | None = None,
    address: str = "127.0.0.1",
    port: int | None = None,
) -> Iterator[Dovecot]:
    """Run a Dovecot that delivers to these and refuses others at RCPT. `full`: whose quota is used up, so
    that LMTP answers differently for the recipients of one message.
    """
    name = process.unique("dovecot")
    folder = install.root("dovecot") / "instances" / name
    port = port or process.free_port(host, address)
    _furnish(folder, recipients, full)
    path = folder / "lmtp.sock"
    (folder / "dovecot.conf").write_text(_config(folder, address, port, unix, (QUOTA if full else "") + settings))
    argv = process.in_chroot("dovecot", "usr/sbin/dovecot", "-F", "-c", f"{_inside(folder)}/dovecot.conf")
    ready = _answers_on(path) if unix else process.answers(address, port, b"220", host)
    logs = [folder / "dovecot.log"]
    try:
        with process.started(name, argv, folder / "out.log", ready, host=host, more_logs=logs) as running:
            yield Dovecot(folder, running, address, port, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


QUOTA = """\
mail_plugins = quota
plugin {
  quota = maildir:User quota
  quota_rule = *:storage=100M
}
"""


def _inside(folder: Path) -> str:
    return "/" + str(folder.relative_to(install.root("dovecot")))


def _config(folder: Path, address: str, port: int, unix: bool, own: str) -> str:
    inside = _inside(folder)
    on_tcp = f"inet_listener lmtp {{\n    address = {address}\n    port = {port}\n  }}"
    on_unix = f"unix_listener {inside}/lmtp.sock {{\n    mode = 0666\n  }}"
    return CONFIG.format(inside=inside, listener=on_unix if unix else on_tcp, own=own)


def _furnish(folder: Path, recipients: Sequence[str], full: Sequence[str]) -> None:
    for part in ("run", "state", "mail"):
        (folder / part).mkdir(parents=True)
    os.chown(folder / "mail", ACCOUNTS["vmail"], ACCOUNTS["vmail"])
    ids = f"{ACCOUNTS['vmail']}:{ACCOUNTS['vmail']}"
    extra = dict.fromkeys(full, "userdb_quota_rule=*:bytes=1")
    lines = (f"{name.lower()}:{{PLAIN}}secret:{ids}::::{extra.get(name, '')}\n" for name in recipients)
    (folder / "users").write_text("".join(lines))


def _answers_on(path: Path) -> Callable[[], bool]:
    def check() -> bool:
        # By a short way, since a socket's path may have 107 characters only.
        with suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(2)
            probe.connect(short(path))
            return probe.recv(3) == b"220"
        return False

    return check


def short(path: Path) -> str:
    """Return another path of a unix socket that is short enough for the kernel, wherever the clone lies."""
    folder = os.open(path.parent, os.O_PATH)  # stays open: the path goes through it
    return f"/proc/{os.getpid()}/fd/{folder}/{path.name}"
