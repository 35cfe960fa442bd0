"""Sendmail with a text that its configuration includes.

    with including(text) as server:

It queues what it takes and sends it to nobody. Needs root (chroot).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.peers import install, process, syslog
from tests.peers.certs import Certificate
from tests.peers.netns import Host
from tests.peers.process import PeerError
from tests.peers.server import Server

CONFIG = """\
divert(0)dnl
define(`_USE_ETC_MAIL_')dnl
include(`/usr/share/sendmail/cf/m4/cf.m4')dnl
OSTYPE(`linux')dnl
define(`confDOMAIN_NAME', `sendmail.test')dnl
define(`confPID_FILE', `{inside}/sendmail.pid')dnl
define(`QUEUE_DIR', `{inside}/queue')dnl
define(`STATUS_FILE', `{inside}/statistics')dnl
define(`confDEF_USER_ID', `root:root')dnl
define(`confTO_IDENT', `0')dnl
define(`confDONT_PROBE_INTERFACES', `True')dnl
define(`confDELIVERY_MODE', `queueonly')dnl
define(`confMAX_DAEMON_CHILDREN', `0')dnl
define(`confREJECT_LOG_INTERVAL', `0')dnl
define(`confBIND_OPTS', `-DNSRCH -DEFNAMES')dnl
define(`confSERVICE_SWITCH_FILE', `{inside}/switch')dnl
define(`confDONT_BLAME_SENDMAIL', `GroupWritableDirPathSafe,GroupReadableKeyFile')dnl
{tls}FEATURE(`no_default_msa')dnl
FEATURE(`nocanonify')dnl
FEATURE(`accept_unresolvable_domains')dnl
{listeners}{features}dnl
MAILER_DEFINITIONS
MAILER(`local')dnl
MAILER(`smtp')dnl
include(`{inside}/included.m4')
"""
TLS = """\
define(`confSERVER_CERT', `{inside}/tls.crt')dnl
define(`confSERVER_KEY', `{inside}/tls.key')dnl
define(`confCACERT', `{inside}/tls.crt')dnl
define(`confCACERT_PATH', `{inside}')dnl
"""


@contextmanager
def including(
    text: str,
    *,
    features: str = "FEATURE(`promiscuous_relay')dnl\n",
    access: str = "",
    certificate: Certificate | None = None,
    host: Host | None = None,
    addresses: Sequence[str] = ("127.0.0.1",),
    port: int | None = None,
    log: syslog.Collected | None = None,
) -> Iterator[Server]:
    """Run one that would relay for everybody, unless `features` say otherwise, and that includes this text.
    `access` is the text of an access database, which `features` then name as {inside}/access. `log`: it logs there.
    """
    name = process.unique("sendmail")
    folder = install.root("sendmail") / "instances" / name
    inside = "/" + str(folder.relative_to(install.root("sendmail")))
    port = port or process.free_port(host, addresses[0])
    _furnish(folder, text, certificate)
    listeners = "".join(
        f"DAEMON_OPTIONS(`Family={'inet6' if ':' in one else 'inet'}, Name=M{number}, Addr={one}, Port={port}')dnl\n"
        for number, one in enumerate(addresses)
    )
    (folder / "sendmail.mc").write_text(
        CONFIG.format(
            inside=inside,
            tls=TLS.format(inside=inside) if certificate else "",
            listeners=listeners,
            features=features.replace("{inside}", inside),
        )
    )
    compile_(folder)
    program = "usr/libexec/sendmail/makemap"
    done = process.output(
        process.in_chroot("sendmail", program, "-C", f"{inside}/sendmail.cf", "hash", f"{inside}/access"),
        given=access.encode(),
    )
    if done.returncode:
        raise PeerError(f"makemap: {done.stderr or done.stdout}")
    argv = process.in_chroot("sendmail", "usr/libexec/sendmail/sendmail", "-bD", "-C", f"{inside}/sendmail.cf")
    argv = log.before("sendmail", argv) if log else argv
    ready = process.answers(addresses[0], port, b"220", host)
    try:
        with process.started(name, argv, folder / "out.log", ready, host=host) as running:
            yield Server(folder, running, addresses[0], port)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _furnish(folder: Path, text: str, certificate: Certificate | None) -> None:
    (folder / "queue").mkdir(parents=True, mode=0o700)
    (folder / "included.m4").write_text(text)
    (folder / "switch").write_text("hosts files\naliases files\n")
    aliases = install.root("sendmail") / "etc/mail/aliases"
    aliases.write_text("postmaster: root\n")
    if certificate:
        shutil.copy(certificate.certificate_file, folder / "tls.crt")
        shutil.copy(certificate.key_file, folder / "tls.key")
        (folder / "tls.key").chmod(0o600)


def compile_(folder: Path) -> None:
    """Make sendmail.cf of sendmail.mc, as an administrator does. Raises PeerError with what m4 says."""
    inside = "/" + str(folder.relative_to(install.root("sendmail")))
    done = process.output(process.in_chroot("sendmail", "usr/bin/m4", f"{inside}/sendmail.mc"))
    if done.returncode:
        raise PeerError(f"m4: {done.stderr}")
    (folder / "sendmail.cf").write_text(done.stdout)


def asked(server: Server, lines: str) -> str:
    """What its address test mode answers."""
    inside = "/" + str(server.folder.relative_to(install.root("sendmail")))
    program = "usr/libexec/sendmail/sendmail"
    argv = process.in_chroot("sendmail", program, "-C", f"{inside}/sendmail.cf", "-bt")
    return process.output(argv, given=lines.encode()).stdout
