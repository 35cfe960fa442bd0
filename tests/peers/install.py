"""Unpacks the Debian packages of the peers, each peer into a root of its own, and tells what is missing.

`python -m tests.peers.install [PEER ...]` does it; a second run costs a few milliseconds. The packages a
peer needs are asked from apt as if nothing at all were installed, so that the root holds every library
and the machine's own do not matter. Packages that only serve installation (debconf, adduser, ...) are
left out, since no maintainer script is run here: nothing is ever installed on the machine.

`missing(peer)` is what the tests ask: None, or one line with the reason and the names of the packages.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers import skeleton

APT = (
    "apt-get",
    "-qq",
    "-o",
    "Debug::NoLocking=1",
    "-o",
    "APT::Install-Recommends=0",
    "-o",
    "Acquire::Retries=3",
)


@dataclass(frozen=True, slots=True)
class Peer:
    """One peer: the packages that are asked for, and whether its programs need root to run."""

    packages: tuple[str, ...]
    needs_root: bool = False


PEERS: dict[str, Peer] = {
    "postfix": Peer(("postfix",), needs_root=True),
    "smtp-source": Peer(("postfix",)),
    # A machine with a shell that runs Postfix, for scripts that set it up.
    "postfix-machine": Peer(("dash", "coreutils", "sed", "grep", "diffutils", "findutils", "postfix"), needs_root=True),
    "exim": Peer(("exim4-daemon-heavy",), needs_root=True),
    "exim-debian": Peer(
        ("exim4-config", "exim4-daemon-heavy", "dash", "coreutils", "sed", "grep", "util-linux"),
        needs_root=True,
    ),
    "sendmail": Peer(("sendmail-bin", "m4", "dash", "coreutils", "make", "sed"), needs_root=True),
    "opensmtpd": Peer(("opensmtpd", "dash"), needs_root=True),
    "dovecot": Peer(("dovecot-lmtpd",), needs_root=True),
    "openldap": Peer(("slapd",)),
    "haproxy": Peer(("haproxy",)),
    "swaks": Peer(("swaks", "libnet-ssleay-perl", "libio-socket-inet6-perl", "perl")),
    "openssl": Peer(("openssl",)),
    "pflogsumm": Peer(("pflogsumm", "perl")),
    "postgresql": Peer(("postgresql-15", "dash"), needs_root=True),
    "nsd": Peer(("nsd",)),
    "ldnsutils": Peer(("ldnsutils",)),
    "unbound": Peer(("unbound",)),
    "nftables": Peer(("nftables",), needs_root=True),
    "curl": Peer(("curl",)),
    "awscli": Peer(("awscli", "python3"), needs_root=True),
    "nginx": Peer(("nginx", "libnginx-mod-stream"), needs_root=True),
    "iptables": Peer(("iptables", "ipset", "dash", "coreutils"), needs_root=True),
    "ufw": Peer(("ufw", "iptables", "procps", "dash", "coreutils", "sed", "grep"), needs_root=True),
    "firewalld": Peer(
        ("firewalld", "dbus-daemon", "nftables", "netbase", "dash", "coreutils", "sed", "grep"), needs_root=True
    ),
    "miniupnpd": Peer(("miniupnpd-nftables", "miniupnpd"), needs_root=True),
    "miniupnpd-iptables": Peer(("miniupnpd-iptables", "miniupnpd", "iptables"), needs_root=True),
    "upnpc": Peer(("miniupnpc",)),
}

# Serve maintainer scripts, boot or manual pages; no program that a test starts needs them.
NOT_UNPACKED = frozenset(
    {
        *("adduser", "cron", "cron-daemon-common", "debconf", "dpkg", "init-system-helpers"),
        *("libaudit-common", "libpam-modules", "libpam-runtime", "libsemanage-common", "libsemanage2"),
        *("libsepol2", "lsb-base", "passwd", "psmisc", "sensible-utils", "ssl-cert", "sysvinit-utils"),
        *("tar", "ucf", "usrmerge"),
    }
)


class CannotInstallError(Exception):
    """What stood in the way, in words for the one who runs the tests."""


def cache() -> Path:
    """Return the folder of all roots: ARROWSLIT_PEERS, or `.cache/peers` in the clone."""
    return Path(os.environ.get("ARROWSLIT_PEERS") or Path(__file__).parents[2] / ".cache" / "peers").absolute()


def root(peer: str) -> Path:
    """Return the folder that this peer's packages are unpacked into; peers of the same packages share it."""
    return cache() / "-".join(PEERS[peer].packages[:1])


