"""Several hosts on one machine: network namespaces joined by a bridge that leads nowhere else.

    with network({"gateway": ["192.0.2.1", "2001:db8::1"], "stranger": ["198.51.100.7"]}) as hosts:
        hosts["stranger"].output(["swaks", ...])

All addresses are on one link, whatever their network, so that tests can use any addresses of the ranges
for documentation. Names are unique per process; everything is removed at the end. Needs root.
"""

from __future__ import annotations

import ctypes
import functools
import ipaddress
import itertools
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

CLONE_NEWNET = 0x40000000
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Host:
    """One host: a name, its namespace and its addresses."""

    name: str
    namespace: str
    addresses: tuple[str, ...]

    @property
    def prefix(self) -> tuple[str, ...]:
        """Return what goes before a command so that it runs on this host."""
        return ("ip", "netns", "exec", self.namespace)

    def popen(self, argv: Sequence[str], **options: object) -> subprocess.Popen[bytes]:
        """Start a command on this host. The caller ends it."""
        return subprocess.Popen([*self.prefix, *argv], **options)  # type: ignore[call-overload, no-any-return]

    def run(self, argv: Sequence[str], *, given: bytes = b"", seconds: float = 30.0) -> str:
        """Run a command on this host to its end and return its output; an error raises."""
        command = [*self.prefix, *argv]
        done = subprocess.run(command, input=given, capture_output=True, timeout=seconds, check=True)
        return done.stdout.decode("utf-8", "replace")

    def call(self, function: Callable[[], T]) -> T:
        """Call a function on this host. Sockets that it makes stay there and work from everywhere."""
        results: list[T] = []
        errors: list[BaseException] = []

        def body() -> None:
            try:
                _enter(self.namespace)
                results.append(function())
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=body)  # a thread of its own, since it stays on that host
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return results[0]


def _enter(namespace: str) -> None:
    descriptor = os.open(Path("/run/netns", namespace), os.O_RDONLY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter network namespace {namespace}")
    finally:
        os.close(descriptor)


@functools.cache
def missing() -> str | None:
    """Say why there can be no namespaces here, or None if there can."""
    if shutil.which("ip") is None:
        return "network namespaces need the Debian package iproute2"
    if os.geteuid() != 0:
        return "network namespaces need root"
    try:
        with network({"probe": ["192.0.2.1"]}):
            return None
    except subprocess.CalledProcessError as error:
        return f"network namespaces cannot be made here: {error.stderr.decode(errors='replace').strip()}"


@contextmanager
def network(hosts: Mapping[str, Sequence[str]]) -> Iterator[dict[str, Host]]:
    """Make a network of these hosts, name -> addresses, until the end of the block."""
    tag = f"as{os.getpid()}x{next(_numbers)}"
    bridge = f"{tag}-bridge"
    with ExitStack() as undo:
        _namespace(bridge, undo)
        _ip("-n", bridge, "link", "add", "bridge", "type", "bridge", "forward_delay", "0")
        _ip("-n", bridge, "link", "set", "bridge", "up")
        made = {name: Host(name, f"{tag}-{name}", tuple(addresses)) for name, addresses in hosts.items()}
        for number, host in enumerate(made.values()):
            _namespace(host.namespace, undo)
            _join(host, bridge, f"port{number}")
        yield made


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def _namespace(name: str, undo: ExitStack) -> None:
    _ip("netns", "add", name)
    undo.callback(subprocess.run, ["ip", "netns", "delete", name], check=False, capture_output=True)
    _ip("-n", name, "link", "set", "lo", "up")


def _join(host: Host, bridge: str, port: str) -> None:
    inside = ("-n", host.namespace)
    _ip("-n", bridge, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", host.namespace)
    _ip("-n", bridge, "link", "set", port, "master", "bridge", "up")
    for address in host.addresses:
        # Without duplicate address detection an IPv6 address works at once.
        long = 128 if ipaddress.ip_address(address).version == 6 else 32
        _ip(*inside, "address", "add", f"{address}/{long}", "dev", "eth0", *(["nodad"] if long == 128 else []))
    _ip(*inside, "link", "set", "eth0", "up")
    _ip(*inside, "route", "add", "default", "dev", "eth0")
    if any(":" in address for address in host.addresses):
        _ip(*inside, "-6", "route", "add", "default", "dev", "eth0")
