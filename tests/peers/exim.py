"""Exim: as the server behind us and as the server that sends to us.

    with next_hop(["anna@example.test"]) as server:
    with client(("127.0.0.1", port)) as sender:
        sender.send(message, ["anna@example.test"], "someone@example.org")

Each instance has its own configuration file and spool. None asks the DNS. Needs root (chroot).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers import install, process, syslog
from tests.peers.certs import Certificate
from tests.peers.netns import Host
from tests.peers.process import PeerError
from tests.peers.server import Server
from tests.peers.skeleton import ACCOUNTS

COMMON = """\
primary_hostname = exim.test
spool_directory = {inside}/spool
log_file_path = {log}{inside}/log/%slog
exim_user = Debian-exim
exim_group = Debian-exim
never_users =
keep_environment =
tls_advertise_hosts = {tls_hosts}
{tls}
host_lookup =
dns_ipv4_lookup =
rfc1413_hosts =
smtp_accept_max = 0
message_size_limit = 50M
local_interfaces = <; {address}
daemon_smtp_ports = {port}
pid_file_path = {inside}/exim.pid
{own}
"""
NEXT_HOP = """\
domainlist ours = {domains}
hosts_proxy = {proxy}
acl_smtp_rcpt = rcpt
begin acl
rcpt:
{first}
{sign_in}
  deny message = relay not permitted
       domains = !+ours
  deny message = Unrouteable address
       !verify = recipient
  accept
begin routers
mailboxes:
  driver = accept
  domains = +ours
  # What a look-up returns is not tainted, what the client said is.
  address_data = ${{lookup{{$local_part@$domain}}lsearch{{{inside}/recipients}}{{$value}}fail}}
  transport = maildir
begin transports
maildir:
  driver = appendfile
  maildir_format
  create_directory
  directory = {inside}/mail/$address_data
  user = vmail
  group = vmail
{authenticators}
"""
BEHIND_ACL = """\
acl_smtp_rcpt = HOOK
begin acl
acl_check_rcpt:
INCLUDED
  accept
begin routers
nowhere:
  driver = redirect
  data = :blackhole:
{authenticators}
"""
AUTHENTICATORS = """\
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = {condition}
  server_set_id = $auth2
  server_advertise_condition = ${{if def:tls_in_cipher}}
"""
CLIENT = """\
acl_smtp_rcpt = rcpt
untrusted_set_sender = *
begin acl
rcpt:
  accept
begin routers
onward:
  driver = manualroute
  route_list = * {to_address}::{to_port} byname
  self = send
  transport = smtp
begin transports
smtp:
  driver = smtp
  hosts_try_dane =
  allow_localhost
