"""ufw on a host of a test: the program of the Debian package, with an /etc/ufw of its own for each test.

    with ufw(net.machine) as run:
        run("ufw allow 25/tcp")

What the package's installation would have done is done here: copies of its rules, and the names of iptables.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.peers import install, process
from tests.peers.chroot import Shell
from tests.peers.netns import Host

Run = Shell


@contextmanager
def ufw(host: Host, *, ipv6: bool = True) -> Iterator[Run]:
    """Enabled until the end of the block; it looks after IPv6 too unless told otherwise."""
    root = install.root("ufw")
    _names(root)
    folder = root / "instances" / process.unique("ufw")
    try:
        _configure(root, folder, ipv6)
        binds = {"/etc/ufw": folder / "etc", "/etc/default": folder / "default"}
        run = Shell("ufw", host, binds)
        run("ufw --force enable")
        try:
            yield run
        finally:
            run("ufw --force disable; for tables in iptables ip6tables; do $tables -F; $tables -X; done")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _names(root: Path) -> None:
    for name in ("iptables", "ip6tables"):
        for suffix in ("", "-restore", "-save"):
            link = root / "usr/sbin" / f"{name}{suffix}"
            if not link.is_symlink():
                link.symlink_to(f"{name}-nft{suffix}")


def _configure(root: Path, folder: Path, ipv6: bool) -> None:
    shutil.copytree(root / "etc/ufw", folder / "etc")
    shared = root / "usr/share/ufw"
    for file in [*(shared / "iptables").glob("*.rules"), *shared.glob("*.init"), shared / "ufw.conf"]:
        shutil.copy(file, folder / "etc")
        (folder / "etc" / file.name).chmod(0o640)
    (folder / "default").mkdir()
    text = (root / "etc/default/ufw").read_text()
    (folder / "default/ufw").write_text(text if ipv6 else text.replace("IPV6=yes", "IPV6=no"))
