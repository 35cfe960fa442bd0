"""smtp-source and smtp-sink, Postfix's own load generator and sink.

    with sink() as to:                       # takes everything; `to.port`
        source(("127.0.0.1", port), messages=100, sessions=5)

Loopback and made namespaces only: `source` refuses other addresses. Neither needs root.
"""

from __future__ import annotations

import ipaddress
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers import install, process
from tests.peers.netns import Host
from tests.peers.process import PeerError, Running

DOCUMENTATION = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")


@dataclass(slots=True)
class Sink:
    """A running smtp-sink."""

    running: Running
    address: str
    port: int


@contextmanager
def sink(
    *options: str,
    backlog: int = 1000,
    host: Host | None = None,
    address: str = "127.0.0.1",
    port: int | None = None,
    log: Path | None = None,
) -> Iterator[Sink]:
    """Run a server that takes all mail and forgets it. `options` are smtp-sink's own, e.g. "-v"."""
    name = process.unique("smtp-sink")
    port = port or process.free_port(host, address)
    place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    rights = ("-u", "nobody") if os.geteuid() == 0 else ()  # it will not run as root
    argv = process.by_loader("smtp-source", "usr/sbin/smtp-sink", *rights, *options, f"inet:{place}", str(backlog))
    with (
        _log(name, log) as out,
        process.started(name, argv, out, process.answers(address, port, b"220", host), host=host) as running,
    ):
        yield Sink(running, address, port)


@contextmanager
def _log(name: str, log: Path | None) -> Iterator[Path]:
    if log:
        yield log
        return
    made = install.cache() / f"{name}.log"
    try:
        yield made
    finally:
        made.unlink(missing_ok=True)


def source_argv(
    to: tuple[str, int],
    *,
    messages: int,
    sessions: int = 1,
    size: int | None = None,
    keep: bool = False,
    sender: str = "sender@example.org",
    recipient: str = "anna@example.test",
    options: Sequence[str] = (),
) -> list[str]:
    """Return the command of smtp-source. `keep`: many messages over one connection (its option -d, "don't disconnect
    after sending a message").
    """
    address = ipaddress.ip_address(to[0])
    if not (address.is_loopback or any(address in ipaddress.ip_network(net) for net in DOCUMENTATION)):
        raise PeerError(f"{address} is neither loopback nor an address for documentation")
    arguments = ["-m", str(messages), "-s", str(sessions), "-f", sender, "-t", recipient, *options]
    arguments += ["-d"] if keep else []
    arguments += ["-l", str(size)] if size else []
    place = f"[{to[0]}]:{to[1]}" if address.version == 6 else f"{to[0]}:{to[1]}"
    return process.by_loader("smtp-source", "usr/sbin/smtp-source", *arguments, f"inet:{place}")


def source(to: tuple[str, int], *, host: Host | None = None, seconds: float = 60.0, **wanted: object) -> float:
    """Send messages (the words of `source_argv`) and return the seconds that it took."""
    argv = source_argv(to, **wanted)  # type: ignore[arg-type]
    begin = time.monotonic()
    done = process.output(argv, host=host, seconds=seconds)
    if done.returncode or done.stderr:
        raise PeerError(f"smtp-source: {done.returncode} {done.stderr}")
    return time.monotonic() - begin
