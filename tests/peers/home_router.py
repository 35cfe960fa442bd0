"""A home router in namespaces: MiniUPnPd (its nftables or its iptables build) between a home network and the Internet.

    with home_router("nftables") as home:
        home.upnpc("-a", home.OTHER, "25", "25", "TCP")        # a machine at home lets itself be forwarded to
        home.through()                                         # who answers to a stranger that comes to port 25

Four machines: the router, its administrator's (`inside`), another one at home that takes connections on some ports
(`other`), and a stranger. The addresses of the outer side are no private or documentation ones, since MiniUPnPd takes
those for another router's inside and then does nothing. Needs root.
"""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tests.peers import install, process
from tests.peers.netns import Host, _ip, _namespace
from tests.peers.process import PeerError, until

_numbers = itertools.count(1)
_UUID = "3425b48b-0000-4000-8000-000000000001"
_CONFIG = """\
ext_ifname=wan0
listening_ip=lan0
http_port=5000
enable_natpmp={natpmp}
enable_upnp=yes
secure_mode={secure}
min_lifetime=1
system_uptime=yes
notify_interval=600
uuid={uuid}
ipv6_disable=yes
lease_file={folder}/leases
{more}allow 0-65535 0.0.0.0/0 0-65535
"""
_NFTABLES = """
table inet filter {
	chain miniupnpd { }
	chain prerouting_miniupnpd { }
	chain postrouting_miniupnpd { }
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		iifname "lan0" accept
		jump miniupnpd
	}
	chain prerouting {
		type nat hook prerouting priority dstnat;
		jump prerouting_miniupnpd
	}
	chain postrouting {
		type nat hook postrouting priority srcnat;
		jump postrouting_miniupnpd
	}
}
"""
_IPTABLES = """\
*nat
:PREROUTING ACCEPT
:POSTROUTING ACCEPT
:MINIUPNPD -
:MINIUPNPD-POSTROUTING -
-A PREROUTING -i wan0 -j MINIUPNPD
-A POSTROUTING -o wan0 -j MINIUPNPD-POSTROUTING
COMMIT
*mangle
:MINIUPNPD -
COMMIT
*filter
:FORWARD DROP
:MINIUPNPD -
-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A FORWARD -i lan0 -j ACCEPT
-A FORWARD -i wan0 ! -o wan0 -j MINIUPNPD
COMMIT
"""


@dataclass(frozen=True, slots=True)
class Home:
    """All four."""

    router: Host
    inside: Host
    other: Host
    stranger: Host

    ROUTER: ClassVar = "192.168.1.1"
    INSIDE: ClassVar = "192.168.1.5"
    OTHER: ClassVar = "192.168.1.9"
    OUTER: ClassVar = "11.0.0.2"
    STRANGER: ClassVar = "11.0.0.1"
    DESCRIPTION: ClassVar = f"http://{ROUTER}:5000/rootDesc.xml"

    def upnpc(self, *words: str, of: str = "inside") -> str:
        """What upnpc says; the program and its libraries are those of Debian's package."""
        argv = process.by_loader("upnpc", "usr/bin/upnpc", "-u", self.DESCRIPTION, *words)
        return process.output(argv, host=getattr(self, of)).stdout

    def through(self, port: int = 25) -> str:
        """The greeting that a stranger gets at the router's outer address; "" where none comes."""

        def ask() -> str:
            try:
                with socket.create_connection((self.OUTER, port), 1.5) as one:
                    return one.recv(100).decode()
            except OSError:
                return ""

        return self.stranger.call(ask)