begin retry
* * F,1h,1s
"""


@dataclass(slots=True)
class Exim(Server):
    """A running Exim."""

    host: Host | None

    def send(self, message: bytes, recipients: Sequence[str], sender: str = "") -> None:
        """Put a message into its queue; it is sent on at once."""
        self._command("-i", "-f", sender or "<>", "--", *recipients, given=message)

    def queue(self) -> list[str]:
        """Return the ids of the messages in its queue."""
        return [line.split()[2] for line in self._command("-bp").splitlines() if " <" in line]

    def flush(self) -> None:
        """Let it try everything again now."""
        self._command("-qff")

    def drained(self, seconds: float = 20.0) -> bool:
        """Wait until its queue is empty; say whether it got so."""
        return process.until(lambda: not self.queue(), seconds)

    def _command(self, *arguments: str, given: bytes = b"") -> str:
        argv = process.in_chroot("exim", "usr/sbin/exim4", "-C", f"{_inside(self.folder)}/exim.conf", *arguments)
        done = process.output(argv, given=given, host=self.host)
        if done.returncode:
            raise PeerError(f"exim: {done.stderr or done.stdout}")
        return done.stdout


def _inside(folder: Path) -> str:
    return "/" + str(folder.relative_to(install.root("exim")))


@contextmanager
def _instance(
    template: str,
    values: dict[str, str],
    *,
    recipients: Sequence[str] = (),
    certificate: Certificate | None,
    settings: Sequence[str],
    host: Host | None,
    address: str,
    port: int | None,
    greets: bytes = b"220",
    files: Mapping[str, str] | None = None,
    log: syslog.Collected | None = None,
) -> Iterator[Exim]:
    name = process.unique("exim")
    folder = install.root("exim") / "instances" / name
    port = port or process.free_port(host, address)
    tls = _furnish(folder, certificate)
    listed = (f"{recipient.lower()}: {recipient.lower()}\n" for recipient in recipients)
    (folder / "recipients").write_text("".join(listed))
    common = {"inside": _inside(folder), "address": address, "port": str(port), "own": "\n".join(settings)}
    common["log"] = "syslog : " if log else ""
    text = (COMMON + template).format(**common, **tls, **values)
    (folder / "exim.conf").write_text(text)
    for file, content in (files or {}).items():
        (folder / file).write_text(content)
    _trust(f"{_inside(folder)}/exim.conf")
    argv = process.in_chroot("exim", "usr/sbin/exim4", "-C", f"{_inside(folder)}/exim.conf", "-bdf", "-q5s")
    argv = log.before("exim", argv) if log else argv
    logs = [folder / "log" / f"{kind}log" for kind in ("main", "reject", "panic")]
    first = address.partition(" ")[0]
    ready = process.answers(first, port, greets, host)
    try:
        with process.started(name, argv, folder / "out.log", ready, host=host, more_logs=logs) as running:
            yield Exim(folder, running, first, port, host)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _trust(config: str) -> None:
    """Exim gives up its rights, and with them delivery, for a configuration that is not on this list.

    It reads no more than 32 lines, so those of instances that are gone are taken out.
    """
    root = install.root("exim")
    trusted = root / "etc/exim4/trusted_configs"
    known = trusted.read_text().split() if trusted.exists() else []
    living = [line for line in known if (root / line.lstrip("/")).parent.is_dir()]
    trusted.write_text("".join(f"{line}\n" for line in (*living, config)))


def _furnish(folder: Path, certificate: Certificate | None) -> dict[str, str]:
    for part, account in (("log", "Debian-exim"), ("spool", "Debian-exim"), ("mail", "vmail")):
        (folder / part).mkdir(parents=True)
        os.chown(folder / part, ACCOUNTS[account], ACCOUNTS[account])
    if certificate is None:
        return {"tls": "", "tls_hosts": ""}
    for file, name in ((certificate.certificate_file, "tls.crt"), (certificate.key_file, "tls.key")):
        shutil.copy(file, folder / name)
        os.chown(folder / name, ACCOUNTS["Debian-exim"], ACCOUNTS["Debian-exim"])
    inside = _inside(folder)
    return {
        "tls": f"tls_certificate = {inside}/tls.crt\ntls_privatekey = {inside}/tls.key",
        "tls_hosts": "*",
    }


@contextmanager
def next_hop(
    recipients: Sequence[str],
    *,
    proxy_from: Sequence[str] = (),
    certificate: Certificate | None = None,
    settings: Sequence[str] = (),
    users: Mapping[str, str] | None = None,
    rules: Sequence[str] = (),
    log: syslog.Collected | None = None,
    host: Host | None = None,
    address: str = "127.0.0.1",
    port: int | None = None,
) -> Iterator[Exim]:
    """Run an Exim that has Maildirs for these recipients, refuses others at RCPT, and relays nothing.
    `proxy_from`: addresses that must begin with a PROXY header. `settings`: more lines of its main part. `users` are
    the passwords of those who may send, by login; without it everybody may. `rules`: lines of its ACL for RCPT that
    come first, and say what comes of those who sign in. `log`: it logs there too.
    """
    values = {
        "domains": " : ".join(sorted({recipient.rpartition("@")[2] for recipient in recipients})),
        "proxy": " : ".join(proxy_from),
        "first": "\n".join(rules),
        "sign_in": "" if users is None or rules else "  deny message = sign in first\n       !authenticated = *",
        "authenticators": "" if users is None else AUTHENTICATORS.format(condition=_condition(users)),
    }
    with _instance(
        NEXT_HOP,
        values,
        recipients=recipients,
        certificate=certificate,
        settings=settings,
        host=host,
        address=address,
        port=port,
        greets=b"" if proxy_from else b"220",
        log=log,
    ) as running:
        yield running


@contextmanager
def behind_acl(
    acl: str,
    *,
    included: bool = False,
    users: Mapping[str, str] | None = None,
    certificate: Certificate | None = None,
    host: Host | None = None,
    address: str = "127.0.0.1",
    port: int | None = None,
) -> Iterator[Exim]:
    """Run an Exim whose own ACL accepts every recipient, behind an ACL file; or with that file included at its top.
    It throws away what it takes. More addresses may follow the first one, as in a list of Exim with semicolons.
    """
    hook, text = ("acl_check_rcpt", "  .include {inside}/tested.acl") if included else ("{inside}/tested.acl", "")
    authenticators = "" if users is None else AUTHENTICATORS.format(condition=_condition(users))
    with _instance(
        BEHIND_ACL.replace("HOOK", hook).replace("INCLUDED", text),
        {"authenticators": authenticators},
        certificate=certificate,
        settings=(),
        host=host,
        address=address,
        port=port,
        files={"tested.acl": acl},
    ) as running:
        yield running


def _condition(users: Mapping[str, str]) -> str:
    fits = [f"{{and{{{{eq{{$auth2}}{{{name}}}}}{{eq{{$auth3}}{{{word}}}}}}}}}" for name, word in users.items()]
    return f"${{if or{{{' '.join(fits)}}}}}"


@contextmanager
def client(to: tuple[str, int], *, settings: Sequence[str] = (), host: Host | None = None) -> Iterator[Exim]:
    """Run an Exim that sends everything that it takes, by `send` or on its port, to this place."""
    values = {"to_address": to[0].replace(":", "::"), "to_port": str(to[1])}
    with _instance(
        CLIENT, values, certificate=None, settings=settings, host=host, address="127.0.0.1", port=None
    ) as running:
        yield running
