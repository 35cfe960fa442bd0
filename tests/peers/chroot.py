"""Runs a shell in a peer's root and on a host of a test, with /proc: for programs that make a firewall.

The mounts live in the mount namespace that `ip netns exec` makes, and go with the command.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.peers import install, process
from tests.peers.netns import Host
from tests.peers.process import PeerError

_BESIDE = """
mount -t proc proc "$0/proc" || exit
while [ "$1" != -- ]; do mount --bind "$1" "$0$2" || exit; shift 2; done
shift
exec chroot "$0" /usr/bin/env -i "$@"
"""


def shell(
    peer: str,
    host: Host,
    script: str,
    *arguments: str,
    path: str = "",
    binds: Mapping[str, Path] | None = None,
    seconds: float = 60.0,
) -> subprocess.CompletedProcess[str]:
    """Run a script there; `path` is looked into before the root's usual folders, `binds` lie over folders of it."""
    argv = command(peer, ["sh", "-s", *arguments], binds, path)
    return process.output(argv, given=script.encode(), host=host, seconds=seconds)


def command(peer: str, argv: Sequence[str], binds: Mapping[str, Path] | None = None, path: str = "") -> list[str]:
    """What starts a program there. It stays the process that is started."""
    root = install.root(peer)
    (root / "proc").mkdir(exist_ok=True)
    folders = ":".join([*filter(None, [path]), "/usr/sbin", "/usr/bin", "/sbin", "/bin"])
    over = [word for inner, outer in (binds or {}).items() for word in (str(outer), inner)]
    return ["sh", "-c", _BESIDE, str(root), *over, "--", f"PATH={folders}", "LC_ALL=C", *argv]


@dataclass(frozen=True, slots=True)
class Shell:
    """A shell in a peer's root on a host, with folders of its own over some of the root's."""

    peer: str
    host: Host
    binds: Mapping[str, Path]

    def __call__(
        self, script: str, *arguments: str, code: int = 0, seconds: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a script; another exit code raises."""
        done = shell(self.peer, self.host, script, *arguments, binds=self.binds, seconds=seconds)
        if done.returncode != code:
            raise PeerError(f"{done.returncode}: {done.stderr}{done.stdout}")
        return done

    def prefix(self, path: str = "") -> list[str]:
        """What stands before a command so that it runs there; programs of the folder `path` come first."""
        return [*self.host.prefix, *command(self.peer, [], self.binds, path)]
