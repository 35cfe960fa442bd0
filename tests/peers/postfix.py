"""Postfix: as the server behind us, as the server that sends to us, and as the rival in the bench.

    with next_hop(["anna@example.test"]) as server:       # refuses unknown recipients at RCPT
    with client(("127.0.0.1", port)) as sender:           # a queue that sends everything there
    with filtering(("127.0.0.1", port), queue=False):     # smtpd_proxy_filter; queue=True: with its queue

Several can run at once: each has its own configuration, queue, data and log. None reads the machine's
/etc/postfix, since all run in a chroot, and none asks the DNS.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers import install, process
from tests.peers.certs import Certificate
from tests.peers.netns import Host
from tests.peers.process import PeerError
from tests.peers.server import Server
from tests.peers.skeleton import ACCOUNTS

QUEUE_FOLDERS = "active bounce corrupt defer deferred flush hold incoming maildrop private public saved trace"
SERVICES = """\
pickup    unix  n - n 60   1 pickup
cleanup   unix  n - n -    0 cleanup
qmgr      unix  n - n 300  1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
virtual   unix  - n n - - virtual
lmtp      unix  - - n - - lmtp
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""


@dataclass(slots=True)
class Postfix(Server):
    """A running Postfix."""

    host: Host | None

    def send(self, message: bytes, recipients: Sequence[str], sender: str = "") -> None:
        """Put a message into its queue with its own sendmail."""
        self._command("usr/sbin/sendmail", "-i", "-f", sender or "<>", "--", *recipients, given=message)

    def queue(self) -> list[dict[str, object]]:
        """Return its queue as `postqueue -j` tells it."""
        return [json.loads(line) for line in self._command("usr/sbin/postqueue", "-j").splitlines()]

    def flush(self) -> None:
        """Let it try everything again now."""
        self._command("usr/sbin/postqueue", "-f")

    def drained(self, seconds: float = 20.0) -> bool:
        """Wait until its queue is empty; say whether it got so."""
        return process.until(lambda: not self.queue(), seconds)

    def _command(self, program: str, *arguments: str, given: bytes = b"") -> str:
        config = {"MAIL_CONFIG": _inside(self.folder, "etc")}
        argv = process.in_chroot("postfix", program, *arguments)
        done = process.output(argv, given=given, host=self.host, extra_environment=config)
        if done.returncode:
            raise PeerError(f"{program}: {done.stderr}")
        return done.stdout


def _inside(folder: Path, *parts: str) -> str:
    return "/".join(("", "instances", folder.name, *parts))


@contextmanager
def instance(
    settings: Mapping[str, str],
    services: str = "",
    *,
    certificate: Certificate | None = None,
    listens: str = "smtpd",
    host: Host | None = None,
    address: str = "127.0.0.1",
    port: int | None = None,
    greets: bytes = b"220",
    peer: str = "postfix",
) -> Iterator[Postfix]:
    """Run a Postfix with these lines of main.cf and these further lines of master.cf, in the root of that peer."""
    name = process.unique("postfix")
    folder = install.root(peer) / "instances" / name
    port = port or process.free_port(host, address)
    listener = f"[{address}]:{port} inet n - n - - {listens}\n"
    _furnish(folder, settings, listener + SERVICES + services, certificate)
    log = folder / "postfix.log"
    master = process.in_chroot(peer, "usr/lib/postfix/sbin/master", "-d", "-c", _inside(folder, "etc"))
    ready = process.answers(address, port, greets, host)
    try:
        with process.started(name, master, folder / "master.log", ready, host=host, more_logs=[log]) as running:
            yield Postfix(folder, running, address, port, host)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _furnish(folder: Path, settings: Mapping[str, str], master: str, certificate: Certificate | None) -> None:
    """Do what `postfix post-install` would: folders with their owners, and the two files."""
    etc, queue, data, mail = (folder / part for part in ("etc", "queue", "data", "mail"))
    for part in (etc, queue / "pid", data, mail):
        part.mkdir(parents=True)
    for name in QUEUE_FOLDERS.split():
        _own(queue / name, "postfix", "root", 0o700)
    _own(queue / "public", "postfix", "postdrop", 0o710)
    _own(queue / "maildrop", "postfix", "postdrop", 0o730)
    _own(data, "postfix", "root", 0o700)
    _own(mail, "vmail", "vmail", 0o755)
    merged = {**_base(folder), **settings}
    if certificate:  # its files lie outside the chroot
        shutil.copy(certificate.chain_file, etc / "chain.pem")
        merged |= {"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": _inside(folder, "etc", "chain.pem")}
    (etc / "main.cf").write_text("".join(f"{key} = {value}\n" for key, value in merged.items()))
    (etc / "master.cf").write_text(master)
    for file in etc.glob("*.cf"):
        os.utime(file, (0, 0))  # Postfix waits for seconds until a file that was just written has cooled


