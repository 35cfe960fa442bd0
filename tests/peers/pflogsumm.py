"""pflogsumm: what administrators sum up a Postfix log with; the rival of our readers in the bench.

report(path)      # the text that it prints
"""

from __future__ import annotations

from pathlib import Path

from tests.peers import install, process
from tests.peers.process import PeerError


def command(path: Path) -> tuple[list[str], dict[str, str]]:
    """The command line and its environment."""
    root = install.root("pflogsumm")
    folders = [*root.glob("usr/lib/*/perl5/5*"), *root.glob("usr/lib/*/perl/5*"), *root.glob("usr/lib/*/perl-base")]
    folders += [root / "usr/share/perl5", *root.glob("usr/share/perl/5*")]
    argv = process.by_loader("pflogsumm", "usr/bin/perl", str(root / "usr/sbin/pflogsumm"), str(path))
    return argv, {"PERL5LIB": ":".join(map(str, folders))}


def report(path: Path, seconds: float = 60.0) -> str:
    """What it says of the log at `path`."""
    argv, environment = command(path)
    done = process.output(argv, seconds=seconds, extra_environment=environment)
    if done.returncode:
        raise PeerError(f"pflogsumm: {done.stderr}")
    return done.stdout
