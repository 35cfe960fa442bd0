"""swaks, a client that does exactly what it is told, and `openssl s_client`. Neither needs root.

said = swaks(("127.0.0.1", 2525), "--to", "anna@example.test")
assert said.code == 0 and "250 2.0.0" in said.text
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.peers import install, process
from tests.peers.netns import Host


@dataclass(frozen=True, slots=True)
class Said:
    """How a client ended and the whole conversation that it printed."""

    code: int
    text: str


def swaks(to: tuple[str, int], *options: str, host: Host | None = None, seconds: float = 30.0) -> Said:
    """Send one message, or do what the options say. Exit codes: 0 sent, 24 all recipients refused, ..."""
    root = install.root("swaks")
    script = str(root / "usr/bin/swaks")
    folders = [*root.glob("usr/lib/*/perl5/5*"), *root.glob("usr/lib/*/perl/5*"), *root.glob("usr/lib/*/perl-base")]
    folders += [root / "usr/share/perl5", *root.glob("usr/share/perl/5*")]
    argv = process.by_loader("swaks", "usr/bin/perl", script, "--server", to[0], "--port", str(to[1]), *options)
    done = process.output(argv, host=host, seconds=seconds, extra_environment={"PERL5LIB": ":".join(map(str, folders))})
    return Said(done.returncode, done.stdout + done.stderr)


def s_client(
    to: tuple[str, int], *options: str, given: bytes = b"", host: Host | None = None, seconds: float = 30.0
) -> Said:
    """Connect by `openssl s_client`, with STARTTLS unless the options name another, and send these bytes."""
    start = () if "-starttls" in options or "-alpn" in options else ("-starttls", "smtp")
    argv = process.by_loader("openssl", "usr/bin/openssl", "s_client", "-connect", f"{to[0]}:{to[1]}", *start, *options)
    done = process.output(argv, given=given, host=host, seconds=seconds)
    return Said(done.returncode, done.stdout + done.stderr)
