"""Unbound, a resolver that validates DNSSEC, in front of an NSD whose root zone is signed.

    with unbound.validating(records, forged={"192.0.2.1": "192.0.2.66"}) as resolver:
        resolver.at          # "127.0.0.1:PORT", as a node's setting has it

What is forged is changed in the zone after it was signed: its signature does not fit, and the answer is SERVFAIL.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.peers import nsd, process
from tests.peers.nsd import Nsd

CONFIG = """\
server:
  interface: {address}@{port}
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: ""
  use-syslog: no
  logfile: ""
  val-log-level: 2
  do-daemonize: no
  do-ip6: no
  do-not-query-localhost: no
  module-config: "validator iterator"
  trust-anchor-file: "{anchor}"
  aggressive-nsec: no
  local-zone: "test." nodefault
  local-zone: "127.in-addr.arpa." nodefault
remote-control:
  control-enable: no
stub-zone:
  name: "."
  stub-addr: {authority}
"""


@contextmanager
def validating(
    records: Sequence[str], *, forged: Mapping[str, str], address: str = "127.0.0.1", ttl: int = 60
) -> Iterator[Nsd]:
    """Run both with these records, as `nsd.authoritative` has them."""
    folder = Path(tempfile.mkdtemp(prefix="unbound-"))
    try:
        anchor = _run(folder, "ldns-keygen", "-a", "ECDSAP256SHA256", "-k", ".").strip()

        def signed(zone: Path) -> None:
            _run(folder, "ldns-signzone", "-f", str(folder / "signed"), str(zone), anchor)
            text = (folder / "signed").read_text()
            for true, lie in forged.items():
                assert true in text
                text = text.replace(true, lie)
            zone.write_text(text)

        with nsd.authoritative(records, ttl=ttl, changed=signed) as authority:
            port = process.free_port(None, address)  # now that the other one has its own
            config = folder / "unbound.conf"
            upstream = f"{authority.address}@{authority.port}"
            config.write_text(
                CONFIG.format(
                    address=address, port=port, folder=folder, anchor=folder / f"{anchor}.key", authority=upstream
                )
            )
            argv = process.by_loader("unbound", "usr/sbin/unbound", "-d", "-c", str(config))
            ready = process.answers(address, port, b"")
            with process.started(process.unique("unbound"), argv, folder / "unbound.log", ready) as running:
                yield Nsd(running, address, port)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(folder: Path, program: str, *arguments: str) -> str:
    argv = process.by_loader("ldnsutils", f"usr/bin/{program}", *arguments)
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=True, timeout=30).stdout
