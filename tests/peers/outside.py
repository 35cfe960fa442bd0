"""A machine under test, and the whole Internet before it: any number of clients, each with an address of its own.

    with outside() as net:
        net.reach(["198.51.100.1", "2001:db8::1"], (net.ADDRESS4, 25))     # who gets a connection
        net.answers(["198.51.100.1"], (net.ADDRESS4, 25), ["EHLO x.test"])   # what they hear

Two network namespaces and one link. On the outer side every address is local (Linux calls it AnyIP), so a client may
bind to any; the machine sends everything it answers there. Dropped packets are told apart by time. Needs root.
"""

from __future__ import annotations

import itertools
import os
import selectors
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import ClassVar

from tests.peers.netns import Host, _ip, _namespace
from tests.peers.process import PeerError, until

_numbers = itertools.count(1)
_HARDWARE = {1: "02:00:00:00:00:01", 2: "02:00:00:00:00:02"}
_BATCH = 500
_SILENCE = 2.2
"""Seconds after which a connection does not come any more: the second SYN is sent after one."""


@dataclass(frozen=True, slots=True)
class Outside:
    """Both sides. The machine's interface is called `wan0`."""

    machine: Host
    clients: Host

    ADDRESS4: ClassVar = "192.0.2.25"
    ADDRESS6: ClassVar = "2001:db8:ffff::25"

    def at(self, source: str, port: int = 25) -> tuple[str, int]:
        """Where a client with that address finds the machine."""
        return (self.ADDRESS6 if ":" in source else self.ADDRESS4), port

    def reach(self, sources: Iterable[str], port: int = 25, to: str = "") -> set[str]:
        """Those of `sources` that get a TCP connection."""
        wanted = list(sources)
        found: set[str] = set()
        for start in range(0, len(wanted), _BATCH):
            batch = wanted[start : start + _BATCH]
            found |= self.clients.call(lambda batch=batch: _connected(batch, port, to))  # type: ignore[misc]
        return found

    def answers(
        self, sources: Iterable[str], lines: Sequence[str], *, port: int = 25, at_once: int = 20, seconds: float = 20.0
    ) -> dict[str, list[str]]:
        """What each client hears: the last line of the greeting and of each reply, "" from where nothing came."""

        def one(source: str) -> list[str]:
            return self.clients.call(lambda: _talk(source, self.at(source, port), lines, seconds))

        wanted = list(sources)
        with ThreadPoolExecutor(at_once) as threads:
            return dict(zip(wanted, threads.map(one, wanted), strict=True))


def _socket(source: str) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET)
    # Binds to any address, and routes as if it were the machine's own (ip(7), IP_TRANSPARENT).
    made.setsockopt(*((socket.IPPROTO_IPV6, 75) if ":" in source else (socket.IPPROTO_IP, 19)), 1)
    made.bind((source, 0))
    return made


