"""HAProxy in TCP mode: in front of a port with PROXY protocol v2, or as a bare address filter.

    with front(("127.0.0.1", inner), send_proxy=True) as balancer: ...
    with front(("127.0.0.1", inner), allow=["127.0.0.1"]): ...     # one `src` rule, for the bench

Needs no root.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers import process
from tests.peers.certs import Certificate
from tests.peers.netns import Host
from tests.peers.process import Running


@dataclass(slots=True)
class HAProxy:
    """A running HAProxy."""

    running: Running
    address: str
    port: int


@contextmanager
def front(
    to: tuple[str, int],
    *others: tuple[str, int],
    send_proxy: bool = False,
    version: int = 2,
    checks: bool = False,
    allow: Sequence[str] = (),
    certificate: Certificate | None = None,
    greets: bytes = b"",
    host: Host | None = None,
    address: str = "127.0.0.1",
    port: int | None = None,
    more: Sequence[str] = (),
) -> Iterator[HAProxy]:
    """Run a HAProxy that passes connections on to `to`; with `allow`, only from these addresses.

    With `others` they go to all in turn. `version` is that of the PROXY header. With `checks` it looks every 100 ms
    whether `to` is there, with a header of its own. With `certificate` it ends TLS, which begins with the connection:
    it has no STARTTLS. `more` are further lines of its section, such as `log` and rules.
    """
    folder = Path(tempfile.mkdtemp(prefix="haproxy-"))
    port = port or process.free_port(host, address)
    config = folder / "haproxy.cfg"
    config.write_text(
        _config([to, *others], f"{address}:{port}", _options(send_proxy, version, checks), allow, certificate, more)
    )
    argv = process.by_loader("haproxy", "usr/sbin/haproxy", "-db", "-f", str(config))
    ready = process.answers(address, port, greets, host)
    try:
        name = process.unique("haproxy")
        with process.started(name, argv, folder / "haproxy.log", ready, host=host) as running:
            yield HAProxy(running, address, port)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _options(send_proxy: bool, version: int, checks: bool) -> str:
    header = {1: " send-proxy", 2: " send-proxy-v2"}[version] if send_proxy else ""
    return header + (" check inter 100ms check-send-proxy" if checks else "")


def _config(
    to: Sequence[tuple[str, int]],
    bind: str,
    options: str,
    allow: Sequence[str],
    certificate: Certificate | None,
    more: Sequence[str],
) -> str:
    rules = [f"acl listed src {' '.join(allow)}", "tcp-request connection reject if !listed"] if allow else []
    lines = [
        "global",
        "maxconn 4000",
        "defaults",
        "mode tcp",
        "timeout connect 5s",
        "timeout client 300s",
        "timeout server 300s",
        "listen smtp",
        f"bind {bind}{f' ssl crt {certificate.chain_file}' if certificate else ''}",
        *rules,
        *more,
        *(f"server inner{number} {one[0]}:{one[1]}{options}" for number, one in enumerate(to)),
    ]
    return "\n".join(lines) + "\n"
