"""A mail server behind the machine of `tests.peers.outside`: the machine is then a router, or a host with a container.

    with outside() as net, behind(net) as server, listening(Outside(server, net.clients)):
        net.reach(["198.51.100.1"])                        # to the router's own address
        net.reach(["2001:db8::1"], to=SERVER6)             # to the server's

The router forwards between `wan0` and `lan0` and has no firewall of its own; what it translates is the test's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.peers.netns import Host, _ip, _namespace
from tests.peers.outside import Outside

SERVER4 = "192.0.2.26"
SERVER6 = "2001:db8:fffe::25"
_ROUTER4, _ROUTER6 = "192.0.2.254", "2001:db8:fffe::1"


@contextmanager
def behind(net: Outside) -> Iterator[Host]:
    """Make the server until the end of the block."""
    router, clients = net.machine.namespace, net.clients.namespace
    server = Host("server", net.machine.namespace.replace("-machine", "-server"), (SERVER4, SERVER6))
    with ExitStack() as undo:
        _namespace(server.namespace, undo)
        _ip("-n", router, "link", "add", "lan0", "type", "veth", "peer", "name", "eth0", "netns", server.namespace)
        undo.callback(_ip, "-n", router, "link", "delete", "lan0")
        for namespace, device, own in (
            (router, "lan0", (f"{_ROUTER4}/32", f"{_ROUTER6}/64")),
            (server.namespace, "eth0", (f"{SERVER4}/32", f"{SERVER6}/64")),
        ):
            for address in own:
                _ip("-n", namespace, "address", "add", address, "dev", device, *(["nodad"] if ":" in address else []))
            _ip("-n", namespace, "link", "set", device, "up")
        _ip("-n", router, "route", "add", SERVER4, "dev", "lan0")
        _ip("-n", server.namespace, "route", "add", _ROUTER4, "dev", "eth0")
        _ip("-n", server.namespace, "route", "add", "default", "via", _ROUTER4)
        _ip("-n", server.namespace, "-6", "route", "add", "default", "via", _ROUTER6)
        for address, via in ((SERVER4, "198.18.0.2"), (SERVER6, "fd00::2")):
            _ip("-n", clients, "route", "add", address, "via", via)
            undo.callback(_ip, "-n", clients, "route", "delete", address)
        forwarding = ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        net.machine.run(["sysctl", "-qw", *forwarding])
        server.run(["sysctl", "-qw", "net.core.somaxconn=8192", "net.ipv4.tcp_syncookies=0"])
        yield server