@contextmanager
def home_router(build: str, *, secure: bool = False, natpmp: bool = True, more: str = "") -> Iterator[Home]:
    """Make all that until the end of the block."""
    with ExitStack() as undo:
        home = _home(undo)
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="home-")))
        for host, name, ports in ((home.other, "other", (25, 465)), (home.inside, "inside", (25,))):
            undo.enter_context(_greeting(host, name, ports))
        config = _CONFIG.format(
            natpmp="yes" if natpmp else "no", secure="yes" if secure else "no", uuid=_UUID, folder=folder, more=more
        )
        (folder / "conf").write_text(config)
        (folder / "leases").touch()
        peer = "miniupnpd" if build == "nftables" else "miniupnpd-iptables"
        _firewall(home.router, build)
        argv = process.by_loader(
            peer, "usr/sbin/miniupnpd", "-d", "-f", str(folder / "conf"), "-P", str(folder / "pid")
        )
        ready = process.answers(Home.ROUTER, 5000, host=home.inside)
        undo.enter_context(process.started(process.unique(peer), argv, folder / "log", ready, host=home.router))
        yield home


def _home(undo: ExitStack) -> Home:
    tag = f"ah{os.getpid()}x{next(_numbers)}"
    made = {name: Host(name, f"{tag}-{name}", ()) for name in ("router", "inside", "other", "stranger")}
    home = Home(**made)
    for host in made.values():
        _namespace(host.namespace, undo)
    router = ("-n", home.router.namespace)
    _ip(*router, "link", "add", "lan0", "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
    _ip(*router, "address", "add", f"{Home.ROUTER}/24", "dev", "lan0")
    _ip(*router, "link", "set", "lan0", "up")
    for host, address in ((home.inside, Home.INSIDE), (home.other, Home.OTHER)):
        _ip(*router, "link", "add", host.name, "type", "veth", "peer", "name", "eth0", "netns", host.namespace)
        _ip(*router, "link", "set", host.name, "master", "lan0", "up")
        _address(host, "eth0", f"{address}/24")
        _ip("-n", host.namespace, "route", "add", "default", "via", Home.ROUTER)
    _ip(*router, "link", "add", "wan0", "type", "veth", "peer", "name", "eth0", "netns", home.stranger.namespace)
    _address(home.router, "wan0", f"{Home.OUTER}/30")
    _address(home.stranger, "eth0", f"{Home.STRANGER}/30")
    _ip(*router, "route", "add", "default", "via", Home.STRANGER)
    home.router.run(["sysctl", "-qw", "net.ipv4.ip_forward=1"])
    for host, device in ((home.router, "wan0"), (home.router, "lan0"), (home.inside, "eth0"), (home.other, "eth0")):
        if not until(lambda host=host, device=device: "state UP" in host.run(["ip", "link", "show", device])):  # type: ignore[misc]
            raise PeerError(f"the link {device} does not come up")
    return home


def _address(host: Host, device: str, address: str) -> None:
    _ip("-n", host.namespace, "address", "add", address, "dev", device)
    _ip("-n", host.namespace, "link", "set", device, "up")


def _firewall(router: Host, build: str) -> None:
    if build == "nftables":
        router.run([*process.by_loader("nftables", "usr/sbin/nft"), "-f", "-"], given=_NFTABLES.encode())
        return
    root = install.root("miniupnpd-iptables")
    matches = next(root.glob("usr/lib/*/xtables"))
    restore = process.by_loader("miniupnpd-iptables", "usr/sbin/xtables-legacy-multi", "iptables-restore")
    router.run(["env", f"XTABLES_LIBDIR={matches}", *restore], given=_IPTABLES.encode())


@contextmanager
def _greeting(host: Host, name: str, ports: Sequence[int]) -> Iterator[None]:
    """Somebody on that host who says its name to whoever connects."""
    program = (
        "import selectors,socket,sys\n"
        "chosen=selectors.DefaultSelector()\n"
        "for port in sys.argv[2:]: chosen.register(socket.create_server(('0.0.0.0',int(port))),1)\n"
        "print('ready',flush=True)\n"
        "while True:\n"
        "  for key,_ in chosen.select():\n"
        "    with key.fileobj.accept()[0] as one: one.sendall(f'220 {sys.argv[1]}'.encode())\n"
    )
    python = shutil.which("python3") or "python3"
    argv = [python, "-c", program, name, *map(str, ports)]
    with host.popen(argv, stdout=subprocess.PIPE) as running:
        try:
            assert running.stdout is not None
            assert running.stdout.readline() == b"ready\n"
            yield
        finally:
            running.kill()
