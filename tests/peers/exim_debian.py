"""Exim as Debian sets it up: its own files, put together by its own update-exim4.conf.

    with debian(split=True) as machine:
        machine.sh("update-exim4.conf")
        with machine.serving(host, address):

All paths are compiled in or written in scripts, so each instance gets its own /etc/exim4 and its own folders below
/var by a mount namespace. Needs root (chroot, mounts).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers import install, process
from tests.peers.netns import Host
from tests.peers.process import PeerError, Running
from tests.peers.skeleton import ACCOUNTS

# $1 root, $2 folder of the instance, then the command. What is mounted ends with the last process.
MOUNTS = """\
mount --make-rprivate / &&
for one in etc/exim4 var/lib/exim4 var/spool/exim4 var/log/exim4; do mount --bind "$2/$one" "$1/$one" || exit; done &&
shift 2 && exec "$@"
"""
ANSWERS = """\
dc_eximconfig_configtype='internet'
dc_other_hostnames='{domains}'
dc_local_interfaces='<; 0.0.0.0 ; ::0'
dc_relay_nets='{relay_nets}'
dc_minimaldns='false'
dc_use_split_config='{split}'
dc_localdelivery='mail_spool'
"""
MACROS = """\
MAIN_TRUSTED_USERS = root
MAIN_HARDCODE_PRIMARY_HOSTNAME = exim.test
MAIN_HOST_LOOKUP = :
"""
ALIASES = "anybody: :blackhole:\npostmaster: :blackhole:\n"


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine with Debian's Exim."""

    folder: Path

    def sh(self, script: str) -> str:
        """Run a script as its administrator; an error raises."""
        done = process.output(self._argv("/bin/sh", "-ec", script))
        if done.returncode:
            raise PeerError(f"{script}: {done.stderr or done.stdout}")
        return done.stdout

    def write(self, path: str, text: str) -> None:
        """Write a file below /etc/exim4."""
        (self.folder / "etc/exim4" / path).write_text(text)

    @contextmanager
    def serving(self, host: Host, address: str) -> Iterator[Running]:
        """Run the daemon on a host."""
        logs = [self.folder / "var/log/exim4" / f"{kind}log" for kind in ("main", "reject", "panic")]
        ready = process.answers(address, 25, b"220", host)
        argv = self._argv("/usr/sbin/exim4", "-bdf")
        with process.started(self.folder.name, argv, self.folder / "out.log", ready, host=host, more_logs=logs) as made:
            yield made

    def _argv(self, *command: str) -> list[str]:
        root = str(install.root("exim-debian"))
        return ["unshare", "--mount", "sh", "-c", MOUNTS, "sh", root, str(self.folder), "chroot", root, *command]


@contextmanager
def debian(*, split: bool, domains: str, relay_nets: str) -> Iterator[Machine]:
    """Make one that takes mail for these domains, and relays for these networks until it is told otherwise."""
    root = install.root("exim-debian")
    folder = root / "instances" / process.unique("exim-debian")
    for name in ("var/lib/exim4", "var/spool/exim4", "var/log/exim4"):
        (root / name).mkdir(parents=True, exist_ok=True)
        (folder / name).mkdir(parents=True)
        os.chown(folder / name, ACCOUNTS["Debian-exim"], ACCOUNTS["Debian-exim"])
    shutil.copytree(root / "etc/exim4", folder / "etc/exim4")
    (root / "etc/aliases").write_text(ALIASES)
    machine = Machine(folder)
    machine.write(
        "update-exim4.conf.conf", ANSWERS.format(domains=domains, relay_nets=relay_nets, split=str(split).lower())
    )
    machine.write("conf.d/main/000_localmacros" if split else "exim4.conf.localmacros", MACROS)
    try:
        yield machine
    finally:
        shutil.rmtree(folder, ignore_errors=True)
