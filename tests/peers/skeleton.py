"""What a root needs besides its packages: devices, a few files, and the users that Debian would have made.

The users' ids are the same in every root. Nothing outside the root is written.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

STAMP = ".unpacked"
VERSION = 3  # raise it when this file changes what is made, so that roots are made anew

# name -> id of user and group alike
ACCOUNTS = {
    "root": 0,
    "mail": 8,
    "vmail": 5000,
    "postfix": 5001,
    "postdrop": 5002,
    "Debian-exim": 5003,
    "opensmtpd": 5004,
    "opensmtpq": 5005,
    "dovecot": 5006,
    "dovenull": 5007,
    "nogroup": 65534,
    "nobody": 65534,
}
FILES = {
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files\nservices: files\n",
    "resolv.conf": "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
    "services": "smtp 25/tcp mail\nsubmission 587/tcp\nlmtp 24/tcp\nldap 389/tcp\nldaps 636/tcp\n",
    "mailname": "peer.test\n",
}
DEVICES = {"null": 3, "zero": 5, "random": 8, "urandom": 9}


def furnish(root: Path) -> None:
    """Make users, the few files that the C library reads, devices (as root only) and writable folders."""
    for name in ("etc", "dev", "tmp", "run", "var/tmp", "var/empty", "instances"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in ("tmp", "var/tmp"):
        (root / name).chmod(0o1777)
    _accounts(root / "etc")
    for name, text in FILES.items():
        (root / "etc" / name).write_text(text)
    if os.geteuid() == 0:
        _devices(root / "dev")


def _accounts(etc: Path) -> None:
    passwd = (f"{name}:x:{id_}:{id_}::/var/empty:/usr/sbin/nologin\n" for name, id_ in ACCOUNTS.items())
    group = (f"{name}:x:{id_}:\n" for name, id_ in ACCOUNTS.items())
    shadow = (f"{name}:*:19000::::::\n" for name in ACCOUNTS)
    (etc / "passwd").write_text("".join(passwd))
    (etc / "group").write_text("".join(group))
    (etc / "shadow").write_text("".join(shadow))


def _devices(dev: Path) -> None:
    for name, minor in DEVICES.items():
        os.mknod(dev / name, stat.S_IFCHR | 0o666, os.makedev(1, minor))
        (dev / name).chmod(0o666)