def _own(folder: Path, user: str, group: str, mode: int) -> None:
    folder.mkdir(exist_ok=True)
    os.chown(folder, ACCOUNTS[user], ACCOUNTS[group])
    folder.chmod(mode)


def _base(folder: Path) -> dict[str, str]:
    return {
        "virtual_mailbox_base": _inside(folder, "mail"),
        "compatibility_level": "3.6",
        "queue_directory": _inside(folder, "queue"),
        "data_directory": _inside(folder, "data"),
        "maillog_file": _inside(folder, "postfix.log"),
        "maillog_file_prefixes": "/instances",
        "myhostname": "postfix.test",
        "mydestination": "",
        "mynetworks": "127.0.0.0/8 [::1]/128",
        "inet_protocols": "all",
        "inet_interfaces": "all",
        "disable_dns_lookups": "yes",
        "alias_maps": "",
        "alias_database": "",
        "biff": "no",
        "local_recipient_maps": "",
        "smtputf8_enable": "yes",
        "in_flow_delay": "0",
        "smtpd_client_connection_count_limit": "0",
    }


@contextmanager
def next_hop(
    recipients: Sequence[str],
    *,
    xclient_from: Sequence[str] = (),
    xforward_from: Sequence[str] = (),
    proxy_protocol: bool = False,
    certificate: Certificate | None = None,
    settings: Mapping[str, str] | None = None,
    host: Host | None = None,
    address: str = "127.0.0.1",
    port: int | None = None,
) -> Iterator[Postfix]:
    """Run a Postfix that has Maildirs for these recipients, refuses others of their domains with 550
    5.1.1, and relays nothing: 127.0.0.1 gets no relay right, as for the server behind a gateway.
    """
    domains = sorted({recipient.rpartition("@")[2] for recipient in recipients})
    mailboxes = " ".join(f"{{ {recipient} = {recipient.lower()}/ }}," for recipient in recipients)
    own = {
        "mynetworks": "",
        "virtual_mailbox_domains": " ".join(domains),
        "virtual_mailbox_maps": f"inline:{{ {mailboxes.rstrip(',')} }}",
        "virtual_uid_maps": f"static:{ACCOUNTS['vmail']}",
        "virtual_gid_maps": f"static:{ACCOUNTS['vmail']}",
        "smtpd_relay_restrictions": "reject_unauth_destination",
        "smtpd_authorized_xclient_hosts": " ".join(xclient_from),
        "smtpd_authorized_xforward_hosts": " ".join(xforward_from),
        **({"smtpd_upstream_proxy_protocol": "haproxy"} if proxy_protocol else {}),
        **(settings or {}),
    }
    greets = b"" if proxy_protocol else b"220"
    with instance(own, certificate=certificate, host=host, address=address, port=port, greets=greets) as running:
        yield running


@contextmanager
def client(
    to: tuple[str, int], *, settings: Mapping[str, str] | None = None, host: Host | None = None
) -> Iterator[Postfix]:
    """Run a Postfix that sends everything that it takes, by `send` or on its port, to this place."""
    own = {
        "relayhost": f"[{to[0]}]:{to[1]}",
        "smtpd_relay_restrictions": "permit_mynetworks, reject",
        "smtp_tls_security_level": "may",
        "minimal_backoff_time": "1s",
        "queue_run_delay": "5s",
        **(settings or {}),
    }
    with instance(own, host=host) as running:
        yield running


@contextmanager
def filtering(
    to: tuple[str, int],
    *,
    queue: bool,
    settings: Mapping[str, str] | None = None,
    certificate: Certificate | None = None,
) -> Iterator[Postfix]:
    """Run a Postfix in a gateway's place: it takes mail from 127.0.0.1 alone and passes it on to `to`,
    either while the client waits (`smtpd_proxy_filter`) or through its queue.
    """
    own = {
        "smtpd_client_restrictions": "permit_mynetworks, reject",
        "smtpd_relay_restrictions": "permit_mynetworks, reject",
        "mynetworks": "127.0.0.1/32",
        "default_process_limit": "200",
        "smtp_connection_cache_on_demand": "yes",
        **({"relayhost": f"[{to[0]}]:{to[1]}"} if queue else {"smtpd_proxy_filter": f"{to[0]}:{to[1]}"}),
        **(settings or {}),
    }
    with instance(own, certificate=certificate) as running:
        yield running
