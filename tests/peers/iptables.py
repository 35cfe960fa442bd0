"""iptables of both kinds, the kernel's old tables and nft's, under the plain names that scripts call."""

from __future__ import annotations

import subprocess

from tests.peers import install
from tests.peers.chroot import shell
from tests.peers.netns import Host
from tests.peers.process import PeerError

BACKENDS = ("legacy", "nft")


def run(backend: str, host: Host, script: str, *arguments: str) -> str:
    """Run a script with that backend and return its output; an error raises."""
    done = attempt(backend, host, script, *arguments)
    if done.returncode:
        raise PeerError(f"{done.returncode}: {done.stderr}{done.stdout}")
    return done.stdout


def attempt(backend: str, host: Host, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The same, whatever comes of it."""
    folder = install.root("iptables") / "instances" / backend
    folder.mkdir(exist_ok=True)
    for name in ("iptables", "ip6tables"):
        for suffix in ("", "-restore", "-save"):
            link = folder / f"{name}{suffix}"
            if not link.is_symlink():
                link.symlink_to(f"/usr/sbin/{name}-{backend}{suffix}")
    return shell("iptables", host, script, *arguments, path=f"/instances/{backend}")