def _connected(sources: Sequence[str], port: int, to: str) -> set[str]:
    selector, found = selectors.DefaultSelector(), set()
    with ExitStack() as stack:
        for source in sources:
            one = stack.enter_context(_socket(source))
            one.setblocking(False)
            with suppress(BlockingIOError):
                one.connect((to or (Outside.ADDRESS6 if ":" in source else Outside.ADDRESS4), port))
            selector.register(one, selectors.EVENT_WRITE, source)
        until, open_ = time.monotonic() + _SILENCE, len(sources)
        while open_ and (left := until - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                selector.unregister(key.fileobj)
                open_ -= 1
                if isinstance(key.fileobj, socket.socket) and not key.fileobj.getsockopt(
                    socket.SOL_SOCKET, socket.SO_ERROR
                ):
                    found.add(str(key.data))
    return found


def _talk(source: str, at: tuple[str, int], lines: Sequence[str], seconds: float) -> list[str]:
    heard: list[str] = []
    with _socket(source) as one, suppress(OSError):
        one.settimeout(seconds)
        one.connect(at)
        with one.makefile("rb") as stream:
            heard.append(_reply(stream))
            for line in lines:
                one.sendall(line.encode() + b"\r\n")
                heard.append(_reply(stream))
    return heard + [""] * (len(lines) + 1 - len(heard))


def _reply(stream: object) -> str:
    while True:
        line: bytes = stream.readline()  # type: ignore[attr-defined]
        if len(line) < 4 or line[3:4] != b"-":
            return line.decode("utf-8", "replace").rstrip("\r\n")


@contextmanager
def outside() -> Iterator[Outside]:
    """Make both until the end of the block."""
    tag = f"ao{os.getpid()}x{next(_numbers)}"
    machine = Host("machine", f"{tag}-machine", (Outside.ADDRESS4, Outside.ADDRESS6))
    clients = Host("clients", f"{tag}-clients", ("198.18.0.1",))
    with ExitStack() as undo:
        for host in (machine, clients):
            _namespace(host.namespace, undo)
        _ip("-n", machine.namespace, "link", "add", "wan0", "type", "veth", "peer", "wan1", "netns", clients.namespace)
        for host, device, four, six in ((machine, "wan0", 2, 2), (clients, "wan1", 1, 1)):
            at = ("-n", host.namespace)
            _ip(*at, "address", "add", f"198.18.0.{four}/30", "dev", device)
            _ip(*at, "address", "add", f"fd00::{six}/64", "dev", device, "nodad")
            _ip(*at, "link", "set", device, "address", _HARDWARE[four], "up")
        for host, device, other in ((machine, "wan0", 1), (clients, "wan1", 2)):
            # Whoever binds to a strange address can't ask for a neighbour's.
            for neighbour in (f"198.18.0.{other}", f"fd00::{other}"):
                said = (
                    "neighbour",
                    "replace",
                    neighbour,
                    "dev",
                    device,
                    "lladdr",
                    _HARDWARE[other],
                    "nud",
                    "permanent",
                )
                _ip("-n", host.namespace, *said)
        for address in machine.addresses:
            _ip(
                "-n",
                machine.namespace,
                "address",
                "add",
                address,
                "dev",
                "wan0",
                *(["nodad"] if ":" in address else []),
            )
            _ip("-n", clients.namespace, "route", "add", address, "via", "fd00::2" if ":" in address else "198.18.0.2")
        _ip("-n", machine.namespace, "route", "add", "default", "via", "198.18.0.1")
        _ip("-n", machine.namespace, "-6", "route", "add", "default", "via", "fd00::1")
        for family in ("-4", "-6"):
            anywhere = "0.0.0.0/0" if family == "-4" else "::/0"
            there = ("-n", clients.namespace, family)
            _ip(*there, "route", "add", "local", anywhere, "dev", "lo", "table", "100")
            _ip(*there, "rule", "add", "iif", "wan1", "lookup", "100", "priority", "100")
        machine.run(["sysctl", "-qw", "net.core.somaxconn=8192", "net.ipv4.tcp_syncookies=0"])
        for host, device in ((machine, "wan0"), (clients, "wan1")):
            if not until(lambda host=host, device=device: "state UP" in host.run(["ip", "link", "show", device])):  # type: ignore[misc]
                raise PeerError(f"the link {device} does not come up")
        yield Outside(machine, clients)


@contextmanager
def listening(net: Outside, port: int = 25, address: str = "::") -> Iterator[None]:
    """Somebody who takes connections on the machine, and closes them at once."""
    program = (
        "import socket,sys\n"
        "s=socket.create_server((sys.argv[1],int(sys.argv[2])),family=socket.AF_INET6,dualstack_ipv6=True,backlog=4096)\n"
        "print('ready',flush=True)\n"
        "while True: s.accept()[0].close()\n"
    )
    argv = ["python3", "-c", program, address, str(port)]
    with net.machine.popen(argv, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield
        finally:
            process.kill()
