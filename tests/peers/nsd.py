"""NSD, a DNS server that is authoritative for everything: what is not in its zone does not exist.

    with nsd.authoritative(["mail.example.test. A 192.0.2.1"]) as server:
        server.at            # "127.0.0.1:PORT", as a node's setting has it

The zone is the root. Records are lines of a zone file without class. Needs no root, except on another host.
"""

from __future__ import annotations

import ipaddress
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers import process
from tests.peers.netns import Host
from tests.peers.process import Running

CONFIG = """\
server:
  ip-address: {address}@{port}
  username: ""
  chroot: ""
  zonesdir: "{folder}"
  database: ""
  pidfile: "{folder}/pid"
  xfrdfile: "{folder}/xfrd"
  xfrdir: "{folder}"
  zonelistfile: "{folder}/zones"
  server-count: 1
  verbosity: 1
remote-control:
  control-enable: no
zone:
  name: "."
  zonefile: "root.zone"
"""
HEAD = """\
$ORIGIN .
$TTL {ttl}
@ SOA ns.test. hostmaster.test. 1 3600 600 86400 {ttl}
@ NS ns.test.
ns.test. A {address}
"""


@dataclass(slots=True)
class Nsd:
    """A running NSD."""

    running: Running
    address: str
    port: int

    @property
    def at(self) -> str:
        """Return ADDRESS:PORT."""
        return f"{self.address}:{self.port}"


def reverse(address: str, name: str) -> str:
    """Return the PTR record of an address."""
    return f"{ipaddress.ip_address(address).reverse_pointer}. PTR {name}."


@contextmanager
def authoritative(
    records: Sequence[str],
    *,
    ttl: int = 60,
    host: Host | None = None,
    address: str = "127.0.0.1",
    port: int = 0,
    changed: Callable[[Path], None] = lambda _zone: None,
) -> Iterator[Nsd]:
    """Run one with these records. `changed` may write the zone's file anew, such as one that is signed."""
    folder = Path(tempfile.mkdtemp(prefix="nsd-"))
    port = port or process.free_port(host, address)
    (folder / "root.zone").write_text(HEAD.format(ttl=ttl, address=address) + "".join(f"{one}\n" for one in records))
    changed(folder / "root.zone")
    config = folder / "nsd.conf"
    config.write_text(CONFIG.format(address=address, port=port, folder=folder))
    argv = process.by_loader("nsd", "usr/sbin/nsd", "-d", "-c", str(config))
    name = process.unique("nsd")
    ready = process.answers(address, port, b"", host)
    try:
        with process.started(name, argv, folder / "nsd.log", ready, host=host) as running:
            yield Nsd(running, address, port)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
