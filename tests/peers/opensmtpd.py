"""OpenSMTPD: as the server behind us and as the server that sends to us.

    with next_hop(["anna@example.test"]) as server:
    with client(("127.0.0.1", port)) as sender:
        # hand it mail over SMTP at `sender.at`

Its queue and control socket are compiled in, so each instance gets a copy of them by a mount namespace of
its own. Needs root (chroot, mounts). It offers no STARTTLS: the version in Debian 12 (6.8) cannot sign with
its key under OpenSSL 3.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers import install, process, syslog
from tests.peers.netns import Host
from tests.peers.process import PeerError
from tests.peers.server import Server
from tests.peers.skeleton import ACCOUNTS

# $1 root, $2 folder of the instance, then the command. What is mounted ends with the last process.
MOUNTS = """\
mount --make-rprivate / &&
mount --bind "$2/spool" "$1/var/spool/smtpd" &&
mount --bind "$2/run" "$1/run" &&
mount --bind "$2/run" "$1/var/run" &&
shift 2 && exec "$@"
"""


@dataclass(slots=True)
class OpenSMTPD(Server):
    """A running OpenSMTPD."""

    def drained(self, seconds: float = 20.0) -> bool:
        """Wait until its queue is empty; say whether it got so."""
        queue = self.folder / "spool" / "queue"
        return process.until(lambda: not any(files for _, _, files in os.walk(queue)), seconds)

    def flush(self) -> None:
        """Let it try everything again now."""
        control = process.in_chroot("opensmtpd", "usr/sbin/smtpctl", "schedule", "all")
        done = process.output(["nsenter", "-t", str(self.running.process.pid), "-m", *control])
        if done.returncode:
            raise PeerError(f"smtpctl: {done.stderr}")


def _inside(folder: Path) -> str:
    return "/" + str(folder.relative_to(install.root("opensmtpd")))


def _furnish(folder: Path) -> None:
    """Make the folders that smtpd wants, with the owners that it insists on."""
    root = install.root("opensmtpd")
    for mount_point in ("var/spool/smtpd", "var/run", "run", "var/lib/opensmtpd/empty"):
        (root / mount_point).mkdir(parents=True, exist_ok=True)
    control = root / "usr/sbin/smtpctl"
    os.chown(control, 0, ACCOUNTS["opensmtpq"])
    control.chmod(0o2755)  # it works only with the rights that Debian's maintainer script gives it
    (folder / "run").mkdir(parents=True)
    (folder / "mail").mkdir()
    os.chown(folder / "mail", ACCOUNTS["vmail"], ACCOUNTS["vmail"])
    for name, user, group, mode in (
        ("spool", "root", "root", 0o711),
        ("spool/offline", "root", "opensmtpq", 0o770),
        ("spool/purge", "opensmtpq", "root", 0o700),
        ("spool/queue", "opensmtpq", "root", 0o700),
        ("spool/corrupt", "opensmtpq", "root", 0o700),
        ("spool/incoming", "opensmtpq", "root", 0o700),
        ("spool/temporary", "opensmtpq", "root", 0o700),
    ):
        (folder / name).mkdir()
        os.chown(folder / name, ACCOUNTS[user], ACCOUNTS[group])
        (folder / name).chmod(mode)


@contextmanager
def _instance(
    rules: str,
    *,
    host: Host | None = None,
    address: str = "127.0.0.1",
    port: int | None = None,
    listener: str = "",
    before: str = "",
    log: syslog.Collected | None = None,
) -> Iterator[OpenSMTPD]:
    name = process.unique("opensmtpd")
    folder = install.root("opensmtpd") / "instances" / name
    port = port or process.free_port(host, address)
    _furnish(folder)
    config = folder / "smtpd.conf"
    places = address.split(" ")
    (folder / "included.conf").write_text(before)
    include = f'include "{_inside(folder)}/included.conf"\n'
    listeners = [f"listen on {place} port {port} hostname opensmtpd.test {listener}\n" for place in places]
    config.write_text(include + "".join(listeners) + rules.format(inside=_inside(folder)))
    smtpd = process.in_chroot(
        "opensmtpd", "usr/sbin/smtpd", "-F" if log else "-d", "-f", f"{_inside(folder)}/smtpd.conf"
    )
    argv = ["unshare", "--mount", "sh", "-c", MOUNTS, "sh", str(install.root("opensmtpd")), str(folder), *smtpd]
    argv = log.before("opensmtpd", argv) if log else argv
    ready = process.answers(places[0], port, b"220", host)
    try:
        with process.started(name, argv, folder / "out.log", ready, host=host) as running:
            yield OpenSMTPD(folder, running, places[0], port)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def next_hop(
    recipients: Sequence[str],
    *,
    permitted: Sequence[str] = (),
    relaying: Sequence[str] = (),
    log: syslog.Collected | None = None,
    host: Host | None = None,
    address: str = "127.0.0.1",
    port: int | None = None,
) -> Iterator[OpenSMTPD]:
    """Run an OpenSMTPD that has Maildirs for these recipients, refuses others at RCPT, and relays nothing.
    `permitted`: networks that may deliver; without it everybody may. `relaying`: networks that may write to anybody,
    which it queues and sends to nobody. `log`: it logs there and nowhere else.
    """
    source = f"src {{ {', '.join(permitted)} }}" if permitted else "any"
    domains = sorted({recipient.rpartition("@")[2] for recipient in recipients})
    rules = (
        (
            f"table boxes {{ {', '.join(f'{recipient} = vmail' for recipient in recipients)} }}\n"
            f"table ours {{ {', '.join(domains)} }}\n"
            'action deliver maildir "{inside}/mail/%{{dest.user:lowercase}}@%{{dest.domain:lowercase}}" '
            "virtual <boxes>\n"
            f"match from {source} for domain <ours> action deliver\n" + _onward(relaying)
        )
        .replace("{ ", "{{ ")
        .replace(" }", " }}")
    )
    with _instance(rules, host=host, address=address, port=port, log=log) as running:
        yield running


def _onward(relaying: Sequence[str]) -> str:
    if not relaying:
        return ""
    return (
        'action onward relay host "smtp://127.0.0.1:9"\n'
        f"match from src {{ {', '.join(relaying)} }} for any action onward\n"
    )


@contextmanager
def client(to: tuple[str, int], *, host: Host | None = None) -> Iterator[OpenSMTPD]:
    """Run an OpenSMTPD that queues everything that it takes on its port, and sends it to this place."""
    rules = f'action onward relay host "smtp://{to[0]}:{to[1]}"\nmatch from any for any action onward\n'
    with _instance(rules, host=host) as running:
        yield running


@contextmanager
def including(
    text: str, listener: str, *, host: Host | None = None, address: str = "127.0.0.1", port: int
) -> Iterator[OpenSMTPD]:
    """Run an OpenSMTPD that includes this text, has these words behind its listeners, and would else take every mail
    from everybody; it sends it to nobody. More addresses may follow the first one.
    """
    rules = 'action throw relay host "smtp://127.0.0.1:9"\nmatch from any for any action throw\n'
    with _instance(rules, host=host, address=address, port=port, listener=listener, before=text) as running:
        yield running