@functools.cache
def missing(peer: str) -> str | None:
    """Say why this peer cannot be started here, or None if it can."""
    wanted = PEERS[peer]
    packages = " ".join(wanted.packages)
    if not (root(peer) / skeleton.STAMP).exists():
        return f"peer {peer} is not there: Debian packages {packages} ({_reason(peer)})"
    if wanted.needs_root and os.geteuid() != 0:
        return f"peer {peer} needs root (chroot): Debian packages {packages}"
    return None


def _reason(peer: str) -> str:
    note = root(peer).with_suffix(".why")
    return note.read_text() if note.exists() else "run `make peers`"


def install(peer: str) -> Path:
    """Unpack this peer unless that has been done for the same list of packages, and return its root."""
    target = root(peer)
    key = hashlib.sha256(json.dumps([PEERS[peer].packages, sorted(NOT_UNPACKED), skeleton.VERSION]).encode())
    stamp = target / skeleton.STAMP
    with _locked(target):
        if not stamp.exists() or stamp.read_text().split()[0] != key.hexdigest():
            shutil.rmtree(target, ignore_errors=True)
            files = _download(_closure(PEERS[peer].packages))
            _unpack(files, target)
            stamp.write_text("\n".join([key.hexdigest(), *(file.name for file in files), ""]))
    return target


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(argv: Iterable[str], folder: Path | None = None) -> str:
    done = subprocess.run([*argv], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotInstallError(" ".join((done.stderr or done.stdout).split())[:300])
    return done.stdout


def _closure(packages: tuple[str, ...]) -> list[str]:
    """Return `name=version` of all packages that these need on a machine with nothing at all."""
    with tempfile.NamedTemporaryFile() as nothing:
        told = _run([*APT, "-o", f"Dir::State::status={nothing.name}", "--simulate", "install", *packages])
    # Inst libc6 (2.36-9 Debian:12/stable [amd64])
    lines = (line.split() for line in told.splitlines() if line.startswith("Inst "))
    found = [(words[1], next(word for word in words if word.startswith("("))[1:]) for words in lines]
    return [f"{name}={version}" for name, version in found if name not in NOT_UNPACKED]


def _download(wanted: list[str]) -> list[Path]:
    """Fetch the package files that are not in the cache yet."""
    folder = cache() / "debs"
    folder.mkdir(parents=True, exist_ok=True)

    def found(package: str) -> list[Path]:
        name, version = package.split("=")
        return sorted(folder.glob(f"{name}_{version.replace(':', '%3a')}_*.deb"))

    absent = [package for package in wanted if not found(package)]
    if absent:
        _run([*APT, "download", *absent], folder)
    return [found(package)[0] for package in wanted]


def _unpack(files: list[Path], target: Path) -> None:
    target.mkdir()
    for file in files:
        _run(["dpkg-deb", "-x", str(file), str(target)])
    skeleton.furnish(target)


def _refresh_lists() -> None:
    """Let root fetch the lists of packages once, where there are none yet or they have grown old.

    Its result is not looked at: one unreachable archive of many is no reason to give up.
    """
    if os.geteuid() == 0:
        subprocess.run(["apt-get", "-qq", "update"], capture_output=True, check=False)


def _install_or_refresh(peer: str) -> Path:
    try:
        return install(peer)
    except CannotInstallError:
        _refresh_lists()
        return install(peer)


def main(names: list[str]) -> int:
    """Unpack these peers, or all. What cannot be had is told, and remembered for the tests to say."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        print("peers: this machine has no apt-get and dpkg-deb; tests that need a peer will be skipped")
        return 0
    for peer in names or PEERS:
        note = root(peer).with_suffix(".why")
        try:
            _install_or_refresh(peer)
            note.unlink(missing_ok=True)
        except CannotInstallError as error:
            note.write_text(str(error))
            print(f"peers: {peer} is missing ({' '.join(PEERS[peer].packages)}): {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
